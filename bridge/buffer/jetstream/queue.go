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

// queueLife is how long a closed queue keeps what is pending for it.
const queueLife = 7 * 24 * time.Hour

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
