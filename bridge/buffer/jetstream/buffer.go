package jetstream

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// Options say where the servers are and how the buffer keeps house.
type Options struct {
	URLs            []string // nats:// or tls:// servers; any one of a cluster leads to the others
	CredentialsFile string   // of a NATS user; "": none
	CAFile          string   // authority of the servers, PEM; "": the system's
	CertFile        string   // with KeyFile: client certificate
	KeyFile         string   // its key, PEM
	Replicas        int      // of the stream

	MaxSize int64            // bytes of records that some destination has yet to receive; 0: 10 GiB
	Retain  time.Duration    // how long delivered records stay; 0: 7 days
	Host    string           // how this instance is called on the status pages; "": the host's name
	Beat    time.Duration    // how often it shows that it is there; 0: 2 s. Who misses five beats is taken for dead
	Now     func() time.Time // nil: time.Now
	Logger  *slog.Logger     // nil: none

	Registerer prometheus.Registerer // nil: no metrics

	memory bool // tests: the stream is not on disk

	// surround goes around each commit, of which the first message has that subject; nil: the commit alone. A test may
	// let it fail before or after.
	surround func(subject string, commit func() error) error
}

// missedBeats is how many beats of its own an instance hears before it takes another for dead. So while the cluster is
// away nobody is taken for dead.
const missedBeats = 5

// Buffer is one instance's end of the buffer that all instances share. It is made by Open.
type Buffer struct {
	o       Options
	log     *slog.Logger
	nc      *nats.Conn
	js      jetstream.JetStream
	id      string // of this instance, since its start
	started time.Time

	ctx     context.Context // ends with Close
	end     context.CancelFunc
	running sync.WaitGroup
	poked   chan struct{}

	rolledBack chan struct{} // closed when it is seen that the servers lost writes

	quarantine quarantine
	payloads   payloads
	sourcing   sync.Map   // name of a source -> *sync.Mutex of who appends for it
	balancing  sync.Mutex // held by who takes or gives up lanes

	beating sync.Mutex // held by who shows that this instance is there; it guards what follows
	leader  string     // of the stream, when the last beat was confirmed
	sure    uint64     // sequence number of that beat: what was seen up to it is in the stream; 0: there was none

	mu           sync.Mutex
	closed       bool
	changed      chan struct{} // closed when something changes
	docs         map[string]doc
	index        index
	removed      map[string]uint64 // by source, the block before which records are removed
	destinations map[string]*destination
	sources      map[string]sourceState
	leases       map[string]*lease // sources that this instance may pull
	members      map[string]*member
	beats        uint64          // of this instance that it has heard
	newest       uint64          // sequence number ever seen or given
	followed     uint64          // sequence number up to which the states were followed
	own          map[uint64]head // blocks that this instance has stored and not seen yet
	counted      time.Time       // when it heard the last of them
	underway     int64           // bytes of records in commits
	waiting      int             // appends that wait for room
	away         time.Time
	awayCause    string
}

var (
	_ buffer.Buffer    = (*Buffer)(nil)
	_ buffer.Leftovers = (*Buffer)(nil)
	_ buffer.Retained  = (*Buffer)(nil)
	_ buffer.Journal   = (*Buffer)(nil)
	_ buffer.Notes     = (*Buffer)(nil)
)

// errClosed ends what waits when the buffer is closed.
var errClosed = buffer.ErrClosed

// newID makes an id that no other instance makes, of letters and digits: it may be part of a subject.
func newID() string { return rand.Text() }

// openTime bounds how long Open may take to reach the servers and to learn what is in the stream.
const openTime = 60 * time.Second

// Open connects to the servers, makes the stream if there is none, and returns when it knows what is in it. The error
// wraps ErrAway when the servers do not answer within some seconds.
func Open(o Options) (*Buffer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), openTime)
	defer cancel()
	for id := newID(); ; {
		b := newBuffer(o)
		b.id = id // also when it begins anew: it may have told the others of itself
		err := b.connect(ctx)
		if err == nil {
			err = b.begin(ctx)
		}
		if err == nil {
			return b, nil
		}
		b.abandon()
		if !errors.Is(err, errNewLeader) || ctx.Err() != nil {
			return nil, err
		}
	}
}

