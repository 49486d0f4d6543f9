package disk

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"github.com/siembridge/siembridge/bridge/buffer/disk/vfs"
)

// rebuild sets a damaged index aside and makes a new one from the log: records, numbers, sources and keys, and the
// positions last written into it. Checkpoints are lost; what is pulled again because of that is recognised. It may
// deliver again what was released after the positions were written, and it loses no record.
//
// The new index is made beside and renamed when it is whole. A crash before that leaves the mark, so that the next
// opening begins again.
func (b *Buffer) rebuild(path string, cause error) error {
	ids, err := listSegments(b.logDir)
	if err != nil {
		return err
	}
	r := rebuilder{b: b, ids: map[string]int{}, positions: map[string]savedPosition{}}
	r.keys.recent, r.keys.filters = newRecentKeys(), filters{}
	// Nothing is touched before it is clear that this version may.
	if err := r.findID(ids); err != nil {
		return err
	}
	markForRebuild(b.dir)
	b.report.Cause = cause.Error()
	aside, err := setAside(path, b.opts.Now())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w, and it cannot be set aside: %w", cause, err)
	}
	if err != nil {
		aside = "" // there was none
	}
	b.report.Aside = aside
	b.logger.Error("the buffer's index is rebuilt from the log", "cause", cause, "aside", aside)
	if err := vfs.Remove(b.opts.FS, filepath.Join(b.dir, progressName)); err != nil { // of the index before
		return err
	}
	made := path + ".new"
	if err := vfs.Remove(vfs.System{}, made); err != nil {
		return err
	}
	if b.db, err = openIndex(made, b.opts.Simulated); err != nil {
		return err
	}
	err = guard(r.run)
	err = errors.Join(err, closeIndex(b.db))
	b.db = nil
	if err == nil {
		err = os.Rename(made, path)
	}
	if err == nil {
		err = errors.Join(vfs.Remove(vfs.System{}, filepath.Join(b.dir, rebuildName)), vfs.SyncDir(b.dir))
	}
	if err != nil {
		return explain(b.dir, err)
	}
	if b.db, err = openIndex(path, b.opts.Simulated); err != nil {
		return err
	}
	b.version = formatVersion
	return b.load()
}

func (r *rebuilder) run() error {
	if err := errors.Join(r.b.arrange(), r.b.raiseSegments()); err != nil {
		return err
	}
	ids, err := listSegments(r.b.logDir)
	if err != nil {
		return err
	}
	r.b.seed = r.b.id.seed()
	if err := r.b.createIndex(); err != nil {
		return err
	}
	ends, err := r.committed(ids)
	if err != nil {
		return err
	}
	for i, id := range ids {
		if err := r.scanSegment(id, ends[i]); err != nil {
			return err
		}
		r.lastID = id
	}
	return r.write()
}

// committed returns for each segment the number from which on its records were never committed: a later segment begins
// with that number or a lower one. Such records are of an append that failed and whose frames could not be cut off. They
// must not take the numbers of those that came after, since what destinations have settled is known by number.
func (r *rebuilder) committed(ids []uint64) (ends []uint64, err error) {
	ends = make([]uint64, len(ids))
	end := uint64(math.MaxUint64)
	for i := len(ids) - 1; i >= 0; i-- {
		ends[i] = end
		first, err := r.firstNumber(ids[i])
		if err != nil {
			return nil, err
		}
		end = min(end, first)
	}
	return ends, nil
}

// firstNumber returns the lowest number that a segment gives; the highest possible when its header is not whole, since
// it may be a copy of another segment then, or when it has no record.
func (r *rebuilder) firstNumber(id uint64) (uint64, error) {
	path := segmentPath(r.b.logDir, id)
	head, err := readHead(path)
	if err != nil {
		return 0, err
	}
	if log, own, _, err := parseSegmentHeader(head); err != nil || log != r.b.id || own != id {
		return math.MaxUint64, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	first := uint64(math.MaxUint64)
	err = r.b.eachRecord(&segment{id: id, size: info.Size()}, segmentHeader, func(v *recordView) bool {
		first = v.number
		return false
	})
	if errors.Is(err, errDamaged) {
		err = nil
	}
	return first, err
}

// findID takes the buffer's random number from the first segment whose header is whole, and refuses a buffer of which
// a newer version has written a segment.
func (r *rebuilder) findID(ids []uint64) error {
	found := false
	for _, id := range ids {
		head, err := readHead(segmentPath(r.b.logDir, id))
		if err != nil {
			return err
		}
		logID, _, version, err := parseSegmentHeader(head)
		if err != nil {
			continue
		}
		if err := readable(r.b.dir, version); err != nil {
			return err
		}
		if !found {
			r.b.id, found = logID, true
		}
	}
	if !found {
		rand.Read(r.b.id[:])
	}
	return nil
}

func readHead(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, segmentHeader)
	n, err := io.ReadFull(f, head)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return head[:n], err
}
