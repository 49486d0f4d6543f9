package delivery

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/emulator"
	"github.com/siembridge/siembridge/bridge/transport"
)

// store is a queue in memory with its notes and its quarantine.
type store struct {
	mu       sync.Mutex
	pending  []buffer.Record // not taken
	arrived  chan struct{}
	taken    map[uint64]buffer.Record
	gone     []buffer.Record // released, once each
	released []uint64
	aside    []string
	notes    map[string][]byte
	last     uint64
	fault    func(what string) (applied bool, err error) // what becomes of a step that stores something; nil: all work
}

// step runs a step that stores something as fault says. s.mu is held.
func (s *store) step(what string, do func()) error {
	applied, err := true, error(nil)
	if s.fault != nil {
		applied, err = s.fault(what)
	}
	if applied {
		do()
	}
	return err
}

func newStore() *store {
	return &store{arrived: make(chan struct{}, 1), taken: map[uint64]buffer.Record{}, notes: map[string][]byte{}}
}

// put adds n records of size bytes.
func (s *store) put(n, size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		s.last++
		raw := fmt.Appendf(nil, "record %d ", s.last)
		if pad := size - len(raw) - 1; pad > 0 {
			raw = append(raw, bytes.Repeat([]byte("x"), pad)...)
		}
		s.pending = append(s.pending, buffer.Record{Number: s.last, Key: fmt.Sprint(s.last), Raw: raw})
	}
	select {
	case s.arrived <- struct{}{}:
	default:
	}
}

