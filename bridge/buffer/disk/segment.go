package disk

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/siembridge/siembridge/bridge/buffer/disk/vfs"
)

// tally counts records and the bytes of their frames.
type tally struct{ records, bytes int64 }

// segment is what the index knows of one file of the log. A segment is never changed in place: a commit puts a
// changed copy in its stead.
type segment struct {
	id      uint64
	size    int64   // committed; what the file holds beyond it does not count
	first   uint64  // number of its first record, 0 when it holds none
	last    uint64  // number of its last record
	newest  int64   // stamp of the latest Pulled
	sources []tally // by number of the source
}

func (s *segment) clone() *segment {
	c := *s
	c.sources = slices.Clone(s.sources)
	return &c
}

// add counts a record that was written.
func (s *segment) add(number uint64, source int, pulled int64, size int64) {
	if s.first == 0 {
		s.first = number
	}
	s.last = number
	s.newest = max(s.newest, pulled)
	s.size += size
	s.sources = count(s.sources, source, 1, size)
}

// count adds to the tally of a source, and makes the list longer where needed.
func count(tallies []tally, source int, records, bytes int64) []tally {
	for len(tallies) <= source {
		tallies = append(tallies, tally{})
	}
	tallies[source].records += records
	tallies[source].bytes += bytes
	return tallies
}

// of returns the tally of a source.
func of(tallies []tally, source int) tally {
	if source < len(tallies) {
		return tallies[source]
	}
	return tally{}
}

// row returns the segment as stored in the index.
func (s *segment) row() []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(s.size))
	b = binary.LittleEndian.AppendUint64(b, s.first)
	b = binary.LittleEndian.AppendUint64(b, s.last)
	b = binary.LittleEndian.AppendUint64(b, uint64(s.newest))
	return appendTallies(b, s.sources)
}

func parseSegmentRow(id uint64, row []byte) (*segment, error) {
	d := decoder{b: row}
	s := &segment{id: id, size: int64(d.uint64()), first: d.uint64(), last: d.uint64(), newest: int64(d.uint64())}
	s.sources = d.tallies()
	if d.bad || s.size < segmentHeader {
		return nil, damaged("the row of segment " + strconv.FormatUint(id, 10))
	}
	return s, nil
}

func appendTallies(b []byte, tallies []tally) []byte {
	b = binary.LittleEndian.AppendUint16(b, uint16(len(tallies)))
	for _, t := range tallies {
		b = binary.LittleEndian.AppendUint64(b, uint64(t.records))
		b = binary.LittleEndian.AppendUint64(b, uint64(t.bytes))
	}
	return b
}

func (d *decoder) tallies() []tally {
	n := d.uint16()
	if d.bad || len(d.b) < 16*n {
		d.bad = true
		return nil
	}
	tallies := make([]tally, n)
	for i := range tallies {
		tallies[i] = tally{int64(d.uint64()), int64(d.uint64())}
	}
	return tallies
}

const segmentSuffix = ".log"

func segmentPath(dir string, id uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%016x%s", id, segmentSuffix))
}

// listSegments returns the numbers of the segment files in a folder, ascending.
func listSegments(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var ids []uint64
	for _, e := range entries {
		name, isSegment := strings.CutSuffix(e.Name(), segmentSuffix)
		id, err := strconv.ParseUint(name, 16, 64)
		if isSegment && err == nil && len(name) == 16 {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// writer appends frames to the active segment. What it writes counts only once the index says so.
type writer struct {
	file   vfs.File
	id     uint64
	off    int64  // where buf will be written
	buf    []byte // frames not written yet
	synced bool   // all that was written is synced
}

const writeSize = 1 << 20

// createSegment makes a segment file with its header. Its entry in the folder is not synced yet.
// block is what it gathers frames in.
func createSegment(fsys vfs.FS, dir string, log logID, id uint64, block []byte) (*writer, error) {
	f, err := fsys.OpenFile(segmentPath(dir, id), os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	return &writer{file: f, id: id, buf: appendSegmentHeader(block[:0], log, id)}, nil
}

// openSegment opens a segment to append behind what is committed, and cuts off what lies behind that.
func openSegment(fsys vfs.FS, dir string, s *segment, block []byte) (*writer, error) {
	f, err := fsys.OpenFile(segmentPath(dir, s.id), os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(s.size); err != nil {
		f.Close()
		return nil, err
	}
	return &writer{file: f, id: s.id, off: s.size, buf: block[:0], synced: true}, nil
}

// size is where the next frame begins.
func (w *writer) size() int64 { return w.off + int64(len(w.buf)) }

// flush writes what is buffered.
func (w *writer) flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	w.synced = false
	n, err := w.file.WriteAt(w.buf, w.off)
	if err != nil {
		return err
	}
	w.off += int64(n)
	w.buf = w.buf[:0]
	return nil
}

// raw writes the Raw that ends a frame; a large one goes to the file as it is.
func (w *writer) raw(p []byte) error {
	if len(w.buf)+len(p) <= writeSize {
		w.buf = append(w.buf, p...)
		return nil
	}
	if err := w.flush(); err != nil {
		return err
	}
	if len(p) < writeSize {
		w.buf = append(w.buf, p...)
		return nil
	}
	n, err := w.file.WriteAt(p, w.off)
	if err != nil {
		return err
	}
	w.off += int64(n)
	return nil
}

// sync makes all frames durable.
func (w *writer) sync() error {
	if err := w.flush(); err != nil || w.synced {
		return err
	}
	if err := w.file.Sync(); err != nil {
		return err
	}
	w.synced = true
	return nil
}
