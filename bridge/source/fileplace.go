package source

import (
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"
)

// filePosition is how far a file was read. It is stored with the records that were read up to it.
type filePosition struct {
	At     int64  `json:"at"`               // bytes before what is to be read next; of the text, where the file is compressed
	Part   string `json:"part,omitempty"`   // what is being read there
	Within string `json:"within,omitempty"` // the place of a document that is being read
	Size   int64  `json:"size"`             // of the file, when it was looked at last
	Ended  bool   `json:"ended,omitempty"`  // it was read to its end then
	Head   string `json:"head,omitempty"`   // what tells the file from another of the same name: a hash of its beginning
	Marked int64  `json:"marked,omitempty"` // of so many bytes
}

// What a position may be in.
const (
	partLines    = ""         // between two lines
	partLine     = "line"     // in a line that is a document of several records
	partDocument = "document" // in a document that is all the rest of the file
	partSalvage  = "salvage"  // between two lines, behind a document that cannot be read on
)

// headLength is how much of a file's beginning is looked at to know it again, in bytes.
const headLength = 1 << 10

// finished tells whether a file of a size has nothing new.
func (p *filePosition) finished(path string, size int64) bool {
	if compressed(path) {
		return size == 0 || p.Ended && p.Size == size
	}
	return p.At == size
}

// done is how many bytes of a file of a size were read.
func (p *filePosition) done(path string, size int64) int64 {
	switch {
	case p.finished(path, size):
		return size
	case compressed(path):
		return 0 // it is read from its beginning
	}
	return min(p.At, size)
}

// of tells whether a position is one of this file.
func (p *filePosition) of(file *os.File, path string, size int64) bool {
	if size < p.Size || size < p.Marked {
		return false
	}
	now := filePosition{}
	return now.mark(file, p.Marked) == nil && (p.Head == "" || now.Head == p.Head) && (compressed(path) || p.between(file, size))
}

// between tells whether what a position between two lines is between are two lines still, or two values: a file may have
// been written anew that begins as it did.
func (p *filePosition) between(file *os.File, size int64) bool {
	if p.Part != partLines || p.At == 0 || p.At >= size {
		return true
	}
	var around [2]byte
	if _, err := file.ReadAt(around[:], p.At-1); err != nil {
		return false
	}
	return around[0] == '\n' || around[1] == '\n' || around[1] == '\r' || around == [2]byte{'}', '{'}
}

// mark notes the file's beginning.
func (p *filePosition) mark(file *os.File, size int64) error {
	head := make([]byte, min(size, headLength))
	if _, err := file.ReadAt(head, 0); err != nil {
		return err
	}
	sum := sha256.Sum256(head)
	p.Head, p.Marked = hex.EncodeToString(sum[:8]), int64(len(head))
	return nil
}

func compressed(path string) bool {
	return strings.HasSuffix(path, ".gz") || strings.HasSuffix(path, ".zst")
}

// fileWork is how much of the files is read, in bytes as they are on disk.
type fileWork struct{ read, total atomic.Int64 }

// nothing tells why there is no file, unless it is only that a folder has none yet.
func (f *File) nothing() error {
	folder := f.o.Path
	for strings.ContainsAny(folder, `*?[`) {
		folder = filepath.Dir(folder)
	}
	if folder == f.o.Path {
		return fmt.Errorf("there is no file %s", folder)
	}
	dir, err := os.Open(folder)
	if err != nil {
		return fmt.Errorf("no file is found: %w", err)
	}
	return dir.Close()
}

// goneKept is how many files that are gone are remembered: one may come back.
const goneKept = 1000

// forget forgets files that are gone, when they are many: the positions of all are stored with each batch.
func (f *File) forget(paths []string) {
	if len(f.positions) <= len(paths)+goneKept {
		return
	}
	there := make(map[string]bool, len(paths))
	for _, path := range paths {
		there[path] = true
	}
	gone := func(path string) bool { return !there[path] }
	maps.DeleteFunc(f.positions, func(path string, _ filePosition) bool { return gone(path) })
	maps.DeleteFunc(f.stuck, func(path string, _ stuck) bool { return gone(path) })
}

// survey sums up what there is to read.
func (f *File) survey(paths []string) {
	var read, total int64
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		at, size := f.positions[path], info.Size()
		total += size
		if f.stuck[path].err != nil && f.stuck[path].size == size {
			read += size
		} else {
			read += at.done(path, size)
		}
	}
	f.work.total.Store(total)
	f.work.read.Store(read)
}

// countingReader counts what is read, and ends with ctx.
type countingReader struct {
	ctx context.Context
	r   io.Reader
	n   *atomic.Int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// ending returns a reader whose reads end with ctx. Nothing ends a read of a pipe into which nobody writes: it is left
// alone then, and ends with the process or with what comes.
func ending(ctx context.Context, in io.Reader) io.ReadCloser {
	out, w := io.Pipe()
	stop := context.AfterFunc(ctx, func() { out.CloseWithError(ctx.Err()) })
	go func() {
		defer stop()
		_, err := io.Copy(w, in)
		w.CloseWithError(err)
	}()
	return out
}

// open returns a file's text from a position on.
func (f *File) open(ctx context.Context, file *os.File, path string, at filePosition, size int64) (io.ReadCloser, error) {
	from := at.At
	if compressed(path) {
		from = 0
	}
	if _, err := file.Seek(from, io.SeekStart); err != nil {
		return nil, err
	}
	in := &countingReader{ctx, io.LimitReader(file, size-from), &f.work.read}
	if !compressed(path) {
		return io.NopCloser(in), nil
	}
	text, err := decompress(in, path)
	if err != nil {
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, text, at.At); err != nil {
		text.Close()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("its text has become shorter than the %d bytes that were read of it", at.At)
		}
		return nil, err
	}
	return text, nil
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
