package disk

import (
	"errors"
	"io"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/siembridge/siembridge/bridge/buffer/keys"
)

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
		v, err := parseRecord(body)
		switch {
		case err != nil:
			r.position(body)
		case v.number >= end:
			r.add(s)
			return nil
		default:
			if err := r.record(s, &v, size); err != nil {
				return err
			}
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

// position takes the positions of destinations into account, if a frame has them.
func (r *rebuilder) position(body []byte) {
	if positions, err := parsePositions(body); err == nil {
		for _, p := range positions {
			r.positions[p.name] = p
		}
	}
}

// record takes one record into account, whose frame has size bytes.
func (r *rebuilder) record(s *segment, v *recordView, size int64) error {
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
