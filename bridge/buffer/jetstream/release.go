package jetstream

import (
	"context"
	"errors"
	"slices"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// Release implements buffer.Queue. Records of lanes that another instance has taken over are its to release.
func (q *Queue) Release(ctx context.Context, numbers []uint64) error {
	b := q.b
	numbers = slices.Clone(numbers)
	slices.Sort(numbers)
	for {
		b.mu.Lock()
		if q.closed || b.closed {
			b.mu.Unlock()
			return errClosed
		}
		puts := q.releases(numbers)
		b.mu.Unlock()
		var err error
		if len(puts) > 0 {
			err = b.write(ctx, puts...)
		}
		if errors.Is(err, errConflict) {
			continue
		}
		if err != nil {
			return err
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		for i := range q.lanes {
			l := &q.lanes[i]
			for _, n := range numbers {
				delete(l.taken, n)
			}
			if l.leaving && len(l.taken) == 0 {
				b.poke()
			}
		}
		return nil
	}
}

// releases returns the lanes that change when records are released. Numbers that were not taken are passed over.
func (q *Queue) releases(numbers []uint64) (puts []put) {
	for i := range q.lanes {
		var of []uint64
		for _, n := range numbers {
			if _, ok := q.lanes[i].taken[n]; ok {
				of = append(of, n)
			}
		}
		if len(of) == 0 {
			continue
		}
		next, fresh := q.d.lanes[i].settle(slices.Compact(of), q.b.walk(q.d, i))
		if len(fresh) > 0 {
			puts = append(puts, put{subject: laneSubject(q.d.name, i), body: next.encode()})
		}
	}
	return puts
}

// Released implements buffer.Queue. It tells of all instances together.
func (q *Queue) Released(maxBytes int) ([]buffer.Record, error) {
	b := q.b
	b.mu.Lock()
	if q.closed || b.closed {
		b.mu.Unlock()
		return nil, errClosed
	}
	var at []*meta
	b.releasedBack(q.d, func(m *meta, bytes int64) bool {
		at = append(at, m)
		return bytes < int64(maxBytes)+blockBytes
	})
	b.mu.Unlock()
	slices.Reverse(at)
	read, err := b.read(b.ctx, at)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var records []buffer.Record
	for i := len(at) - 1; i >= 0; i-- {
		for j := len(read[i]) - 1; j >= 0; j-- {
			r := &read[i][j]
			if !q.d.released(r.Number, at[i].lanes[j]) {
				continue
			}
			if maxBytes -= len(r.Raw); maxBytes < 0 && len(records) > 0 {
				slices.Reverse(records)
				return records, nil
			}
			records = append(records, *r)
		}
	}
	slices.Reverse(records)
	return records, nil
}

// released tells whether a record was delivered to a destination, or kept back by its filter.
func (d *destination) released(n uint64, lane byte) bool {
	l := &d.lanes[lane]
	return n >= number(d.Born, 0) && l.settled(n) && !l.lost(n)
}

// releasedBack calls f with the blocks that hold released records of a destination, the newest first, and with the
// bytes released from there on, until f returns false.
func (b *Buffer) releasedBack(d *destination, f func(m *meta, bytes int64) bool) {
	var bytes int64
	for _, m := range slices.Backward(b.index.blocks) {
		if m.seq < d.Born {
			return
		}
		if !d.wants(m.source) {
			continue
		}
		before := bytes
		for i, lane := range m.lanes {
			if d.released(number(m.seq, i), lane) {
				bytes += m.each()
			}
		}
		if bytes > before && !f(m, bytes) {
			return
		}
	}
}