func (s *store) Take(ctx context.Context, into *buffer.Taken, most, maxBytes int) error {
	for {
		s.mu.Lock()
		n, size := 0, 0
		for n < len(s.pending) && n < most && size < maxBytes {
			size += len(s.pending[n].Raw)
			s.taken[s.pending[n].Number] = s.pending[n]
			n++
		}
		into.Records = append(into.Records[:0], s.pending[:n]...)
		s.pending = s.pending[n:]
		s.mu.Unlock()
		if n > 0 {
			return nil
		}
		select {
		case <-s.arrived:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *store) Read(_ context.Context, number uint64) (r buffer.Record, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, there := s.taken[number]
	if i := slices.IndexFunc(s.gone, func(r buffer.Record) bool { return r.Number == number }); !there && i >= 0 {
		r, there = s.gone[i], true
	}
	if !there {
		return r, buffer.ErrGone
	}
	return r, s.step("read", func() {})
}

func (s *store) Release(_ context.Context, numbers []uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.step("release", func() {
		for _, n := range numbers {
			if r, ok := s.taken[n]; ok {
				s.gone = append(s.gone, r)
			}
			delete(s.taken, n)
		}
		s.released = append(s.released, numbers...)
	})
}

func (s *store) Released(maxBytes int) ([]buffer.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.SortFunc(s.gone, func(a, b buffer.Record) int { return int(a.Number) - int(b.Number) })
	i := len(s.gone)
	for ; i > 0 && maxBytes >= len(s.gone[i-1].Raw); i-- {
		maxBytes -= len(s.gone[i-1].Raw)
	}
	return slices.Clone(s.gone[i:]), nil
}

func (s *store) Pending() buffer.Pending {
	s.mu.Lock()
	defer s.mu.Unlock()
	return buffer.Pending{Records: int64(len(s.pending) + len(s.taken))}
}

// reopen gives everything that was not released again, as a buffer does after a restart.
func (s *store) reopen() {
	s.mu.Lock()
	defer s.mu.Unlock()
	var again []buffer.Record
	for _, r := range s.taken {
		again = append(again, r)
	}
	slices.SortFunc(again, func(a, b buffer.Record) int { return int(a.Number) - int(b.Number) })
	s.pending, s.taken = append(again, s.pending...), map[uint64]buffer.Record{}
}

func (s *store) Note(_, key string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.notes[key], nil
}

func (s *store) SetNote(_, key string, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.step("note", func() { s.notes[key] = value })
}

func (s *store) Put(r buffer.Record, _ string) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return 1, s.step("set aside", func() { s.aside = append(s.aside, r.Key) })
}

// plain renders a record as it is.
type plain struct{}

func (plain) Render(dst []byte, r *buffer.Record) ([]byte, int, time.Time) {
	return append(append(dst, r.Raw...), '\n'), 1, time.Time{}
}

// rig is a worker between a store and receivers in memory.
type rig struct {
	t       *testing.T
	net     *emulator.Network
	store   *store
	o       Options
	worker  *Worker
	log     bytes.Buffer
	dials   atomic.Int64
	stopped chan struct{}
	cancel  context.CancelFunc
}

func newRig(t *testing.T, addresses ...string) *rig {
	r := &rig{t: t, net: emulator.NewNetwork(), store: newStore()}
	t.Cleanup(func() {
		if r.cancel != nil {
			r.stop()
		}
		r.net.Close()
		<-time.After(time.Minute)
	})
	level := slog.LevelInfo
	if *night > 0 {
		level = slog.LevelDebug
	}
	r.o = Options{Name: "siem", Addresses: addresses, ConfirmBytes: 1 << 20, ConfirmInterval: 2 * time.Second, ConfirmTimeout: 30 * time.Second,
		Queue: r.store, Renderer: func() Renderer { return plain{} }, Notes: r.store, Quarantine: r.store,
		Logger: slog.New(slog.NewTextHandler(io.MultiWriter(&r.log), &slog.HandlerOptions{Level: level})), Metrics: NewMetrics(prometheus.NewRegistry()),
		Dial: func(ctx context.Context, address, resolved string) (Conn, error) {
			r.dials.Add(1)
			ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
			defer cancel()
			c, err := r.net.Dial(ctx, address, resolved)
			if err != nil {
				return nil, &transport.DialError{Address: address, What: err.Error(), Remedy: "Check it", Err: err}
			}
			return c, nil
		}}
	return r
}

func (r *rig) start() {
	r.worker = New(r.o)
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel, r.stopped = cancel, make(chan struct{})
	go func() { defer close(r.stopped); r.worker.Run(ctx) }()
}

func (r *rig) stop() { r.cancel(); <-r.stopped }

// wait lets time pass until everything is released or set aside.
func (r *rig) wait(most time.Duration) {
	r.t.Helper()
	for end := time.Now().Add(most); r.store.Pending().Records > 0; {
		if time.Now().After(end) {
			r.t.Errorf("after %s %d records are not confirmed; status %+v\n%s", most, r.store.Pending().Records, r.worker.Status(), r.log.String())
			return
		}
		<-time.After(10 * time.Millisecond)
	}
}

// count returns how often each record was stored by the receivers, and how many bytes more than once.
func count(peers ...*emulator.Peer) (seen map[string]int, repeated int) {
	seen = map[string]int{}
	for _, p := range peers {
		for _, line := range p.Lines() {
			key := string(bytes.Fields(line)[1])
			if seen[key]++; seen[key] > 1 {
				repeated += len(line) + 1
			}
		}
	}
	return seen, repeated
}

// all fails the test unless every record from 1 to n was stored, and returns the repeated bytes.
func (r *rig) all(n int, peers ...*emulator.Peer) int {
	r.t.Helper()
	<-time.After(time.Minute) // what TCP has acknowledged is perhaps not read yet
	seen, repeated := count(peers...)
	missing, first := 0, 0
	for i := 1; i <= n; i++ {
		if key := fmt.Sprint(i); seen[key] == 0 && !slices.Contains(r.store.aside, key) {
			if missing++; first == 0 {
				first = i
			}
		}
	}
	if missing > 0 {
		r.t.Errorf("%d of %d records are missing, the first is %d\n%s", missing, n, first, r.log.String())
	}
	return repeated
}

func TestWorkerDeliversOnceInOrder(t *testing.T) {
	for name, o := range map[string]emulator.PeerOptions{
		"ready":                {},
		"slow":                 {Slow: 20 * time.Millisecond},
		"far away":             {RoundTrip: 300 * time.Millisecond},
		"small buffer":         {Buffer: 4096},
		"takes one connection": {OneAtATime: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, "siem:6514")
				siem := r.net.Listen("siem:6514", o)
				r.start()
				r.store.put(6000, 900)
				r.wait(time.Hour)
				r.stop()
				if repeated := r.all(6000, siem); repeated > 0 {
					t.Errorf("%d bytes twice\n%s", repeated, r.log.String())
				}
				last := 0
				for _, line := range siem.Lines() {
					var n int
					fmt.Sscanf(string(line), "record %d", &n)
					if n != last+1 {
						t.Fatalf("record %d after %d", n, last)
					}
					last = n
				}
			})
		})
	}
}

