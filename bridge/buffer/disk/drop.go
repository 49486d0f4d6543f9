package disk

import (
	"errors"
	"os"
	"slices"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// drop settles, oldest first, records that only destinations with OverflowDropOldest and closed queues still need,
// until so many bytes are free. When that is not to be had it changes nothing and tells false.
func (p *plan) drop(excess int64) bool {
	if p.dropFailed > 0 && excess >= p.dropFailed && len(p.settlements) == 0 {
		return false
	}
	from := p.b.dropFrom
	if p.dropFrom != nil {
		from = *p.dropFrom
	}
	s := newDropScan(p, excess)
	done := s.walk(from)
	if !done && from != (position{}) {
		// What was passed over before may have been released meanwhile by those who still needed it.
		s = newDropScan(p, excess)
		done = s.walk(position{})
	}
	if !done {
		p.dropFailed = excess
		return false
	}
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	for _, l := range s.losses {
		if p.settle(l.d, l.settlement) {
			p.dropped[l.d]++
		}
	}
	p.dropFrom = &s.at
	return true
}

// loss is a record that is dropped for a destination.
type loss struct {
	d *destination
	settlement
}

// dropScan looks for records that may be dropped.
type dropScan struct {
	b            *Buffer
	excess       int64
	at           position
	segments     []*segment
	progress     map[*destination]*progress
	may, mustNot []*destination // whose records may be dropped, and may not
	losses       []loss
}

func newDropScan(p *plan, excess int64) *dropScan {
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	s := &dropScan{b: p.b, excess: excess, progress: map[*destination]*progress{}}
	for _, seg := range p.b.segments {
		if !slices.Contains(p.removed, seg.id) {
			s.segments = append(s.segments, seg)
		}
	}
	for _, d := range p.b.destinations {
		at := d.progress
		if p.progress[d] != nil {
			at = p.progress[d]
		}
		s.progress[d] = at.clone()
		if d.queue == nil || d.overflow == buffer.OverflowDropOldest {
			s.may = append(s.may, d)
		} else {
			s.mustNot = append(s.mustNot, d)
		}
	}
	return s
}

// walk goes through the log from a position on and tells whether enough was found.
func (s *dropScan) walk(from position) bool {
	for _, seg := range s.segments {
		if seg.id < from.segment || !slices.ContainsFunc(s.may, func(d *destination) bool {
			return d.pending(s.progress[d], seg).records > 0
		}) {
			continue
		}
		offset := int64(segmentHeader)
		if seg.id == from.segment {
			offset = max(offset, from.offset)
		}
		if s.walkSegment(seg, offset) {
			return true
		}
	}
	return false
}

func (s *dropScan) walkSegment(seg *segment, offset int64) bool {
	file, err := s.b.opts.FS.OpenFile(segmentPath(s.b.logDir, seg.id), os.O_RDONLY, 0)
	if err != nil {
		return false
	}
	defer file.Close()
	scan := newScanner(file, s.b.seed, offset, seg.size)
	for {
		body, _, size, err := scan.next()
		if errors.Is(err, errDamaged) {
			continue
		}
		if err != nil {
			return false
		}
		v, err := parseRecord(body)
		if err != nil {
			continue
		}
		if s.consider(seg, &v, size); s.excess <= 0 {
			s.at = position{seg.id, scan.off}
			return true
		}
	}
}

// consider drops a record if somebody needs it and all who do allow that.
func (s *dropScan) consider(seg *segment, v *recordView, size int64) {
	source, ok := s.b.sourceIDs[string(v.source)]
	if !ok {
		return
	}
	needs := func(d *destination) bool { return d.wants(source) && !s.progress[d].contains(v.number) }
	if slices.ContainsFunc(s.mustNot, needs) {
		return
	}
	freed := false
	for _, d := range s.may {
		if needs(d) {
			s.losses = append(s.losses, loss{d, settlement{v.number, seg.id, source, size, true}})
			freed = true
		}
	}
	if freed {
		s.excess -= size
	}
}
