package jetstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/keys"
)

// Queue is this instance's part of the queue of a destination: the lanes that it holds.
type Queue struct {
	b *Buffer
	d *destination

	// b.mu guards what follows.
	closed bool
	lanes  [Lanes]held
}

// held is a lane as this instance delivers it.
type held struct {
	mine    bool
	leaving bool   // another shall have it: nothing more is taken
	epoch   uint64 // of the cursor, when it was taken
	next    uint64 // the first number that was not looked at
	taken   map[uint64]struct{}
}

// Queue implements buffer.Buffer. A queue of the same name that this instance has open ends; other instances keep
// theirs, and share the records with this one.
func (b *Buffer) Queue(want buffer.Destination) (buffer.Queue, error) {
	if err := want.Check(); err != nil {
		return nil, err
	}
	if err := b.alive(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(b.ctx, openTime)
	defer cancel()
	if err := patiently(ctx, func() error { return b.settle(ctx, want) }); err != nil {
		return nil, fmt.Errorf("destination %s: %w", want.Name, err)
	}
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil, errClosed
	}
	d := b.destinations[want.Name]
	if d.queue != nil {
		d.queue.closed = true
	}
	fresh := d.queue == nil
	q := &Queue{b: b, d: d}
	d.queue = q
	for i := range d.lanes {
		q.moved(i, &d.lanes[i].cursor)
	}
	b.notify()
	b.mu.Unlock()
	if fresh {
		if err := patiently(ctx, func() error { return b.beat(ctx) }); err != nil {
			return nil, errors.Join(err, b.CloseQueue(want.Name))
		}
	}
	if err := patiently(ctx, func() error { return b.balanceLanes(ctx, q) }); err != nil && !errors.Is(err, errConflict) {
		return nil, errors.Join(err, b.CloseQueue(want.Name))
	}
	return q, nil
}

// settle writes what a destination wants, when it is new, was closed for too long, or wants something else.
func (b *Buffer) settle(ctx context.Context, want buffer.Destination) error {
	for {
		b.mu.Lock()
		next := settings{Sources: want.Sources, Drop: want.Overflow == buffer.OverflowDropOldest, Seen: keys.Stamp(b.o.Now())}
		d := b.destinations[want.Name]
		if d != nil && (b.has(want.Name) || next.Seen-d.Seen <= int64(queueLife)) {
			next.Born = d.Born
			if slices.Equal(next.Sources, d.Sources) && next.Drop == d.Drop && next.Seen-d.Seen < int64(time.Hour) {
				b.mu.Unlock()
				return nil
			}
		}
		b.mu.Unlock()
		err := b.write(ctx, put{subject: ofDestination + token(want.Name), body: encode(next)})
		if !errors.Is(err, errConflict) {
			return err
		}
	}
}

// moved takes in the new state of a lane. b.mu is held.
func (q *Queue) moved(i int, c *cursor) {
	l := &q.lanes[i]
	switch mine := c.Holder == q.b.id && !q.closed; {
	case mine && (!l.mine || l.epoch != c.Epoch):
		*l = held{mine: true, epoch: c.Epoch, next: c.low(), taken: map[uint64]struct{}{}}
	case !mine && l.mine:
		if len(l.taken) > 0 {
			q.b.log.Warn("another instance has taken over records that were under way here; they may arrive twice",
				"destination", q.d.name, "lane", i, "records", len(l.taken), "instance", c.Holder)
		}
		*l = held{}
	}
}

// Read implements buffer.Queue.
func (q *Queue) Read(ctx context.Context, n uint64) (buffer.Record, error) {
	b := q.b
	b.mu.Lock()
	m, closed := b.index.block(n), q.closed || b.closed
	b.mu.Unlock()
	if closed {
		return buffer.Record{}, errClosed
	}
	if m != nil {
		read, err := b.read(ctx, []*meta{m})
		if err != nil {
			return buffer.Record{}, err
		}
		for _, r := range read[0] {
			if r.Number == n {
				return r, nil
			}
		}
	}
	return buffer.Record{}, fmt.Errorf("destination %s: record %d: %w", q.d.name, n, buffer.ErrGone)
}

// Pending implements buffer.Queue. It tells of all instances together.
func (q *Queue) Pending() buffer.Pending {
	q.b.mu.Lock()
	defer q.b.mu.Unlock()
	return q.b.pendingOf(q.d)
}

func (b *Buffer) pendingOf(d *destination) (p buffer.Pending) {
	for _, t := range d.pending {
		p.Records += t.records
	}
	oldest := uint64(1 << 63)
	for i := range d.lanes {
		c := &d.lanes[i].cursor
		p.Dropped += c.Dropped
		if p.Records == 0 {
			continue
		}
		b.index.walk(byte(i), d.wants, c.low(), oldest, func(m *meta, n uint64) bool {
			if c.settled(n) {
				return true
			}
			oldest, p.Oldest = n, keys.Time(m.pulled)
			return false
		})
	}
	return p
}
