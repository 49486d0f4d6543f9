package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// The numbers of records that are sent again have one of these bits, which the buffer's own never have.
const (
	replayBit = 1 << 63 // the rest is the number the record had
	retryBit  = 1 << 62 // the rest is its id in quarantine
)

// resendStore is what of a buffer a resendQueue needs.
type resendStore interface {
	buffer.Retained
	buffer.Notes
	Quarantine() buffer.Quarantine
}

// resendQueue is the queue of a destination, with records that are sent again mixed in: those of a replay, and those
// that were set aside. It takes turns between them and what is new. What is sent again has Old set, since its users and
// addresses may belong to others by now. Whoever takes needs to know nothing of it.
type resendQueue struct {
	buffer.Queue
	destination string
	wants       func(source string) bool
	store       resendStore
	log         *slog.Logger

	again bool // the next turn is of what is sent again; Take's alone

	mu       sync.Mutex
	flight   flight              // new records that were taken and not released
	newest   uint64              // the highest of the numbers taken
	stopped  bool                // nothing is taken any more
	wake     context.CancelFunc  // ends the wait for new records; nil: nobody waits
	called   bool                // there may be something to send again that Take has not looked at
	replay   *replay             // nil: there is none
	retry    []uint64            // ids in quarantine, to be sent
	retrying map[uint64]struct{} // these, and those under way
}

var _ buffer.Queue = (*resendQueue)(nil)

// newResendQueue wraps a queue. A replay that was under way when the destination was last closed goes on.
func newResendQueue(q buffer.Queue, destination string, wants func(source string) bool, store resendStore, log *slog.Logger) (*resendQueue, error) {
	r := &resendQueue{Queue: q, destination: destination, wants: wants, store: store, log: log, retrying: map[uint64]struct{}{}}
	job, err := readReplay(store, destination)
	if err != nil {
		return nil, err
	}
	if job != nil {
		r.replay = newReplay(*job, wants, store)
	}
	return r, nil
}

// stop gives up what is open. Take may not be called afterwards.
func (q *resendQueue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stopped = true
	if q.replay != nil {
		q.replay.stop()
	}
	if n := len(q.retrying); n > 0 {
		q.log.Warn("records of the quarantine that were to be sent again stay there; siembridge quarantine retry has them sent", "destination", q.destination, "records", n)
	}
}

// Take implements buffer.Queue.
func (q *resendQueue) Take(ctx context.Context, into *buffer.Taken, max, maxBytes int) error {
	for {
		records, err := q.takeAgain(into.Records[:0], max, maxBytes)
		if into.Records = records; len(records) > 0 || err != nil {
			q.again = false
			return err
		}
		err = q.takeNew(ctx, into, max, maxBytes)
		q.again = true
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.Canceled) {
			return err
		}
	}
}

// turnTime is how long new records are waited for while there is something to send again: those that are pending may be
// another instance's, which this one never takes.
const turnTime = time.Second

// takeNew takes what is new. It waits for that, but no longer than until there is something to send again.
func (q *resendQueue) takeNew(ctx context.Context, into *buffer.Taken, max, maxBytes int) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	q.mu.Lock()
	if q.wake = stop; q.called {
		stop()
	}
	if q.replay != nil || len(q.retry) > 0 {
		defer time.AfterFunc(turnTime, stop).Stop()
	}
	q.mu.Unlock()
	err := q.Queue.Take(ctx, into, max, maxBytes)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.wake = nil
	for i := range into.Records {
		n := into.Records[i].Number
		q.flight.add(n)
		if n > q.newest {
			q.newest = n
		}
	}
	return err
}

// takeAgain takes what is to be sent again, when it is its turn or nothing new waits, and appends it. It does not wait.
func (q *resendQueue) takeAgain(records []buffer.Record, max, maxBytes int) ([]buffer.Record, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.called = false
	if q.replay == nil && len(q.retry) == 0 || !q.again && q.Queue.Pending().Records > int64(q.flight.open) {
		return records, nil
	}
	for len(q.retry) > 0 && len(records) < max && maxBytes > 0 {
		one, ok, err := q.store.Quarantine().Get(q.retry[0])
		switch {
		case err != nil && len(records) == 0:
			return nil, err
		case err != nil: // it is asked for again
			return records, nil
		}
		if ok {
			one.Record.Number, one.Record.Old = retryBit|one.ID, true
			records = append(records, one.Record)
			maxBytes -= len(one.Record.Raw)
		} else {
			delete(q.retrying, q.retry[0])
		}
		q.retry = q.retry[1:]
	}
	if q.replay != nil && len(records) == 0 {
		return q.replay.take(records, max, maxBytes), q.finish()
	}
	return records, nil
}

