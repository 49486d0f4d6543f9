package delivery

import (
	"context"
	"log/slog"
	"slices"
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

	Dial       DialFunc     // makes the connections
	Queue      buffer.Queue // what there is to deliver; Release is the only effect on it
	Renderer   Renderer     // makes frames of records
	Notes      buffer.Notes // remembers which receivers answer a half-close
	Quarantine Quarantine   // takes records that the receiver does not, with ReasonRefused
	Logger     *slog.Logger // says each change of state once
	Metrics    *Metrics     // of all destinations
}

// Times that are not the operator's business.
const (
	grace       = 50 * time.Millisecond  // at least; two round trips if these take longer
	idlePause   = 500 * time.Millisecond // an idle connection is half-closed at most this often
	drainTime   = 8 * time.Second        // for the last connection when the bridge stops
	checkEvery  = 5 * time.Minute        // an idle destination is connected to, so that its state is true
	chunkBytes  = 64 << 10               // one write
	takeRecords = 2000
	takeBytes   = 256 << 10 // small, since the last record under way keeps all of them in memory
	takeAhead   = 4         // so many are rendered ahead
)

// Worker delivers to one destination.
type Worker struct {
	o       Options
	ledger  ledger
	limiter *rate.Limiter

	batches chan []item // from the taker
	pending []item      // of the batch at hand, not yet sent
	growth  float64     // bytes of frames for each byte of Raw, of the last batch; the taker's
	block   []byte      // of a write; used again for the next
	chunks  []item      // of a write
	release releases    // what is confirmed and not on disk

	peers   peers
	tries   int           // rounds of dials in a row that failed
	spare   dialled       // the next connection, to the same address
	better  dialled       // a connection to an address that comes before the one in use
	graces  []gracePeriod // of each of ledger.held
	ended   time.Time     // when the last connection did
	held    *peer         // to which ledger.held went
	marks   []mark        // what was written on the current connection, and how far that is on the wire
	limited *watch        // of the current connection, while rate_limit is waited for
	lastCut time.Time     // of an idle half-close
	rough   int           // unclean ends since the last confirmation: the next connection waits a little longer each time

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

// mark says that after frames bytes of frames the connection had written wire bytes.
type mark struct {
	frames int
	wire   int64
}

// New prepares a worker; Run does the work.
func New(o Options) *Worker {
	w := &Worker{o: o, batches: make(chan []item, takeAhead), growth: 1, announced: make(chan struct{}, 1), peers: newPeers(o.Addresses)}
	w.status = Status{Name: o.Name, State: StateIdle, Since: time.Now(), Confirm: "close"}
	if o.RateLimit > 0 {
		w.limiter = rate.NewLimiter(rate.Limit(o.RateLimit), max(1, o.RateLimit/10))
	}
	return w
}

// Run delivers until ctx ends; then it confirms what it has sent, for at most 8 seconds, and returns. What was not
// confirmed by then is sent again by the next Run. Its taker and releaser end with it.
func (w *Worker) Run(ctx context.Context) {
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	w.hard = hard
	defer context.AfterFunc(ctx, func() { time.AfterFunc(drainTime, cancel) })()

	w.recall(ctx)
	var helpers sync.WaitGroup
	helpers.Go(func() { w.take(ctx) })
	helpers.Go(func() { w.look(ctx) })
	released := make(chan struct{})
	go func() { defer close(released); w.releaser() }()

	for w.waitForWork(ctx) {
		if w.rough > 0 {
			pause(ctx, backoff(w.rough-1))
		}
		c := w.connect(ctx)
		if c == nil {
			continue
		}
		if w.acknowledges(c.peer) {
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
		return true
	case <-ctx.Done():
		return false
	}
}

// take renders what the queue has, ahead of the sending. It ends with ctx.
func (w *Worker) take(ctx context.Context) {
	for {
		records, err := w.o.Queue.Take(ctx, takeRecords, takeBytes)
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			w.problem("records cannot be read from the buffer", err)
			if !pause(ctx, time.Second) {
				return
			}
			continue
		}
		items, filtered := w.render(records)
		if len(filtered) > 0 {
			w.release.put(filtered, 0)
		}
		if len(items) == 0 {
			continue
		}
		select {
		case w.batches <- items:
		case <-ctx.Done():
			return
		}
	}
}

// render makes the frames of records. All of them share one array; filtered are those with nothing to send.
func (w *Worker) render(records []buffer.Record) (items, filtered []item) {
	items = make([]item, 0, len(records))
	frames, raw := make([]byte, 0, w.room(records)), 0
	for i := range records {
		start := len(frames)
		var it item
		frames, it.events, it.since = w.o.Renderer.Render(frames, &records[i])
		it.number, it.record = records[i].Number, &records[i]
		if it.events == 0 {
			filtered = append(filtered, it)
			continue
		}
		it.frames = frames[start:len(frames):len(frames)]
		items = append(items, it)
		raw += len(records[i].Raw)
	}
	if raw > 0 {
		w.growth = float64(len(frames)) / float64(raw)
	}
	return items, filtered
}

// room guesses how many bytes the frames of records take: about what the last ones took for each byte of Raw, and some.
// It is used by the taker alone.
func (w *Worker) room(records []buffer.Record) int {
	raw := 0
	for i := range records {
		raw += len(records[i].Raw)
	}
	return min(int(float64(raw)*w.growth*1.1)+4096, 4<<20)
}

// releaser stores releases, and counts them when they are on disk. It ends with w.release.
func (w *Worker) releaser() {
	var numbers []uint64
	for items := w.release.take(); items != nil; items = w.release.take() {
		numbers = numbers[:0]
		for i := range items {
			numbers = append(numbers, items[i].number)
		}
		for failed := false; ; failed = true {
			err := w.o.Queue.Release(w.hard, numbers)
			if err == nil {
				if failed {
					w.o.Logger.Info("confirmations are stored again", "destination", w.o.Name)
				}
				items = fresh(items)
				w.o.Metrics.delivered(w.o.Name, items)
				w.delivered(items)
				break
			}
			if w.hard.Err() != nil {
				break // sent again after the restart
			}
			w.problem("a confirmation cannot be stored", err)
			if !pause(w.hard, time.Second) {
				break
			}
		}
	}
}

// fresh returns the items that were not released before.
func fresh(items []item) []item {
	if !slices.ContainsFunc(items, func(it item) bool { return it.delivered }) {
		return items
	}
	var out []item
	for _, it := range items {
		if !it.delivered {
			out = append(out, it)
		}
	}
	return out
}

// releaseItems hands confirmed records to the releaser, and waits while one connection of them waits for it already: a
// crash repeats no more than that and what is being stored.
func (w *Worker) releaseItems(items []item) {
	if len(items) == 0 {
		return
	}
	w.release.put(items, w.o.ConfirmBytes)
	for _, it := range w.ledger.convicted() {
		w.setAside(it)
	}
}

// ReasonRefused is why a record that was not delivered is in quarantine; the destination's name stands before it.
const ReasonRefused = "the receiver ended the connection each time this record was sent alone"

// setAside quarantines a record that the receiver ended three connections over, while it took others.
func (w *Worker) setAside(it item) {
	if _, err := w.o.Quarantine.Put(*it.record, w.o.Name+": "+ReasonRefused); err != nil {
		w.problem("a record cannot be set aside", err)
		w.ledger.again = append(w.ledger.again, it)
		return
	}
	w.o.Logger.Warn("record set aside", "destination", w.o.Name, "key", it.record.Key, "reason", ReasonRefused)
	it.events = 0 // not delivered
	w.release.put([]item{it}, 0)
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
