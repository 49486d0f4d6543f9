package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sort"
	"sync"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// FileOptions describe a source that reads files.
type FileOptions struct {
	Name         string                                     // in records, metrics and logs
	Path         string                                     // a path, a glob, or "-" for standard input
	PollInterval time.Duration                              // how often new files and appended lines are looked for
	NoUpdates    bool                                       // a record that changed is remembered and not delivered
	Evidence     bool                                       // a record for each piece of evidence, in place of one for the alert
	Stdin        io.Reader                                  // for "-"; nil: os.Stdin
	Buffer       buffer.Appender                            // takes records with the place that was read to
	SetAside     func(r buffer.Record, reason string) error // what cannot be read; nil: it is only logged
	Metrics      *Metrics                                   // of all sources
	Logger       *slog.Logger                               // with the source's name in it
}

// File reads records of any supported API from files: one record a line, or whole documents (a page, a list, a record),
// plain, gzip (.gz) or zstd (.zst). What is no JSON becomes a record too, and is delivered in a minimal form. How far
// each file was read is stored together with its records, so that nothing is read twice after a crash.
type File struct {
	o         FileOptions
	log       *slog.Logger
	positions map[string]filePosition
	stuck     map[string]stuck // files that cannot be read on until they change
	longest   int              // bytes of a line that may be a record: buffer.MaxRecord; less in tests

	mu     sync.Mutex
	status Status
	work   fileWork
}

// stuck is why a file cannot be read on.
type stuck struct {
	size     int64
	modified time.Time
	err      error
}

// NewFile prepares a source; Run does the work.
func NewFile(o FileOptions) (*File, error) {
	f := &File{o: o, log: o.Logger.With("source", o.Name), positions: map[string]filePosition{}, stuck: map[string]stuck{}, longest: buffer.MaxRecord}
	f.status.State = "starting"
	if o.Path == "-" {
		return f, nil
	}
	if _, err := filepath.Match(o.Path, "x"); err != nil {
		return nil, fmt.Errorf("path %q: %w", o.Path, err)
	}
	return f, nil
}

// Run reads until ctx ends; standard input until its end, which is ErrEnded.
func (f *File) Run(ctx context.Context) error {
	if f.o.Path == "-" {
		err := f.readStdin(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			f.failed(err)
			return err
		}
		f.worked("ended")
		return ErrEnded
	}
	for {
		err := f.restore()
		if err == nil {
			break
		}
		f.failed(err)
		if sleep(ctx, f.o.PollInterval) != nil {
			return nil
		}
	}
	for {
		f.look(ctx)
		if sleep(ctx, f.o.PollInterval) != nil {
			return nil
		}
	}
}

// restore takes up reading where the last run left it.
func (f *File) restore() error {
	data, err := f.o.Buffer.Checkpoint(f.o.Name)
	if err != nil {
		return fmt.Errorf("the checkpoint: %w", err)
	}
	f.positions = map[string]filePosition{} // what was read and not stored is read again
	if data != nil && json.Unmarshal(data, &f.positions) != nil {
		f.log.Warn("what was read before is not known; files are read again and their records recognised")
	}
	return nil
}

// look reads what is new in all files. One that cannot be read does not keep the others from being read.
func (f *File) look(ctx context.Context) {
	paths, _ := filepath.Glob(f.o.Path) // the pattern was checked
	if len(paths) == 0 {
		if err := f.nothing(); err != nil {
			f.failed(err)
			return
		}
	}
	sort.Strings(paths)
	f.survey(paths)
	f.forget(paths)
	b := f.newBatch(ctx) // of all files: each may have a record only, and the position of every file is stored with a batch
	defer b.leave()
	b.keepPositions()
	var failures []error
	for _, path := range paths {
		err := f.read(b, path)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", path, err))
		}
	}
	if err := b.end(); err != nil {
		failures = append(failures, err)
	}
	if ctx.Err() != nil {
		return
	}
	switch len(failures) {
	case 0:
		f.worked("ok")
	case 1:
		f.failed(failures[0])
	default:
		f.failed(fmt.Errorf("%w (and %d files more)", failures[0], len(failures)-1))
	}
}

// readStdin reads standard input to its end.
func (f *File) readStdin(ctx context.Context) error {
	in := f.o.Stdin
	if in == nil {
		in = os.Stdin
	}
	size, regular := int64(0), false
	if file, ok := in.(*os.File); ok {
		if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
			size, regular = info.Size(), true
		}
	}
	if !regular {
		pipe := ending(ctx, in)
		defer pipe.Close()
		in = pipe
	}
	f.work.total.Store(size)
	b := f.newBatch(ctx)
	defer b.leave()
	r := newReading(b, &countingReader{ctx, in, &f.work.read}, true, true)
	r.once = true
	if err := r.run(); err != nil {
		return err
	}
	return b.flush(nil)
}

// read reads what is new in one file into b, with the new position.
func (f *File) read(b *fileBatch, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() { // to open a pipe would wait for a writer, past ctx
		if path != f.o.Path {
			return nil
		}
		return errors.New("it is no regular file; a pipe is read as standard input, with path = \"-\"")
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if info, err = file.Stat(); err != nil {
		return err
	}
	at := f.positions[path]
	if !at.of(file, path, info.Size()) { // another file of the same name
		at = filePosition{}
	}
	if at.finished(path, info.Size()) {
		return nil
	}
	if s := f.stuck[path]; s.err != nil && s.size == info.Size() && s.modified.Equal(info.ModTime()) {
		return s.err
	}
	delete(f.stuck, path)
	err = f.readFrom(b, file, path, at, info.Size())
	if errors.Is(err, errRewritten) {
		f.log.Info("the file was written anew: it is read again, and what was read before is recognised", "file", path)
		err = f.readFrom(b, file, path, filePosition{}, info.Size())
	}
	var stored *storeError
	if err != nil && b.ctx.Err() == nil && !errors.As(err, &stored) {
		f.stuck[path] = stuck{info.Size(), info.ModTime(), err}
	}
	return err
}

// readFrom reads a file from a position to its end.
func (f *File) readFrom(b *fileBatch, file *os.File, path string, at filePosition, size int64) error {
	settled := at.Size == size // nothing was appended since it was looked at last
	at.Size, at.Ended = size, false
	if err := at.mark(file, size); err != nil {
		return err
	}
	in, err := f.open(b.ctx, file, path, at, size)
	if err != nil {
		return err
	}
	defer in.Close()
	b.path, b.at = path, at
	r := newReading(b, in, settled || compressed(path), settled)
	err = r.run()
	if b.at.Ended = err == nil && !r.waits; b.ctx.Err() == nil && !errors.Is(err, errRewritten) {
		b.mark()
	}
	return err
}
