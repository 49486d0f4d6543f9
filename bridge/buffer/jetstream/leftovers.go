package jetstream

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/keys"
)

// queueLife is how long a closed queue keeps what is pending for it.
const queueLife = 7 * 24 * time.Hour

// CloseQueue implements buffer.Leftovers.
func (b *Buffer) CloseQueue(to string) error {
	if err := b.alive(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(b.ctx, readTime)
	defer cancel()
	err := b.closeQueue(ctx, to)
	return errors.Join(err, b.beat(ctx))
}

func (b *Buffer) closeQueue(ctx context.Context, to string) error {
	b.balancing.Lock()
	defer b.balancing.Unlock()
	b.mu.Lock()
	d := b.destinations[to]
	if d == nil || d.queue == nil {
		b.mu.Unlock()
		return nil
	}
	d.queue.closed = true
	d.queue = nil
	b.notify()
	b.mu.Unlock()
	for {
		b.mu.Lock()
		next := d.settings
		next.Seen = keys.Stamp(b.o.Now())
		puts := []put{{subject: ofDestination + token(to), body: encode(next)}}
		for i := range d.lanes {
			if c := d.lanes[i].cursor; c.Holder == b.id {
				c.Holder = ""
				puts = append(puts, put{subject: laneSubject(to, i), body: c.encode()})
			}
		}
		b.mu.Unlock()
		if err := b.write(ctx, puts...); !errors.Is(err, errConflict) {
			return err
		}
	}
}

// Leftovers implements buffer.Leftovers.
func (b *Buffer) Leftovers() (left []buffer.Leftover) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for to, d := range b.destinations {
		if d.queue == nil && !b.has(to) {
			left = append(left, buffer.Leftover{Destination: to, Records: b.pendingOf(d).Records,
				Closed: keys.Time(d.Seen), Until: keys.Time(d.Seen).Add(queueLife)})
		}
	}
	slices.SortFunc(left, func(x, y buffer.Leftover) int {
		if x.Destination < y.Destination {
			return -1
		}
		return 1
	})
	return left
}