// TestTailsAreReleasedInStep: while connections follow one another faster than a grace lasts, what was confirmed is
// released as its own grace ends, also where a connection takes longer to make than the one before lasts.
func TestTailsAreReleasedInStep(t *testing.T) {
	for name, dialling := range map[string]time.Duration{"made ahead": 0, "made late": 15 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, "siem:6514")
				r.o.ConfirmBytes = 64 << 10 // less than a tail
				dial := r.o.Dial
				r.o.Dial = func(ctx context.Context, address, resolved string) (Conn, error) {
					<-time.After(dialling)
					return dial(ctx, address, resolved)
				}
				siem := r.net.Listen("siem:6514", emulator.PeerOptions{Slow: 500 * time.Microsecond})
				r.start()
				const n = 40_000
				r.store.put(n, 900)
				for r.store.Pending().Records > 0 {
					<-time.After(100 * time.Millisecond)
					lines := len(siem.Lines())
					<-time.After(4 * grace)
					if left := int(r.store.Pending().Records); n-left < lines {
						t.Fatalf("%d records were read some graces ago, and %d are released\n%s", lines, n-left, r.log.String())
					}
				}
				r.stop()
				if dials := r.dials.Load(); dials < 500 {
					t.Errorf("%d connections were made", dials)
				}
			})
		})
	}
}

// TestWorkerKills: the receiver is killed again and again, in every state of its buffers.
func TestWorkerKills(t *testing.T) {
	for name, o := range map[string]emulator.PeerOptions{
		"fast":                {},
		"slow":                {Slow: 2 * time.Millisecond},
		"large buffer":        {Slow: 2 * time.Millisecond, Buffer: 4 << 20},
		"stores late":         {Slow: time.Millisecond, Storing: 3 * time.Millisecond},
		"closes by itself":    {ClosesAfter: 1 << 20},
		"takes one at a time": {Slow: time.Millisecond, OneAtATime: true},
	} {
		for _, acknowledge := range []bool{false, true} {
			if acknowledge && o.Buffer > 1<<20 {
				continue // documented: acknowledgement alone cannot see a backlog of megabytes
			}
			t.Run(fmt.Sprintf("%s/ack=%v", name, acknowledge), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, "siem:6514")
					r.o.Acknowledge = acknowledge
					siem := r.net.Listen("siem:6514", o)
					random := rand.New(rand.NewPCG(1, 2))
					r.start()
					const kills, n = 30, 12000
					for range kills {
						r.store.put(n/kills, 900)
						<-time.After(time.Duration(random.IntN(int(700 * time.Millisecond))))
						siem.Kill()
						<-time.After(time.Duration(random.IntN(int(2 * time.Second))))
						siem.Start()
					}
					r.wait(time.Hour)
					r.stop()
					repeated := r.all(n, siem)
					if most := (kills + n*900>>20) * (1<<20 + tailBytes); repeated > most {
						t.Errorf("%d bytes twice, more than one connection and its tail for each kill (%d)", repeated, most)
					}
					t.Logf("%d kills: %d bytes of %d twice", kills, repeated, n*900)
				})
			})
		}
	}
}

