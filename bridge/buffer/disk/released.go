package disk

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// kept returns the segments that hold the records which a destination has released last, Options.keep bytes for each:
// they stay, whatever retain and the limit say. b.mu is held.
func (b *Buffer) kept(p *plan) map[uint64]bool {
	kept := map[uint64]bool{}
	for _, d := range b.destinations {
		at := d.progress
		if p.progress[d] != nil {
			at = p.progress[d]
		}
		for i, left := len(b.segments)-1, b.opts.keep; i >= 0 && left > 0 && b.segments[i].last > at.began; i-- {
			s := b.segments[i]
			if n := d.releasedIn(at, s); n > 0 && !slices.Contains(p.removed, s.id) {
				kept[s.id] = true
				left -= n
			}
		}
	}
	return kept
}

// releasedIn returns about how many bytes of a segment were released. b.mu is held.
func (d *destination) releasedIn(p *progress, s *segment) int64 {
	var done tally
	for source, all := range s.sources {
		if d.wants(source) {
			left := p.outstanding(s, source)
			done.records += all.records - left.records
			done.bytes += all.bytes - left.bytes
		}
	}
	if done.records <= 0 || s.first == 0 {
		return 0
	}
	// Those that were dropped are settled, too. How large they were is not known.
	missed := min(done.records, int64(p.missed.count(s.first, s.last)))
	return done.bytes / done.records * (done.records - missed)
}

// Released implements buffer.Queue. A part that is damaged is passed over.
func (q *Queue) Released(maxBytes int) ([]buffer.Record, error) {
	b := q.b
	b.mu.Lock()
	if q.closed {
		b.mu.Unlock()
		return nil, buffer.ErrClosed
	}
	segments, p := slices.Clone(b.segments), q.d.progress.clone()
	var candidates []*segment
	for _, s := range segments {
		if s.last > p.began && q.d.releasedIn(p, s) > 0 {
			candidates = append(candidates, s)
		}
	}
	sources, wanted := make(map[string]int, len(b.sourceIDs)), slices.Clone(q.d.wanted)
	maps.Copy(sources, b.sourceIDs)
	b.mu.Unlock()

	var records []buffer.Record
	for _, s := range slices.Backward(candidates) {
		var here []buffer.Record
		size, full := 0, false
		err := b.eachRecord(s, segmentHeader, func(v *recordView) bool {
			id, known := sources[string(v.source)]
			if !known || id >= len(wanted) || !wanted[id] || v.number <= p.began || !p.contains(v.number) || p.missed.contains(v.number) {
				return true
			}
			r := v.record()
			r.Raw = bytes.Clone(r.Raw)
			here, size = append(here, r), size+len(r.Raw)
			for size > maxBytes && len(here)+len(records) > 1 {
				full = true
				size -= len(here[0].Raw)
				here = here[1:]
			}
			return true
		})
		if err != nil && !errors.Is(err, errDamaged) && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("segment %d of the log: %w", s.id, err)
		}
		records = append(here, records...)
		if maxBytes -= size; full || maxBytes <= 0 {
			break
		}
	}
	return records, nil
}
