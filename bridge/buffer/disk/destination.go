package disk

import (
	"encoding/binary"
	"slices"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// position is a place in the log.
type position struct {
	segment uint64
	offset  int64
}

func (p position) before(q position) bool {
	return p.segment < q.segment || p.segment == q.segment && p.offset < q.offset
}

// settlement is one record that a destination needs no more.
type settlement struct {
	number  uint64
	segment uint64
	source  int
	bytes   int64
	dropped bool // it was not delivered
}

// progress is how far a destination has come: which numbers are settled, and how many records and bytes these are in
// each segment that still has others.
type progress struct {
	settled
	tallies map[uint64][]tally // segment -> by source
	dropped uint64
	began   uint64  // the last number given before the destination was first opened
	missed  settled // settled without being delivered: dropped when the buffer was full
	damaged settled // the same: not to be read any more
}

func (p *progress) clone() *progress {
	c := &progress{settled: p.settled.clone(), dropped: p.dropped, tallies: make(map[uint64][]tally, len(p.tallies)),
		began: p.began, missed: p.missed.clone(), damaged: p.damaged.clone()}
	for id, t := range p.tallies {
		c.tallies[id] = slices.Clone(t)
	}
	return c
}

// settle takes a record as settled. It may be called again for the same one.
func (p *progress) settle(s settlement) bool {
	if p.contains(s.number) {
		return false
	}
	p.add(s.number, s.number)
	if s.dropped {
		p.missed.add(s.number, s.number)
	}
	p.tallies[s.segment] = count(p.tallies[s.segment], s.source, 1, s.bytes)
	return true
}

// gone settles the numbers of a segment that is deleted, since nobody needs it. What was not settled in it was not
// wanted; behind records that were dropped it counts as dropped, too, so that these stay one interval.
func (p *progress) gone(s *segment) {
	if s.first == 0 {
		return
	}
	for _, gap := range p.gaps(s.first, s.last) {
		if gap.first > 1 && p.missed.contains(gap.first-1) {
			p.missed.add(gap.first, gap.last)
		}
	}
	p.add(s.first, s.last)
}

// maxMissed bounds the intervals that are remembered of dropped records which are not in the log any more; older ones
// count as released.
const maxMissed = 1000

// prune forgets the tallies of segments that are settled as a whole or gone, and what was dropped long ago.
func (p *progress) prune(segments []*segment) {
	if over := len(p.missed.above) - maxMissed; over > 0 && len(segments) > 0 {
		old := 0
		for old < over && p.missed.above[old].last < segments[0].first {
			old++
		}
		p.missed.above = slices.Delete(p.missed.above, 0, old)
	}
	for id := range p.tallies {
		i, found := slices.BinarySearchFunc(segments, id, func(s *segment, id uint64) int { return compare(s.id, id) })
		if !found || segments[i].last <= p.low && i < len(segments)-1 {
			delete(p.tallies, id)
		}
	}
}

func compare(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// outstanding returns what of one source in a segment is not settled.
func (p *progress) outstanding(s *segment, source int) tally {
	if s.last <= p.low {
		return tally{}
	}
	all, done := of(s.sources, source), of(p.tallies[s.id], source)
	return tally{max(0, all.records-done.records), max(0, all.bytes-done.bytes)}
}

// destination is one reader of the log, with or without an open queue.
type destination struct {
	name     string
	sources  []string // empty: all
	overflow buffer.Overflow
	closed   int64    // stamp of when its queue was last closed; noTime while it is open
	start    position // at or before its first record that is not settled

	progress *progress
	queue    *Queue
	wanted   []bool // by number of the source; kept by Buffer.want
}

// wants tells whether it wants the records of a source.
func (d *destination) wants(source int) bool { return source < len(d.wanted) && d.wanted[source] }

// pending returns what it has yet to deliver in a segment.
func (d *destination) pending(p *progress, s *segment) (t tally) {
	if s.last <= p.low {
		return t
	}
	for source := range s.sources {
		if d.wants(source) {
			o := p.outstanding(s, source)
			t.records += o.records
			t.bytes += o.bytes
		}
	}
	return t
}

// row returns the destination as stored in the index.
//
//	low, dropped, closed, start segment, start offset: 8 bytes each; overflow: a byte
//	sources: uint16 count, then length byte and name each
//	intervals above low: uint32 count, then first and last each
//	tallies: uint16 count, then segment, uint16 count of sources, records and bytes each
//	began: 8 bytes; missed, damaged: low, uint32 count, then first and last each. Rows of before these were kept end here.
func (d *destination) row(p *progress, start position) []byte {
	b := binary.LittleEndian.AppendUint64(nil, p.low)
	b = binary.LittleEndian.AppendUint64(b, p.dropped)
	b = binary.LittleEndian.AppendUint64(b, uint64(d.closed))
	b = binary.LittleEndian.AppendUint64(b, start.segment)
	b = binary.LittleEndian.AppendUint64(b, uint64(start.offset))
	b = append(b, byte(d.overflow))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(d.sources)))
	for _, s := range d.sources {
		b = appendString(b, s)
	}
	b = appendIntervals(b, p.above)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(p.tallies)))
	for id, t := range p.tallies {
		b = binary.LittleEndian.AppendUint64(b, id)
		b = appendTallies(b, t)
	}
	b = binary.LittleEndian.AppendUint64(b, p.began)
	for _, set := range []*settled{&p.missed, &p.damaged} {
		b = appendIntervals(binary.LittleEndian.AppendUint64(b, set.low), set.above)
	}
	return b
}

func appendIntervals(b []byte, all []interval) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(all)))
	for _, i := range all {
		b = binary.LittleEndian.AppendUint64(b, i.first)
		b = binary.LittleEndian.AppendUint64(b, i.last)
	}
	return b
}

// intervals is the inverse of appendIntervals.
func (d *decoder) intervals() (all []interval) {
	n := int(binary.LittleEndian.Uint32(d.take(4)))
	if len(d.b)/16 < n {
		d.bad = true
		return nil
	}
	for range n {
		all = append(all, interval{d.uint64(), d.uint64()})
	}
	return all
}

func parseDestinationRow(name string, row []byte) (*destination, error) {
	r := decoder{b: row}
	p := &progress{tallies: make(map[uint64][]tally)}
	d := &destination{name: name, progress: p}
	p.low, p.dropped, d.closed = r.uint64(), r.uint64(), int64(r.uint64())
	d.start = position{r.uint64(), int64(r.uint64())}
	d.overflow = buffer.Overflow(r.byte())
	for range r.uint16() {
		d.sources = append(d.sources, r.string())
	}
	p.above = r.intervals()
	for range r.uint16() {
		id := r.uint64()
		p.tallies[id] = r.tallies()
	}
	if len(r.b) > 0 {
		p.began = r.uint64()
		for _, set := range []*settled{&p.missed, &p.damaged} {
			set.low = r.uint64()
			set.above = r.intervals()
		}
	}
	if r.bad {
		return nil, damaged("the row of destination " + name)
	}
	return d, nil
}