func TestWorkerStalled(t *testing.T) {
	for _, acknowledge := range []bool{false, true} {
		t.Run(fmt.Sprint("ack=", acknowledge), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, "siem:6514")
				r.o.Acknowledge = acknowledge
				siem := r.net.Listen("siem:6514", emulator.PeerOptions{})
				r.start()
				r.store.put(10, 900)
				r.wait(time.Minute)
				siem.Stop()
				r.store.put(3000, 900)
				<-time.After(3 * time.Hour)
				if s := r.worker.Status(); s.State != StateStalled || !strings.Contains(s.Error, "check its load") {
					t.Errorf("status %+v", s)
				}
				if n := strings.Count(r.log.String(), "destination is stalled"); n != 1 {
					t.Errorf("said %d times:\n%s", n, r.log.String())
				}
				siem.Continue()
				r.wait(time.Minute)
				if repeated := r.all(3010, siem); repeated > 0 {
					t.Errorf("%d bytes twice: time alone resends nothing", repeated)
				}
				if s := r.worker.Status(); s.State != StateUp || s.Error != "" || s.Delivered != 3010 {
					t.Errorf("status %+v", s)
				}
				r.stop()
			})
		})
	}
}

func TestWorkerDead(t *testing.T) {
	for _, acknowledge := range []bool{false, true} {
		t.Run(fmt.Sprint("ack=", acknowledge), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, "siem:6514")
				r.o.Acknowledge = acknowledge
				siem := r.net.Listen("siem:6514", emulator.PeerOptions{Slow: 5 * time.Millisecond})
				r.start()
				r.store.put(3000, 900)
				<-time.After(700 * time.Millisecond)
				siem.Vanish()
				<-time.After(time.Hour)
				if s := r.worker.Status(); s.State != StateDown {
					t.Errorf("status %+v", s)
				}
				siem.Start()
				r.wait(10 * time.Minute)
				r.all(3000, siem)
				r.stop()
			})
		})
	}
}

// TestWorkerFullDisk: confirmations that cannot be stored are kept, said, and said when it is over.
func TestWorkerFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "siem:6514")
		siem := r.net.Listen("siem:6514", emulator.PeerOptions{})
		r.store.fault = func(what string) (bool, error) {
			if what == "release" {
				return false, buffer.ErrNoSpace
			}
			return true, nil
		}
		r.start()
		r.store.put(500, 900)
		<-time.After(time.Hour)
		r.store.mu.Lock()
		r.store.fault = nil
		r.store.mu.Unlock()
		r.wait(time.Hour)
		if repeated := r.all(500, siem); repeated > 0 {
			t.Errorf("%d bytes twice", repeated)
		}
		r.stop()
		log := r.log.String()
		if failed, again := strings.Count(log, "a confirmation cannot be stored"), strings.Count(log, "confirmations are stored again"); failed == 0 || again != 1 {
			t.Errorf("said %d and %d times:\n%s", failed, again, log)
		}
	})
}

// TestWorkerDown: days without a receiver cost neither dials without end nor a flood of lines.
func TestWorkerDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "siem:6514")
		siem := r.net.Listen("siem:6514", emulator.PeerOptions{})
		siem.Kill()
		r.start()
		r.store.put(50000, 900)
		<-time.After(72 * time.Hour)
		if most := int64(72 * time.Hour / (backoffMost / 2)); r.dials.Load() > most {
			t.Errorf("%d dials in 72 hours", r.dials.Load())
		}
		if lines := strings.Count(r.log.String(), "\n"); lines > 3 {
			t.Errorf("%d lines in the log:\n%s", lines, r.log.String())
		}
		r.store.mu.Lock()
		if taken := len(r.store.taken); taken > 3*takeRecords {
			t.Errorf("%d records in memory", taken)
		}
		r.store.mu.Unlock()
		siem.Start()
		r.wait(time.Hour)
		if repeated := r.all(50000, siem); repeated > 0 {
			t.Errorf("%d bytes twice", repeated)
		}
		r.stop()
	})
}

func TestWorkerNeverCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "siem:6514")
		siem := r.net.Listen("siem:6514", emulator.PeerOptions{NeverCloses: true})
		r.start()
		begin := time.Now()
		r.store.put(1000, 900)
		<-time.After(30 * time.Second)
		if s := r.worker.Status(); s.State != StateProbing {
			t.Errorf("status %+v", s)
		}
		r.wait(2 * time.Minute)
		if took := time.Since(begin); took < probeSpan {
			t.Errorf("given up after %s", took)
		}
		for range 60 { // steady traffic for half an hour: nothing waits for a probe
			r.store.put(10, 900)
			<-time.After(30 * time.Second)
			if n := r.store.Pending().Records; n > 0 {
				t.Fatalf("%d records wait", n)
			}
		}
		if n := strings.Count(r.log.String(), "cannot confirm"); n != 1 {
			t.Errorf("said %d times:\n%s", n, r.log.String())
		}
		if s := r.worker.Status(); s.Confirm != "ack" {
			t.Errorf("status %+v", s)
		}
		siem.Set(func(o *emulator.PeerOptions) { o.NeverCloses = false })
		for range 20 {
			r.store.put(10, 900)
			<-time.After(30 * time.Second)
		}
		if s := r.worker.Status(); s.Confirm != "close" {
			t.Errorf("after the receiver has learned to close: %+v", s)
		}
		r.wait(time.Minute)
		if repeated := r.all(1800, siem); repeated > 0 {
			t.Errorf("%d bytes twice", repeated)
		}
		r.stop()
	})
}

// TestWorkerRecalls: what a receiver's TCP has acknowledged and its program has not read when its machine vanishes is sent
// again although the bridge was restarted in between; and what was read is not.
func TestWorkerRecalls(t *testing.T) {
	for name, acknowledge := range map[string]bool{"configured": true, "stopped before it ever answered": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, "siem:6514")
				r.o.Acknowledge = acknowledge
				siem := r.net.Listen("siem:6514", emulator.PeerOptions{Buffer: 1 << 19})
				siem.Stop()
				r.start()
				r.store.put(500, 900)
				r.wait(10 * time.Minute)
				if s := r.worker.Status(); s.Confirm != "ack" {
					t.Errorf("status %+v", s)
				}
				r.stop()
				siem.Vanish()
				siem.Start()
				for range 3 { // the first run sends them again, the others do not
					r.start()
					<-time.After(time.Minute)
					r.stop()
				}
				if repeated := r.all(500, siem); repeated > 0 {
					t.Errorf("%d bytes twice", repeated)
				}
				if n := len(siem.Lines()); n != 500 {
					t.Errorf("%d records stored", n)
				}
			})
		})
	}
}

// TestWorkerAsksFirst: how a receiver confirms is found out at the start, at every address; not from a machine that is
// not there, and its silence counts only while records wait.
func TestWorkerAsksFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "one:6514", "two:6514")
		one, two := r.net.Listen("one:6514", emulator.PeerOptions{}), r.net.Listen("two:6514", emulator.PeerOptions{})
		r.start()
		<-time.After(time.Minute)
		for _, address := range []string{"one:6514", "two:6514"} {
			if note, _ := r.store.Note("siem", (&peer{address: address}).note()); note == nil {
				t.Errorf("%s was not asked", address)
			}
		}
		if s := r.worker.Status(); s.State != StateUp {
			t.Errorf("status %+v", s)
		}
		r.stop()
		r.store.notes = map[string][]byte{}
		one.Stop()
		two.Kill()
		r.start()
		<-time.After(time.Hour)
		if s := r.worker.Status(); s.Confirm != "close" || strings.Contains(r.log.String(), "cannot confirm") {
			t.Errorf("nothing waits, and silence has decided: status %+v", s)
		}
		one.Continue()
		r.store.put(10, 900)
		r.wait(time.Minute)
		r.stop()
		if repeated := r.all(10, one, two); repeated > 0 {
			t.Errorf("%d bytes twice", repeated)
		}
	})
}

// TestWorkerProbeReset: a reset of an empty connection is no silence. Nothing is sent by TCP's acknowledgement to a
// balancer that has no receiver behind it.
func TestWorkerProbeReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "siem:6514")
		siem := r.net.Listen("siem:6514", emulator.PeerOptions{Resets: true})
		r.start()
		r.store.put(100, 900)
		<-time.After(time.Hour)
		if s := r.worker.Status(); s.Confirm != "close" || s.State == StateUp || s.Delivered > 0 || !strings.Contains(s.Error, "resets them, even an empty one") {
			t.Errorf("status %+v", s)
		}
		if n := len(siem.Lines()); n > 0 {
			t.Errorf("%d records were sent", n)
		}
		siem.Set(func(o *emulator.PeerOptions) { o.Resets = false })
		r.wait(time.Minute)
		r.stop()
		if repeated := r.all(100, siem); repeated > 0 {
			t.Errorf("%d bytes twice", repeated)
		}
	})
}

