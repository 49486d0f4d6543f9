package delivery

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/transport"
)

// Renderer makes of a record the bytes that go over the wire.
type Renderer interface {
	// Render appends the frames of r to dst and returns them with the number of events they hold, 0 when the filter
	// keeps the record back, and Microsoft's own time on the record. The same record gives the same bytes every time.
	// Nothing of r is kept.
	Render(dst []byte, r *buffer.Record) (out []byte, events int, since time.Time)
}

// Conn is a connection as package transport makes it.
type Conn interface {
	Write(b []byte) (int, error)       // blocks while the peer takes nothing; Close ends that
	HalfClose() error                  // nothing more will be sent; the peer can still answer
	Ended() <-chan transport.End       // the end of the peer's side, once
	Written() int64                    // bytes given to TCP; under TLS its records
	Acked() (n int64, ok bool)         // how many of these the peer's TCP acknowledged; not ok: the system does not tell
	Unanswered() (unanswered, ok bool) // whether its TCP has left something unanswered; not ok: likewise
	RoundTrip() time.Duration          // TCP's estimate; 0: the system does not tell
	Address() string                   // of the peer, resolved, with port
	Close()                            // gives the connection up: what was not read by now may be lost
}

// DialFunc connects to host:port; resolved, if not "", is the address an earlier Conn had.
type DialFunc func(ctx context.Context, address, resolved string) (Conn, error)

// Quarantine keeps a record that the receiver does not take.
type Quarantine interface {
	// Put sets a record aside; when it returns without an error, that is on disk.
	Put(r buffer.Record, reason string) (id uint64, err error)
}

// Options describe a destination.
type Options struct {
	Name            string         // in metrics, logs and the status
	Addresses       []string       // host:port, tried in order
	Acknowledge     bool           // confirm = "ack": released by TCP's acknowledgement, one lasting connection
	ConfirmBytes    int            // a connection carries about so much
	ConfirmInterval time.Duration  // or is so old, before it is half-closed to be confirmed
	ConfirmTimeout  time.Duration  // no progress: stalled; no answer by TCP: dead
	RateLimit       int            // events per second; 0: none
	Share           func() float64 // part of RateLimit that is this worker's, 0 to 1; nil: all of it

	Dial       DialFunc        // makes the connections
	Queue      buffer.Queue    // what there is to deliver; Release is the only effect on it
	Renderer   func() Renderer // makes one that makes frames of records, for each goroutine that does
	Notes      buffer.Notes    // remembers which receivers answer a half-close
	Quarantine Quarantine      // takes records that the receiver does not, with ReasonRefused
	Logger     *slog.Logger    // says each change of state once
	Metrics    *Metrics        // of all destinations
}

// Times that are not the operator's business.
const (
	idlePause   = 500 * time.Millisecond // an idle connection is half-closed at most this often
	drainTime   = 8 * time.Second        // for the last connection when the bridge stops
	checkEvery  = 5 * time.Minute        // an idle destination is connected to, so that its state is true
	chunkBytes  = 64 << 10               // one write
	takeRecords = 2000
	takeBytes   = 256 << 10 // small, since the last record under way keeps the frames of all of them in memory
	takeAhead   = 8         // so many are rendered ahead
	takersMost  = 4         // render at once, on as many cores
)

// Worker delivers to one destination.
type Worker struct {
	o       Options
	ledger  ledger
	limiter *rate.Limiter

	batches chan []item // from the takers
	pending []item      // of the batch at hand, not yet sent
	block   []byte      // of a write; used again for the next
	chunks  []item      // of a write
	release releases    // what is confirmed and not released

	failover failover
	spare    dialled   // the next connection, to the same address
	better   dialled   // a connection to an address that comes before the one in use
	ended    time.Time // when the last connection did
	held     *peer     // to which ledger.held went
	limited  *watch    // of the current connection, while rate_limit is waited for
	lastCut  time.Time // of an idle half-close

	looked  bool // an idle receiver was looked at since the start
	doubted bool // what is released may be unread, and the note that says so is on disk

	hard context.Context // ends drainTime after the one Run was given

	announced chan struct{} // something was announced, or Finish was called
	finishing atomic.Bool   // nothing more will come: an idle connection is half-closed at once

	mu     sync.Mutex
	urgent []byte // to be announced; nil: nothing
	recent []Sent // the newest records confirmed
	status Status
}

// New prepares a worker; Run does the work.
func New(o Options) *Worker {
	w := &Worker{o: o, batches: make(chan []item, takeAhead), announced: make(chan struct{}, 1), failover: newFailover(o.Addresses, o.Acknowledge)}
	w.status = Status{Name: o.Name, State: StateIdle, Since: time.Now(), Confirm: "close"}
	if o.Acknowledge {
		w.status.Confirm = "ack"
	}
	if o.RateLimit > 0 {
		w.limiter = rate.NewLimiter(rate.Limit(o.RateLimit), max(1, o.RateLimit/10))
	}
	return w
}

// Run delivers until ctx ends; then it confirms what it has sent, for at most 8 seconds, and returns. What was not
// confirmed by then is sent again by the next Run. Its takers and releaser end with it.
func (w *Worker) Run(ctx context.Context) {
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	w.hard = hard
	var drain sync.WaitGroup
	drain.Go(func() {
		select {
		case <-ctx.Done():
			pause(hard, drainTime)
			cancel()
		case <-hard.Done():
		}
	})
	defer drain.Wait()
	defer cancel()

	w.recall(ctx)
	var helpers sync.WaitGroup
	w.take(ctx, &helpers)
	helpers.Go(func() { w.look(ctx) })
	released := make(chan struct{})
	go func() { defer close(released); w.releaser() }()

	for w.waitForWork(ctx) {
		if d := w.failover.respite(); d > 0 {
			pause(ctx, jitter(d))
		}
		c := w.connect(ctx)
		if c == nil {
			continue
		}
		if w.failover.manner(c.peer) == byAcknowledge {
			w.lasting(ctx, c)
		} else {
			w.confirmed(ctx, c)
		}
	}
	w.spare.drop()
	w.better.drop()
	helpers.Wait()
	w.release.end()
	<-released
	w.setState(StateStopped, nil)
}

// Finish says that nothing more will come into the queue: what was sent is confirmed without waiting for more.
func (w *Worker) Finish() {
	w.finishing.Store(true)
	select {
	case w.announced <- struct{}{}:
	default:
	}
}

// waiting reports whether something waits to be sent or confirmed.
func (w *Worker) waiting() bool {
	return len(w.ledger.held)+len(w.pending)+len(w.ledger.again)+len(w.batches) > 0 || w.announces()
}

// waitForWork waits until there is something to send, or for the next look at an idle receiver; the first is at the
// start, so that it is known how it confirms before a record waits. It returns false when
// ctx is over and nothing is left to confirm.
func (w *Worker) waitForWork(ctx context.Context) bool {
	if len(w.ledger.held) > 0 && w.hard.Err() == nil {
		return true // the tail waits for a connection that lives
	}
	if ctx.Err() != nil {
		return false
	}
	if w.waiting() || !w.looked {
		w.looked = true
		return true
	}
	timer := time.NewTimer(checkEvery)
	defer timer.Stop()
	select {
	case w.pending = <-w.batches:
		return true
	case <-w.announced:
		return true
	case <-timer.C:
		w.ledger.retry()
		return true
	case <-ctx.Done():
		return false
	}
}

// pause waits; it returns false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
