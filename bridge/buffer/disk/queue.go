package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sort"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// Queue is the queue of a destination. It reads the log at its own pace and holds in memory only what was taken and
// not released: its place, not its contents.
type Queue struct {
	b    *Buffer
	d    *destination
	wake chan struct{} // holds a token when there may be something new

	reader reader // used by Take alone

	// The rest is guarded by b.mu.
	closed bool
	next   position // where Take reads on
	passed uint64   // all numbers up to it are settled or in flight
	flight []taken  // taken and not released, ascending
	oldest oldest
}

var _ buffer.Queue = (*Queue)(nil)

// taken is the place of a record that was taken.
type taken struct {
	number uint64
	pulled int64
	at     position
	bytes  uint32
	source uint16
}

// oldest remembers the first pending record that was not taken yet.
type oldest struct {
	number uint64
	pulled int64
}

// openQueue opens the queue of a destination, for the committer.
func (b *Buffer) openQueue(spec buffer.Destination) (*Queue, error) {
	b.mu.Lock()
	old := b.destinations[spec.Name]
	if old != nil && old.queue == nil && old.closed < b.now()-int64(queueLife) {
		old = nil
	}
	d := &destination{
		name: spec.Name, sources: slices.Clone(spec.Sources), overflow: spec.Overflow, closed: noTime,
	}
	if old != nil {
		d.progress, d.start = old.progress, old.resume(old.progress, old.next())
	} else {
		d.progress, d.start = b.behindAll()
	}
	b.want(d)
	b.mu.Unlock()
	store := func() error {
		p := newPlan(b)
		delete(p.rows, old) // d takes its place
		p.rows[d] = true
		return b.transact(p, func() error { return nil })
	}
	err := store()
	if isFull(err) && b.reserve.give() {
		err = store()
	}
	if err != nil {
		return nil, err
	}

	b.mu.Lock()
	defer b.mu.Unlock()
	q := &Queue{b: b, d: d, wake: make(chan struct{}, 1)}
	if old != nil {
		// Until now the old queue may have passed over records.
		d.start = old.resume(old.progress, old.next())
		if old.queue != nil {
			old.queue.closed = true
			old.queue.notify()
		}
	}
	q.next, q.passed = d.start, d.progress.low
	d.queue = q
	b.destinations[d.name] = d
	b.dropFailed = 0
	return q, nil
}

// behindAll returns the progress of a destination that needs nothing of what is there. b.mu is held.
func (b *Buffer) behindAll() (*progress, position) {
	p := &progress{settled: settled{low: b.end.next - 1}, began: b.end.next - 1, tallies: map[uint64][]tally{}}
	if len(b.segments) == 0 {
		return p, position{b.end.segment, segmentHeader}
	}
	last := b.segments[len(b.segments)-1]
	p.tallies[last.id] = slices.Clone(last.sources)
	return p, position{last.id, last.size}
}

// closeQueue closes the queue of a destination, for the committer.
func (b *Buffer) closeQueue(name string) error {
	b.mu.Lock()
	d := b.destinations[name]
	b.mu.Unlock()
	if d == nil || d.queue == nil {
		return nil
	}
	return b.closeQueues([]*destination{d}, false)
}

// closeAllQueues closes all queues and writes the positions into the log.
func (b *Buffer) closeAllQueues() error {
	b.mu.Lock()
	var open []*destination
	for _, d := range b.destinations {
		if d.queue != nil {
			open = append(open, d)
		}
	}
	b.mu.Unlock()
	if len(open) == 0 || b.broken != nil {
		return nil
	}
	return b.closeQueues(open, true)
}

