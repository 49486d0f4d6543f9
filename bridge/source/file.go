package source

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/zstd"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/formats/defender"
)

// FileOptions describe a source that reads files.
type FileOptions struct {
	Name         string
	Path         string        // a path, a glob, or "-" for standard input
	PollInterval time.Duration // how often new files and appended lines are looked for
	NoUpdates    bool
	Evidence     bool      // a record for each piece of evidence, in place of one for the alert
	Stdin        io.Reader // for "-"; nil: os.Stdin
	Buffer       buffer.Appender
	Metrics      *Metrics
	Logger       *slog.Logger
}

// File reads records of any supported API from files: one record a line, or whole documents (a page, a list, a record),
// plain, gzip (.gz) or zstd (.zst). What is no JSON becomes a record too, and is delivered in a minimal form.
type File struct {
	o         FileOptions
	log       *slog.Logger
	positions map[string]filePosition

	mu     sync.Mutex
	status Status
}

// filePosition is how far a file was read.
type filePosition struct {
	Offset int64 `json:"offset"` // of the next line; a document or compressed file: its size
	Size   int64 `json:"size"`   // when it was looked at last
}

// NewFile prepares a source; Run does the work.
func NewFile(o FileOptions) (*File, error) {
	f := &File{o: o, log: o.Logger.With("source", o.Name), positions: map[string]filePosition{}}
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
		in := f.o.Stdin
		if in == nil {
			in = os.Stdin
		}
		b := f.newBatch(ctx)
		_, err := f.lines(in, b, true)
		if err == nil {
			err = b.flush()
		}
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
	if data != nil && json.Unmarshal(data, &f.positions) != nil {
		f.log.Warn("what was read before is not known; files are read again and their records recognised")
	}
	return nil
}

// look reads what is new in all files.
func (f *File) look(ctx context.Context) {
	paths, _ := filepath.Glob(f.o.Path) // the pattern was checked
	if len(paths) == 0 && !strings.ContainsAny(f.o.Path, `*?[`) {
		f.failed(fmt.Errorf("there is no file %s", f.o.Path))
		return
	}
	sort.Strings(paths)
	for _, path := range paths {
		if ctx.Err() != nil {
			return
		}
		if err := f.read(ctx, path); err != nil && ctx.Err() == nil {
			f.failed(fmt.Errorf("%s: %w", path, err))
			return
		}
	}
	f.worked("ok")
}

// read reads what is new in one file and stores it with the new position.
func (f *File) read(ctx context.Context, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	at := f.positions[path]
	if info.Size() < at.Offset { // another file of the same name
		at = filePosition{}
	}
	if info.Size() == at.Offset {
		return nil
	}
	settled := at.Size == info.Size()
	b := f.newBatch(ctx)
	b.path = path
	b.at = filePosition{Offset: at.Offset, Size: info.Size()}
	switch {
	case strings.HasSuffix(path, ".gz"), strings.HasSuffix(path, ".zst"):
		in, err := decompress(file, path)
		if err != nil {
			return err
		}
		defer in.Close()
		if _, err := f.lines(in, b, true); err != nil {
			return err
		}
		b.at.Offset = info.Size()
	default:
		if _, err := file.Seek(at.Offset, io.SeekStart); err != nil {
			return err
		}
		n, err := f.lines(io.LimitReader(file, info.Size()-at.Offset), b, settled)
		if err != nil {
			return err
		}
		b.at.Offset = at.Offset + n
	}
	return b.flush()
}

