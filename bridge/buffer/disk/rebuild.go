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
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/siembridge/siembridge/bridge/buffer/disk/vfs"
	"github.com/siembridge/siembridge/bridge/buffer/keys"
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

// rebuilder gathers from the log what an index needs.
type rebuilder struct {
	b         *Buffer
	segments  []*segment
	sources   []string
	ids       map[string]int
	keys      keyIndex
	positions map[string]savedPosition
	last      uint64 // record number
	lastID    uint64 // segment number
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

// scanSegment takes the frames of a segment into account, up to the first record with the number end.
func (r *rebuilder) scanSegment(id, end uint64) error {
	f, err := r.b.opts.FS.OpenFile(segmentPath(r.b.logDir, id), os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := os.Stat(segmentPath(r.b.logDir, id))
	if err != nil {
		return err
	}
	s := &segment{id: id, size: segmentHeader, newest: noTime}
	scan := newScanner(f, r.b.seed, segmentHeader, info.Size())
	for {
		body, offset, size, err := scan.next()
		switch {
		case errors.Is(err, io.EOF):
			r.add(s)
			return nil
		case errors.Is(err, errDamaged):
			// At the end of the last segment this is what a crash may leave; it is said all the same.
			r.b.report.add(Damage{Segment: id, Offset: offset, Bytes: size, Cause: err.Error()})
			continue
		case err != nil:
			return err
		}
		if v, err := parseRecord(body); err == nil && v.number >= end {
			r.add(s)
			return nil
		}
		if err := r.frame(s, body, size); err != nil {
			return err
		}
		s.size = offset + size
	}
}

// add lists a segment, unless nothing in it is needed.
func (r *rebuilder) add(s *segment) {
	if s.size > segmentHeader {
		r.segments = append(r.segments, s)
	}
}

// frame takes one frame into account.
func (r *rebuilder) frame(s *segment, body []byte, size int64) error {
	if positions, err := parsePositions(body); err == nil {
		for _, p := range positions {
			r.positions[p.name] = p
		}
		return nil
	}
	v, err := parseRecord(body)
	if err != nil {
		return nil
	}
	if v.number <= r.last {
		r.b.damage(Damage{Segment: s.id, Cause: "it holds records that should stand in another segment"})
		return nil
	}
	if first := r.last + 1; v.number > first && (s.first != 0 || s.id == r.lastID+1 && r.last > 0) {
		r.b.damage(Damage{Segment: s.id, Cause: missing(first, v.number-1)})
	}
	r.last = v.number
	source, ok := r.ids[string(v.source)]
	if !ok {
		source = len(r.sources)
		r.ids[string(v.source)] = source
		r.sources = append(r.sources, string(v.source))
	}
	if s.first == 0 {
		s.first = v.number
	}
	s.last, s.newest = v.number, max(s.newest, v.pulled)
	s.sources = count(s.sources, source, 1, size)
	if oldest := fromStamp(v.pulled); r.b.report.Oldest.IsZero() || oldest.Before(r.b.report.Oldest) {
		r.b.report.Oldest = oldest
	}
	r.b.report.Rebuilt++
	id, _ := keyIDOf(nil, string(v.source), string(v.key))
	old, seen := r.keys.recent.get(id)
	_, state := keys.Decide(old, seen, v.changed, v.hash)
	state.Number = v.number
	r.keys.recent.set(id, state)
	if r.keys.full() {
		return r.fold()
	}
	return nil
}

// fold writes the keys gathered so far.
func (r *rebuilder) fold() error {
	var g generation
	err := r.b.update(func(tx *bolt.Tx) (err error) {
		g, err = r.keys.fold(tx, r.b.now())
		return err
	})
	if err == nil {
		r.keys.folded(g)
	}
	return err
}

// write makes the new index.
func (r *rebuilder) write() error {
	if r.keys.recent.len() > 0 {
		if err := r.fold(); err != nil {
			return err
		}
	}
	e := end{next: r.last + 1, segment: r.lastID + 1, commits: 1}
	return r.b.update(func(tx *bolt.Tx) error {
		for i, name := range r.sources {
			if err := e.put(tx, bucketSources, bigEndian(uint64(i)), []byte(name)); err != nil {
				return err
			}
		}
		for _, s := range r.segments {
			if err := e.put(tx, bucketSegments, bigEndian(s.id), s.row()); err != nil {
				return err
			}
		}
		for _, p := range r.positions {
			if err := r.destination(tx, &e, p); err != nil {
				return err
			}
		}
		if oldest := r.b.report.Oldest; !oldest.IsZero() {
			d := doubt{stamp(oldest.Add(-24 * time.Hour)), stamp(r.b.opts.Now().Add(doubtLife))}
			if err := tx.Bucket(bucketMeta).Put(keyDoubt, d.row()); err != nil {
				return err
			}
		}
		return tx.Bucket(bucketMeta).Put(keyEnd, e.row())
	})
}

// destination writes the row of a destination whose position was found in the log. Of the segment that it stands in,
// what it has settled is counted anew.
func (r *rebuilder) destination(tx *bolt.Tx, e *end, saved savedPosition) error {
	p := &progress{settled: settled{low: min(saved.low, r.last)}, dropped: saved.dropped, tallies: map[uint64][]tally{}}
	d := &destination{name: saved.name, overflow: saved.overflow, closed: r.b.now(), progress: p}
	for _, s := range r.segments {
		if s.first == 0 || s.first > p.low {
			continue
		}
		if s.last <= p.low {
			p.tallies[s.id] = s.sources
			continue
		}
		err := r.b.eachRecord(s, segmentHeader, func(v *recordView) bool {
			if v.number <= p.low {
				size := int64(frameHeader + recordHeader + len(v.source) + len(v.api) + len(v.key) + len(v.raw))
				p.tallies[s.id] = count(p.tallies[s.id], r.ids[string(v.source)], 1, size)
			}
			return true
		})
		if err != nil && !errors.Is(err, errDamaged) {
			return err
		}
	}
	return e.put(tx, bucketDestinations, []byte(d.name), d.row(p, position{0, segmentHeader}))
}