// TestWorkerTwentyOutages: a receiver that is idle, goes down and comes back, twenty times. The first record after each
// outage arrives as all others, once and in order, and those that waited stay under rate_limit.
func TestWorkerTwentyOutages(t *testing.T) {
	for _, acknowledge := range []bool{false, true} {
		t.Run(fmt.Sprintf("ack=%v", acknowledge), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, "siem:6514")
				r.o.Acknowledge, r.o.RateLimit = acknowledge, 100
				siem := r.net.Listen("siem:6514", emulator.PeerOptions{})
				r.start()
				const outages, waiting = 20, 500
				for range outages {
					siem.Kill()
					r.store.put(waiting, 300)
					<-time.After(time.Minute)
					siem.Start()
					for r.store.Pending().Records > 0 {
						before := len(siem.Lines())
						<-time.After(time.Second)
						if n := len(siem.Lines()) - before; n > 110 {
							t.Errorf("%d events in a second", n)
						}
					}
					<-time.After(time.Minute) // long enough for what was read to be stored, and for idle connections
				}
				r.stop()
				repeated := r.all(outages*waiting, siem)
				if !acknowledge && repeated > 0 {
					t.Errorf("%d bytes twice", repeated)
				}
				last := 0
				for _, line := range siem.Lines() {
					n, err := strconv.Atoi(string(bytes.Fields(line)[1]))
					if err != nil {
						t.Fatal(err)
					}
					if !acknowledge && n != last+1 {
						t.Fatalf("record %d follows record %d", n, last)
					}
					last = n
				}
			})
		})
	}
}

// TestWorkerRemembers: silence does not take back what a receiver once showed, nor does a restart forget it.
func TestWorkerRemembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "siem:6514")
		siem := r.net.Listen("siem:6514", emulator.PeerOptions{})
		r.start()
		r.store.put(1, 100)
		r.wait(time.Minute)
		r.stop()
		siem.Stop()
		r.store.put(10, 100)
		r.start()
		<-time.After(time.Hour)
		if s := r.worker.Status(); s.Confirm != "close" || s.State != StateStalled {
			t.Errorf("status %+v", s)
		}
		siem.Continue()
		r.wait(time.Minute)
		r.stop()
		if repeated := r.all(11, siem); repeated > 0 {
			t.Errorf("%d bytes twice", repeated)
		}
	})
}

func TestWorkerFailover(t *testing.T) {
	for _, acknowledge := range []bool{false, true} {
		t.Run(fmt.Sprint("ack=", acknowledge), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, "one:6514", "two:6514")
				r.o.Acknowledge = acknowledge
				one, two := r.net.Listen("one:6514", emulator.PeerOptions{}), r.net.Listen("two:6514", emulator.PeerOptions{})
				r.start()
				n := 0
				traffic := func(d time.Duration) {
					for end := time.Now().Add(d); time.Now().Before(end); {
						r.store.put(20, 900)
						n += 20
						<-time.After(100 * time.Millisecond)
					}
				}
				traffic(5 * time.Second)
				if len(two.Lines()) > 0 {
					t.Error("the second address got something although the first was up")
				}
				one.Kill()
				traffic(10 * time.Second)
				if len(two.Lines()) == 0 {
					t.Error("the second address got nothing although the first was down")
				}
				one.Start()
				traffic(2 * time.Minute)
				before := len(two.Lines())
				traffic(10 * time.Second)
				if after := len(two.Lines()); after > before {
					t.Errorf("the second address still gets everything two minutes after the first came back (%d, %d)", before, after)
				}
				r.wait(time.Minute)
				r.all(n, one, two)
				r.stop()
			})
		})
	}
}

func TestWorkerSetsAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "siem:6514")
		siem := r.net.Listen("siem:6514", emulator.PeerOptions{Reject: "record 777 "})
		r.start()
		r.store.put(1500, 200)
		r.wait(time.Hour)
		r.all(1500, siem)
		if !slices.Equal(r.store.aside, []string{"777"}) {
			t.Errorf("set aside: %v", r.store.aside)
		}
		if s := r.worker.Status(); s.Delivered != 1499 {
			t.Errorf("%d delivered", s.Delivered)
		}
		r.stop()
	})
}

// TestWorkerSetsNothingAside: a receiver that resets every connection has a fault of its own.
func TestWorkerSetsNothingAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "siem:6514")
		siem := r.net.Listen("siem:6514", emulator.PeerOptions{Reject: "record"})
		r.start()
		r.store.put(50, 200)
		<-time.After(6 * time.Hour)
		if len(r.store.aside) > 0 {
			t.Errorf("set aside: %v", r.store.aside)
		}
		siem.Set(func(o *emulator.PeerOptions) { o.Reject = "" })
		r.wait(time.Hour)
		r.all(50, siem)
		r.stop()
	})
}

func TestWorkerRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "siem:6514")
		r.o.RateLimit = 100
		siem := r.net.Listen("siem:6514", emulator.PeerOptions{})
		siem.Kill()
		r.start()
		r.store.put(2000, 300)
		<-time.After(time.Hour)
		siem.Start()
		for len(siem.Lines()) == 0 {
			<-time.After(time.Millisecond)
		}
		for second := 1; r.store.Pending().Records > 0; second++ {
			before := len(siem.Lines())
			<-time.After(time.Second)
			if n := len(siem.Lines()) - before; n > 110 {
				t.Errorf("%d events in second %d", n, second)
			}
		}
		if repeated := r.all(2000, siem); repeated > 0 {
			t.Errorf("%d bytes twice", repeated)
		}
		r.stop()
	})
}

// TestWorkerDeadWhileLimited: a machine that vanishes and a program that stops are noticed while rate_limit is waited for.
func TestWorkerDeadWhileLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "siem:6514")
		r.o.RateLimit, r.o.ConfirmInterval = 1, time.Hour
		siem := r.net.Listen("siem:6514", emulator.PeerOptions{Buffer: 2000})
		r.start()
		r.store.put(300, 900)
		<-time.After(10 * time.Second)
		siem.Stop()
		<-time.After(time.Minute)
		if s := r.worker.Status(); s.State != StateStalled {
			t.Errorf("the receiver has stopped: %+v", s)
		}
		siem.Continue()
		<-time.After(time.Minute)
		if s := r.worker.Status(); s.State != StateUp {
			t.Errorf("the receiver goes on: %+v", s)
		}
		siem.Vanish()
		<-time.After(time.Minute)
		if s := r.worker.Status(); s.State != StateDown {
			t.Errorf("the receiver has vanished: %+v", s)
		}
		siem.Start()
		r.wait(time.Hour)
		r.stop()
		r.all(300, siem)
	})
}

// TestWorkerStops: the end of the bridge confirms what is under way; what it cannot confirm is given again.
func TestWorkerStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "siem:6514")
		siem := r.net.Listen("siem:6514", emulator.PeerOptions{Slow: time.Millisecond})
		n := 0
		for range 10 {
			r.start()
			r.store.put(1000, 900)
			n += 1000
			<-time.After(300 * time.Millisecond)
			began := time.Now()
			r.stop()
			if took := time.Since(began); took > drainTime+time.Second {
				t.Errorf("stopped after %s", took)
			}
			r.store.reopen()
		}
		r.start()
		r.wait(time.Hour)
		r.stop()
		if repeated := r.all(n, siem); repeated > 0 {
			t.Errorf("%d bytes twice: every stop had time to confirm", repeated)
		}
		siem.Stop()
		r.start()
		r.store.put(10, 900)
		<-time.After(time.Second)
		began := time.Now()
		r.stop()
		if took := time.Since(began); took > drainTime+time.Second {
			t.Errorf("stopped after %s before a receiver that hangs", took)
		}
		if r.store.Pending().Records != 10 {
			t.Error("released what was not confirmed")
		}
	})
}