func newBuffer(o Options) *Buffer {
	b := &Buffer{o: o, log: o.Logger, started: time.Now(), poked: make(chan struct{}, 1), rolledBack: make(chan struct{}), changed: make(chan struct{}),
		docs: map[string]doc{}, removed: map[string]uint64{}, destinations: map[string]*destination{},
		sources: map[string]sourceState{}, leases: map[string]*lease{}, members: map[string]*member{}, own: map[uint64]head{}}
	b.defaults()
	b.quarantine.b = b
	b.ctx, b.end = context.WithCancel(context.Background())
	return b
}

// abandon gives up a buffer that has not joined the others.
func (b *Buffer) abandon() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.end()
	b.running.Wait()
	if b.nc != nil {
		b.nc.Close()
	}
}

func (b *Buffer) defaults() {
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	if b.o.MaxSize == 0 {
		b.o.MaxSize = 10 << 30
	}
	if b.o.Retain == 0 {
		b.o.Retain = 7 * 24 * time.Hour
	}
	if b.o.Beat == 0 {
		b.o.Beat = 2 * time.Second
	}
	if b.o.Now == nil {
		b.o.Now = time.Now
	}
	if b.o.surround == nil {
		b.o.surround = func(_ string, commit func() error) error { return commit() }
	}
	if b.o.Host == "" {
		b.o.Host, _ = os.Hostname()
	}
	b.id = newID()
}

// begin learns what is in the stream and joins.
func (b *Buffer) begin(ctx context.Context) error {
	if err := b.stream(ctx); err != nil {
		return err
	}
	err := patiently(ctx, func() (err error) {
		b.leader, err = b.leadership(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if err := b.follow(ctx); err != nil {
		return err
	}
	if err := b.movedHere(); err != nil {
		return err
	}
	if err := patiently(ctx, func() error { return b.beat(ctx) }); err != nil {
		return err
	}
	if b.o.Registerer != nil {
		if err := b.o.Registerer.Register(buffer.Metrics{Usage: b.Usage, Queues: b.openQueues, Now: b.o.Now}); err != nil {
			return err
		}
	}
	b.running.Go(b.lead)
	return nil
}

// Usage implements buffer.Buffer. The bytes are those of the records as they were pulled; compressed they are fewer on
// disk, and there as often as there are replicas.
func (b *Buffer) Usage() buffer.Usage {
	b.mu.Lock()
	defer b.mu.Unlock()
	return buffer.Usage{Bytes: b.index.bytes, Pending: b.pendingBytes(), Limit: b.o.MaxSize, Blocked: b.waiting > 0}
}

// Away says since when the servers do not answer, and how that shows; zero: they do.
func (b *Buffer) Away() (since time.Time, cause string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.away, b.awayCause
}

// Close implements buffer.Buffer. Other instances take over at once what this one had.
func (b *Buffer) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	var open []string
	for to, d := range b.destinations {
		if d.queue != nil {
			open = append(open, to)
		}
	}
	b.notify()
	b.mu.Unlock()
	slices.Sort(open)
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	var err error
	if !b.isRolledBack() {
		err = b.leave(ctx, open)
	}
	b.end()
	b.running.Wait()
	b.nc.Close()
	if errors.Is(err, ErrAway) || errors.Is(err, context.DeadlineExceeded) {
		b.log.Warn("the cluster was not told that this instance leaves; the others find out", "error", err)
		return nil
	}
	return err
}

// alive returns ErrClosed when the buffer was closed.
func (b *Buffer) alive() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return errClosed
	}
	return nil
}

// explain makes an error of the client library one of ours.
func (b *Buffer) explain(err error) error {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return (&apiError{api.Code, int(api.ErrorCode), api.Description}).err()
	}
	for _, known := range []error{context.DeadlineExceeded, nats.ErrTimeout, nats.ErrNoResponders, nats.ErrConnectionClosed, nats.ErrDisconnected, jetstream.ErrNoStreamResponse} {
		if errors.Is(err, known) {
			return fmt.Errorf("%w (%v)", ErrAway, err)
		}
	}
	return err
}

// servers names the servers for messages, without what stands before an @.
func (b *Buffer) servers() string {
	all := slices.Clone(b.o.URLs)
	for i, u := range all {
		if scheme, rest, ok := strings.Cut(u, "://"); ok {
			if at := strings.LastIndexByte(rest, '@'); at >= 0 {
				all[i] = scheme + "://" + rest[at+1:]
			}
		}
	}
	return strings.Join(all, ", ")
}
