package disk

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// Buffer is the buffer of one machine. It is made by Open.
type Buffer struct {
	opts   Options
	dir    string // of the buffer; the log's segments are in logDir
	logDir string
	lock   *os.File
	db     *bolt.DB
	id     logID
	seed   uint32
	logger *slog.Logger

	version uint32 // of the format that the index says

	broke chan struct{} // closed when the index cannot be used any more

	requests chan *request
	closing  chan struct{}
	close    sync.Once
	closed   chan struct{} // the committer has ended
	closeErr error

	committer // used by its goroutine alone

	quarantine quarantine

	mu           sync.Mutex
	segments     []*segment // ascending; the last may be the active one
	destinations map[string]*destination
	sourceIDs    map[string]int
	sourceNames  []string
	waiting      []*request // appends that wait for room
	report       Report
	doubt        doubt // set while opening
}

var _ buffer.Buffer = (*Buffer)(nil)

// request is what Append, Release and Queue ask of the committer.
type request struct {
	ctx     context.Context
	done    chan error
	claimed atomic.Bool // the committer has it; who asked waits for the outcome
	ended   atomic.Bool // who asked has given up

	batch   *buffer.Batch // Append
	ids     []keyID
	need    int64 // bytes it needed when it was last refused for want of room
	stored  []stored
	outcome buffer.Outcome

	queue   *Queue // Release
	numbers []uint64

	admin func() error // anything else, run between commits
}

// stored is a record of a batch that is an event.
type stored struct {
	index  int
	number uint64
	update bool
}

// Checkpoint implements buffer.Appender.
func (b *Buffer) Checkpoint(source string) (checkpoint []byte, err error) {
	select {
	case <-b.closing:
		return nil, buffer.ErrClosed
	default:
	}
	err = guard(func() error {
		return b.db.View(func(tx *bolt.Tx) error {
			checkpoint = bytes.Clone(tx.Bucket(bucketCheckpoints).Get([]byte(source)))
			return nil
		})
	})
	return checkpoint, err
}

// Append implements buffer.Appender.
func (b *Buffer) Append(ctx context.Context, batch buffer.Batch) (buffer.Outcome, error) {
	if err := batch.Check(); err != nil {
		return buffer.Outcome{}, err
	}
	r := &request{batch: &batch, ids: make([]keyID, len(batch.Records))}
	var scratch []byte
	for i := range batch.Records {
		r.ids[i], scratch = keyIDOf(scratch, batch.Source, batch.Records[i].Key)
	}
	if err := b.ask(ctx, r); err != nil {
		return buffer.Outcome{}, err
	}
	for _, s := range r.stored {
		batch.Records[s.index].Number, batch.Records[s.index].Update = s.number, s.update
	}
	return r.outcome, nil
}

// ask hands a request to the committer and waits for the outcome. When ctx ends before the committer has taken it up,
// nothing happens.
func (b *Buffer) ask(ctx context.Context, r *request) error {
	r.ctx, r.done = ctx, make(chan error, 1)
	select {
	case <-b.closing:
		return buffer.ErrClosed
	default:
	}
	select {
	case b.requests <- r:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-b.closing:
		return buffer.ErrClosed
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		if r.claimed.CompareAndSwap(false, true) {
			r.ended.Store(true)
			return context.Cause(ctx)
		}
		return <-r.done
	}
}

// Queue implements buffer.Buffer. A queue of the same name that is open ends: its calls give ErrClosed, and what it
// had taken and not released is given by the new one.
func (b *Buffer) Queue(d buffer.Destination) (buffer.Queue, error) {
	if err := d.Check(); err != nil {
		return nil, err
	}
	var q *Queue
	err := b.ask(context.Background(), &request{admin: func() (err error) {
		q, err = b.openQueue(d)
		return err
	}})
	if err != nil {
		return nil, err
	}
	return q, nil
}

// CloseQueue closes the queue of a destination that was removed from the configuration. What is pending for it stays
// for 7 days, or until the buffer is full.
func (b *Buffer) CloseQueue(name string) error {
	return b.ask(context.Background(), &request{admin: func() error { return b.closeQueue(name) }})
}

// Leftovers returns the destinations whose queue is not open, with what is pending for them, by name.
func (b *Buffer) Leftovers() []buffer.Leftover {
	b.mu.Lock()
	defer b.mu.Unlock()
	var left []buffer.Leftover
	for _, d := range b.destinations {
		if d.queue == nil {
			left = append(left, buffer.Leftover{
				Destination: d.name, Records: b.pendingOf(d).records, Closed: fromStamp(d.closed),
				Until: fromStamp(d.closed).Add(queueLife),
			})
		}
	}
	slices.SortFunc(left, func(x, y buffer.Leftover) int { return bytes.Compare([]byte(x.Destination), []byte(y.Destination)) })
	return left
}

// pendingOf returns what a destination has yet to deliver. b.mu is held.
func (b *Buffer) pendingOf(d *destination) (t tally) {
	for _, s := range b.segments {
		p := d.pending(d.progress, s)
		t.records += p.records
		t.bytes += p.bytes
	}
	return t
}

// Usage implements buffer.Buffer.
func (b *Buffer) Usage() buffer.Usage {
	b.mu.Lock()
	defer b.mu.Unlock()
	u := buffer.Usage{Limit: b.opts.MaxSize}
	for _, s := range b.segments {
		u.Bytes += s.size
		u.Pending += b.pendingIn(s, nil)
	}
	u.Blocked = slices.ContainsFunc(b.waiting, func(r *request) bool { return !r.ended.Load() })
	return u
}

// Report returns what was found damaged, on opening and since.
func (b *Buffer) Report() Report {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.report.clone()
}

// Close implements buffer.Buffer.
func (b *Buffer) Close() error {
	b.close.Do(func() { close(b.closing) })
	<-b.closed
	return b.closeErr
}

// now returns the time as a stamp.
func (b *Buffer) now() int64 { return stamp(b.opts.Now()) }

// queueLife is how long a closed queue keeps what is pending for it.
const queueLife = 7 * 24 * time.Hour