func (b *Buffer) closeQueues(open []*destination, save bool) error {
	for _, d := range open {
		d.closed = b.now()
	}
	err := b.storeClosed(open, save)
	if isFull(err) {
		b.reserve.give()
		err = b.storeClosed(open, false)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range open {
		d.start = d.resume(d.progress, d.next())
		d.queue.closed = true
		d.queue.notify()
		d.queue = nil
	}
	b.dropFailed = 0
	return err
}

// storeClosed stores that queues are closed, and if save, positions into the log.
func (b *Buffer) storeClosed(closed []*destination, save bool) error {
	p := newPlan(b)
	for _, d := range closed {
		p.rows[d] = true
	}
	return b.transact(p, func() error {
		if save && p.unsaved > 0 && p.w != nil {
			p.unsaved = savedAlone
			return p.savePositions()
		}
		return nil
	})
}

// next is where its queue reads on. b.mu is held.
func (d *destination) next() position {
	if d.queue == nil {
		return d.start
	}
	return d.queue.next
}

// resume returns a place at or before the first record that is not settled in p, which says nothing of what was read
// from next on. b.mu is held.
func (d *destination) resume(p *progress, next position) position {
	if d.queue == nil {
		return next
	}
	for _, t := range d.queue.flight {
		if !t.at.before(next) {
			break
		}
		if !p.contains(t.number) {
			return t.at
		}
	}
	return next
}

// notify wakes Take.
func (q *Queue) notify() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// find returns the place of a record in flight. b.mu is held.
func (q *Queue) find(number uint64) (taken, bool) {
	i := sort.Search(len(q.flight), func(i int) bool { return q.flight[i].number >= number })
	if i == len(q.flight) || q.flight[i].number != number {
		return taken{}, false
	}
	return q.flight[i], true
}

// trim forgets the oldest of those in flight that are settled. b.mu is held.
func (q *Queue) trim() {
	i := 0
	for i < len(q.flight) && q.d.progress.contains(q.flight[i].number) {
		i++
	}
	if i == len(q.flight) {
		q.flight = q.flight[:0]
	} else {
		q.flight = q.flight[i:]
	}
}

// Take implements buffer.Queue.
func (q *Queue) Take(ctx context.Context, into *buffer.Taken, max, maxBytes int) error {
	if max < 1 {
		return fmt.Errorf("destination %s asks for %d records", q.d.name, max)
	}
	for into.Records = into.Records[:0]; ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		more, err := q.read(into, max, maxBytes)
		if err != nil || len(into.Records) > 0 {
			return err
		}
		if more {
			continue
		}
		select {
		case <-q.wake:
		case <-ctx.Done():
			return ctx.Err()
		case <-q.b.closed:
			return buffer.ErrClosed
		}
	}
}

// Read implements buffer.Queue. It looks through one segment.
func (q *Queue) Read(_ context.Context, number uint64) (r buffer.Record, err error) {
	b := q.b
	b.mu.Lock()
	i := slices.IndexFunc(b.segments, func(s *segment) bool { return s.first > 0 && s.first <= number && number <= s.last })
	if q.closed || i < 0 {
		defer b.mu.Unlock()
		if q.closed {
			return r, buffer.ErrClosed
		}
		return r, fmt.Errorf("destination %s: record %d: %w", q.d.name, number, buffer.ErrGone)
	}
	s := b.segments[i]
	b.mu.Unlock()
	err = b.eachRecord(s, segmentHeader, func(v *recordView) bool {
		if v.number == number {
			r = v.record()
			r.Raw = bytes.Clone(r.Raw)
		}
		return v.number < number
	})
	switch {
	case r.Number == number:
		return r, nil
	case err == nil, errors.Is(err, errDamaged), errors.Is(err, fs.ErrNotExist):
		err = buffer.ErrGone
	}
	return r, fmt.Errorf("destination %s: record %d: %w", q.d.name, number, err)
}

// Release implements buffer.Queue.
func (q *Queue) Release(ctx context.Context, numbers []uint64) error {
	if len(numbers) == 0 {
		return nil
	}
	if err := q.b.ask(ctx, &request{queue: q, numbers: numbers}); err != nil {
		return err
	}
	q.b.mu.Lock()
	defer q.b.mu.Unlock()
	if q.closed {
		return buffer.ErrClosed
	}
	return nil
}

// Pending implements buffer.Queue.
func (q *Queue) Pending() buffer.Pending {
	q.b.mu.Lock()
	defer q.b.mu.Unlock()
	p := buffer.Pending{Records: q.b.pendingOf(q.d).records, Dropped: q.d.progress.dropped}
	if p.Records > 0 {
		p.Oldest = q.oldestPulled()
	}
	return p
}

// oldestPulled returns when the oldest pending record was pulled. b.mu is held.
func (q *Queue) oldestPulled() time.Time {
	for _, t := range q.flight {
		if !q.d.progress.contains(t.number) {
			return fromStamp(t.pulled)
		}
	}
	if q.oldest.number <= q.passed || q.d.progress.contains(q.oldest.number) {
		q.oldest = q.peek()
	}
	return fromStamp(q.oldest.pulled)
}

// peek looks for the first pending record behind those taken. b.mu is held; it reads no more than one segment, since
// a segment without such records is passed over by its row.
func (q *Queue) peek() (found oldest) {
	found.pulled = noTime
	for _, s := range q.b.segments {
		if s.id < q.next.segment || q.d.pending(q.d.progress, s).records == 0 {
			continue
		}
		from := int64(segmentHeader)
		if s.id == q.next.segment {
			from = q.next.offset
		}
		err := q.b.eachRecord(s, from, func(v *recordView) bool {
			source, ok := q.b.sourceIDs[string(v.source)]
			if ok && q.d.wants(source) && !q.d.progress.contains(v.number) {
				found = oldest{v.number, v.pulled}
			}
			return found.number == 0
		})
		if found.number != 0 || err != nil && !errors.Is(err, errDamaged) {
			return found
		}
	}
	return found
}
