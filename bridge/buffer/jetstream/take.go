package jetstream

import (
	"context"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// Take implements buffer.Queue.
func (q *Queue) Take(ctx context.Context, into *buffer.Taken, most, maxBytes int) error {
	b := q.b
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		if q.closed || b.closed {
			return errClosed
		}
		if at, in := q.look(most, maxBytes); len(at) > 0 {
			b.mu.Unlock()
			read, err := b.read(ctx, at)
			b.mu.Lock()
			if err != nil {
				return err
			}
			if q.closed || b.closed {
				return errClosed
			}
			if into.Records = q.pick(into.Records[:0], at, in, read, most, maxBytes); len(into.Records) > 0 {
				return nil
			}
			continue
		}
		if err := b.wait(ctx); err != nil {
			return err
		}
	}
}

// lanes are some that this instance delivers, each by the epoch that it was taken with; 0: it is not among them.
type lanes [Lanes]uint64

// open returns the lanes of which records are to be taken. b.mu is held, as in all that follows.
func (q *Queue) open() (in lanes) {
	for i := range q.lanes {
		if l := &q.lanes[i]; l.mine && !l.leaving {
			in[i] = l.epoch
		}
	}
	return in
}

// has tells whether a lane is among some and has not been given up since.
func (q *Queue) has(in *lanes, lane int) bool {
	l := &q.lanes[lane]
	return in[lane] != 0 && in[lane] == l.epoch && l.mine && !l.leaving
}

// first is the lowest number of some lanes that this instance has yet to look at.
func (q *Queue) first(in *lanes) uint64 {
	first := uint64(1 << 63)
	for i := range q.lanes {
		if q.has(in, i) {
			first = min(first, q.lanes[i].next)
		}
	}
	return first
}

// needs tells whether a record is to be taken.
func (q *Queue) needs(in *lanes, n uint64, lane byte) bool {
	return q.has(in, int(lane)) && n >= q.lanes[lane].next && !q.d.lanes[lane].settled(n)
}

// look returns the next blocks that hold something to be taken, and in which lanes it has looked.
func (q *Queue) look(most, maxBytes int) (at []*meta, in lanes) {
	in = q.open()
	first := q.first(&in)
	if first == 1<<63 {
		return nil, in
	}
	var bytes int64
	for _, m := range q.b.index.blocks[q.b.index.search(first>>indexBits):] {
		if !q.d.wants(m.source) {
			continue
		}
		before := bytes
		for i, lane := range m.lanes {
			if q.needs(&in, number(m.seq, i), lane) {
				bytes += m.each()
				most--
			}
		}
		if bytes > before {
			at = append(at, m)
		}
		if most <= 0 || bytes >= int64(maxBytes) && len(at) > 0 {
			return at, in
		}
	}
	if len(at) == 0 {
		q.pass(&in, number(q.b.index.last+1, 0))
	}
	return at, in
}

// pass notes that all of some lanes below a number was looked at.
func (q *Queue) pass(in *lanes, below uint64) {
	for i := range q.lanes {
		if l := &q.lanes[i]; q.has(in, i) {
			l.next = max(l.next, below)
		}
	}
}

// pick takes records out of the blocks that were read and appends them, of the lanes in which look has looked: a lane that
// was taken over meanwhile may have older ones.
func (q *Queue) pick(records []buffer.Record, at []*meta, in lanes, read [][]buffer.Record, most, maxBytes int) []buffer.Record {
	for i, m := range at {
		for j := range read[i] {
			r := &read[i][j]
			lane := m.lanes[j]
			if !q.needs(&in, r.Number, lane) {
				continue
			}
			if len(records) > 0 && (len(records) >= most || len(r.Raw) > maxBytes) {
				q.pass(&in, r.Number)
				return records
			}
			maxBytes -= len(r.Raw)
			q.lanes[lane].taken[r.Number] = struct{}{}
			records = append(records, *r)
		}
		q.pass(&in, number(m.seq+1, 0))
	}
	return records
}