// Read implements buffer.Queue.
func (q *resendQueue) Read(ctx context.Context, number uint64) (buffer.Record, error) {
	switch {
	case number < retryBit:
		return q.Queue.Read(ctx, number)
	case number < replayBit:
		one, ok, err := q.store.Quarantine().Get(number &^ retryBit)
		if err == nil && !ok {
			err = fmt.Errorf("record %d of the quarantine: %w", number&^retryBit, buffer.ErrGone)
		}
		one.Record.Number, one.Record.Old = number, true
		return one.Record, err
	}
	r, err := q.Queue.Read(ctx, number&^replayBit)
	r.Number, r.Old = number, true
	return r, err
}

// finish ends a replay all of which is confirmed. q.mu is held.
func (q *resendQueue) finish() error {
	r := q.replay
	if !r.done() {
		return nil
	}
	if err := noteReplay(q.store, q.destination, nil); err != nil {
		return err
	}
	q.replay = nil
	r.stop()
	log := q.log.With("destination", q.destination, "since", r.job.Since, "until", r.job.Until, "records", r.job.Sent)
	if gone := r.job.Records - r.job.Sent; gone > 0 {
		log.Warn("the replay is done, but some records were removed from the buffer, or damaged, before their turn came; raise buffer.retain", "missing", gone, "error", r.err)
		return nil
	}
	log.Info("the replay is done")
	return nil
}

// Release implements buffer.Queue. The new ones are released first: what is sent again may be sent once more.
func (q *resendQueue) Release(ctx context.Context, numbers []uint64) error {
	var again []uint64
	fresh := make([]uint64, 0, len(numbers))
	for _, n := range numbers {
		if n >= retryBit {
			again = append(again, n)
		} else {
			fresh = append(fresh, n)
		}
	}
	if len(fresh) > 0 {
		if err := q.Queue.Release(ctx, fresh); err != nil {
			return err
		}
	}
	if q.log.Enabled(ctx, slog.LevelDebug) {
		q.log.Debug("records confirmed or filtered", "destination", q.destination, "numbers", fresh, "sent_again", len(again))
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, n := range fresh {
		q.flight.release(n)
	}
	return q.releaseAgain(again)
}

// releaseAgain notes what was confirmed of what was sent again. After an error it is called again. q.mu is held.
func (q *resendQueue) releaseAgain(numbers []uint64) error {
	for _, n := range numbers {
		if n >= replayBit {
			if q.replay != nil {
				q.replay.release(n &^ replayBit)
			}
			continue
		}
		if err := q.store.Quarantine().Remove(n &^ retryBit); err != nil {
			return err
		}
		delete(q.retrying, n&^retryBit)
	}
	if q.replay == nil || !q.replay.moved {
		return nil
	}
	if q.replay.done() {
		return q.finish()
	}
	err := noteReplay(q.store, q.destination, &q.replay.job)
	q.replay.moved = err != nil
	return err
}

// resend has records of the quarantine sent again; those that are waiting already are left out.
func (q *resendQueue) resend(ids []uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, id := range ids {
		if _, there := q.retrying[id]; !there {
			q.retrying[id] = struct{}{}
			q.retry = append(q.retry, id)
		}
	}
	q.waken()
}

// waken ends the wait for new records. q.mu is held.
func (q *resendQueue) waken() {
	q.called = true
	if q.wake != nil {
		q.wake()
	}
}

// settled returns the number below which nothing waits to be delivered for the first time. q.mu is held.
func (q *resendQueue) settled() (below uint64, ok bool) {
	if below, ok = q.flight.first(); ok {
		return below, true
	}
	if q.Queue.Pending().Records == 0 {
		return replayBit, true
	}
	return q.newest + 1, q.newest > 0
}