func decompress(r io.Reader, path string) (io.ReadCloser, error) {
	if strings.HasSuffix(path, ".gz") {
		return gzip.NewReader(r)
	}
	d, err := zstd.NewReader(r, zstd.WithDecoderMaxMemory(256<<20), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	return d.IOReadCloser(), nil
}

// lines reads records and returns how many bytes are done with. A first line that is not JSON by itself begins a
// document, which is read as a whole. complete: nothing will be appended to the last line any more.
func (f *File) lines(r io.Reader, b *fileBatch, complete bool) (done int64, err error) {
	in := bufio.NewReaderSize(r, 1<<20)
	if mark, err := in.Peek(3); err == nil && bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_, _ = in.Discard(3)
		done = 3
	}
	for first := true; ; first = false {
		line, err := readLine(in)
		if err != nil && !errors.Is(err, io.EOF) {
			return done, err
		}
		text := bytes.TrimSpace(line)
		api, _, record := defender.Detect(text)      // false for what is no JSON
		record = record && api != defender.Incidents // an incident has alerts to split off
		whole := record || len(text) > 0 && jsontext.Value(text).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
		ended := errors.Is(err, io.EOF)
		switch {
		case len(text) == 0:
		case record:
			if err := b.add(api, bytes.Clone(text)); err != nil {
				return done, err
			}
		case whole:
			if err := b.document(bytes.NewReader(text), text); err != nil {
				return done, err
			}
		case first && (text[0] == '{' || text[0] == '[') && !ended:
			counted := &countingReader{r: io.MultiReader(bytes.NewReader(line), in)}
			err := b.document(counted, nil)
			if errors.Is(err, defender.ErrTruncated) && !complete {
				return done, nil // it is being written, and read again; its first records will be recognised
			}
			return done + counted.n, err
		case ended && !complete:
			return done, nil
		default:
			if err := b.add(defender.Unknown, bytes.Clone(text)); err != nil {
				return done, err
			}
		}
		done += int64(len(line))
		if ended {
			return done, nil
		}
	}
}

// readLine reads one line with its line feed, at most MaxRecord bytes of it.
func readLine(in *bufio.Reader) ([]byte, error) {
	line, err := in.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, err
	}
	long := bytes.Clone(line)
	for errors.Is(err, bufio.ErrBufferFull) {
		if len(long) > buffer.MaxRecord {
			return nil, fmt.Errorf("a line is longer than %d bytes; it is no record", buffer.MaxRecord)
		}
		line, err = in.ReadSlice('\n')
		long = append(long, line...)
	}
	return long, err
}

type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// fileBatch collects records of a file and appends them with the position behind them.
type fileBatch struct {
	collector
	f    *File
	path string // "": no position is kept
	at   filePosition
}

func (f *File) newBatch(ctx context.Context) *fileBatch {
	return &fileBatch{f: f, collector: collector{ctx: ctx, source: f.o.Name, buffer: f.o.Buffer, noUpdates: f.o.NoUpdates,
		evidence: f.o.Evidence, note: f.note}}
}

// document adds the records of a JSON text. whole is the text when it is one line: a text without a known record in it
// becomes a record itself.
func (b *fileBatch) document(r io.Reader, whole []byte) error {
	page, err := defender.Split(defender.Unknown, r, func(raw []byte) error {
		api, legacy, _ := defender.Detect(raw)
		if legacy {
			b.f.log.Warn("a record is of Graph's first alerts API, whose fields are not mapped; use alerts_v2")
		}
		return b.add(api, raw)
	})
	if page.TooLarge > 0 {
		b.f.log.Error("records are larger than 32 MiB and were passed over; look them up in the Defender portal", "file", b.path, "records", page.TooLarge)
	}
	if err != nil && whole != nil && b.ctx.Err() == nil {
		var stored *storeError
		if !errors.As(err, &stored) {
			return b.add(defender.Unknown, bytes.Clone(whole))
		}
	}
	return err
}

func (b *fileBatch) add(api defender.API, raw []byte) error {
	_, err := b.collect(api, raw)
	return err
}

// flush appends what is left, with the position.
func (b *fileBatch) flush() error {
	if b.path == "" {
		return b.collector.flush(nil)
	}
	b.f.positions[b.path] = b.at
	data, err := json.Marshal(b.f.positions)
	if err != nil {
		return err
	}
	return b.collector.flush(data)
}

// note counts what became of records.
func (f *File) note(outcome buffer.Outcome) {
	f.mu.Lock()
	f.status.Pulled += uint64(outcome.New + outcome.Updated)
	f.status.Duplicates += uint64(outcome.Known)
	f.mu.Unlock()
	f.o.Metrics.pulled(f.o.Name, outcome.New+outcome.Updated, outcome.Known)
}

// Status returns a snapshot.
func (f *File) Status() Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status
}

func (f *File) worked(state string) {
	f.mu.Lock()
	f.status.State, f.status.Error, f.status.LastSuccess = state, "", time.Now()
	f.mu.Unlock()
	f.o.Metrics.success(f.o.Name)
}

func (f *File) failed(err error) {
	f.o.Metrics.failure(f.o.Name, ReasonFile)
	f.mu.Lock()
	news := f.status.Error != err.Error()
	f.status.State, f.status.Error = "failing", err.Error()
	f.mu.Unlock()
	if news {
		f.log.Error("reading fails; it is tried again", "error", err)
	}
}
