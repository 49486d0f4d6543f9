package bridge

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/buffertest"
	"github.com/siembridge/siembridge/bridge/buffer/disk"
	"github.com/siembridge/siembridge/bridge/buffer/jetstream"
	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/entra"
)

// natsServer starts a server in this process.
func natsServer(t *testing.T) string {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server does not start")
	}
	return s.ClientURL()
}

// moveWorld is a disk buffer in the middle of its work: of 900 records "ahead" has delivered all but 5, "behind" has
// delivered 10 and is closed, and "one" wants one source of two.
type moveWorld struct {
	t *testing.T
	c *config.Config
}

const (
	movedRecords = 900
	movedBatch   = 30 // of one source, then as many of the other
)

func sourceOf(i int) string { return fmt.Sprint("s", i/movedBatch%2) }

var errOver = errors.New("over")

func newMoveWorld(t *testing.T) *moveWorld {
	w := &moveWorld{t, &config.Config{StateDir: t.TempDir()}}
	w.c.Buffer = config.Buffer{Type: "jetstream", MaxSize: 64 << 20, Retain: 24 * time.Hour, JetStream: config.JetStream{URLs: []string{natsServer(t)}, Replicas: 1}}
	w.c.Sources = []config.Source{{Name: "s0"}, {Name: "s1"}}
	b, err := disk.Open(disk.Options{Dir: w.c.StateDir, MaxSize: 64 << 20, Retain: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	queues := w.queues(b)
	for i := 0; i < movedRecords; i += movedBatch {
		batch := buffer.Batch{Source: sourceOf(i), Checkpoint: fmt.Append(nil, i)}
		for j := range movedBatch {
			batch.Records = append(batch.Records, w.record(i+j))
		}
		if _, err := b.Append(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	w.release(queues["ahead"], movedRecords, func(i int) bool { return i%200 != 7 })
	w.release(queues["behind"], movedRecords, func(i int) bool { return i >= 20 && i < 30 })
	w.release(queues["one"], movedRecords/2, func(i int) bool { return i < 100 })
	if err := errors.Join(b.SetNote("peer", "x", []byte("y")), os.WriteFile(entra.ChainFile(w.c.StateDir, "s0"), []byte("chain"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Quarantine().Put(w.record(1), "odd"); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *moveWorld) record(i int) buffer.Record {
	return buffer.Record{API: "alerts", Key: fmt.Sprint("k", i), Changed: time.Unix(int64(i), 0).UTC(), Hash: buffer.Hash{1, byte(i)},
		Pulled: time.Now().UTC(), Raw: make([]byte, 500+i)}
}

func (w *moveWorld) queues(b buffer.Buffer) map[string]buffer.Queue {
	all := map[string]buffer.Queue{}
	for name, sources := range map[string][]string{"ahead": nil, "behind": nil, "one": {"s1"}} {
		q, err := b.Queue(buffer.Destination{Name: name, Sources: sources})
		if err != nil {
			w.t.Fatal(err)
		}
		all[name] = q
	}
	return all
}

// take takes so many records.
func (w *moveWorld) take(q buffer.Queue, n int) (all []buffer.Record) {
	ctx, cancel := context.WithTimeoutCause(w.t.Context(), 20*time.Second, errOver)
	defer cancel()
	for len(all) < n {
		some, err := buffertest.Take(ctx, q, n-len(all), 1<<20)
		if err != nil {
			w.t.Fatalf("after %d of %d records: %v", len(all), n, err)
		}
		all = append(all, some...)
	}
	return all
}

// release takes all and releases those that f wants, by their place.
func (w *moveWorld) release(q buffer.Queue, n int, f func(i int) bool) {
	var numbers []uint64
	for i, r := range w.take(q, n) {
		if f(i) {
			numbers = append(numbers, r.Number)
		}
	}
	if err := q.Release(w.t.Context(), numbers); err != nil {
		w.t.Fatal(err)
	}
}

// TestMove: after a move each destination gets what it had not delivered, in order and nothing else; sources go on where
// they were, what was seen is known, and what was delivered is remembered.
func TestMove(t *testing.T) {
	w := newMoveWorld(t)
	m, err := Move(t.Context(), w.c)
	if err != nil {
		t.Fatal(err)
	}
	if m.Records != movedRecords || m.Keys != movedRecords || m.Sources != 2 || m.Destinations != 3 || m.Quarantined != 1 {
		t.Errorf("moved %+v", m)
	}
	if _, err := os.Stat(filepath.Join(w.c.StateDir, "buffer.moved")); err != nil {
		t.Error(err)
	}
	b, err := jetstream.Open(jetStreamOptions(w.c, Options{}, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	queues := w.queues(b)
	for name, want := range map[string]func(i int) bool{
		"ahead":  func(i int) bool { return i%200 == 7 },
		"behind": func(i int) bool { return i < 20 || i >= 30 },
		"one":    func(i int) bool { return sourceOf(i) == "s1" && i >= 220 },
	} {
		var expected []string
		for i := range movedRecords {
			if want(i) {
				expected = append(expected, fmt.Sprint("k", i))
			}
		}
		if p := queues[name].Pending(); p.Records != int64(len(expected)) {
			t.Fatalf("%s: %d pending, want %d", name, p.Records, len(expected))
		}
		for i, r := range w.take(queues[name], len(expected)) {
			if r.Key != expected[i] {
				t.Fatalf("%s: record %d is %s, want %s", name, i, r.Key, expected[i])
			}
		}
	}
	w.known(b)
	traces, err := b.Trace("s1", []string{"k32", "k407", "k899", "never"}, []string{"ahead", "behind", "one", "other"})
	if err != nil {
		t.Fatal(err)
	}
	p, r, u := buffer.StandingPending, buffer.StandingReleased, buffer.StandingUnrouted
	for i, want := range [][]buffer.Standing{{r, p, r, u}, {p, p, p, u}, {r, p, p, u}, nil} {
		if fmt.Sprint(traces[i].At) != fmt.Sprint(want) {
			t.Errorf("trace %d: %v, want %v", i, traces[i].At, want)
		}
	}
	if note, _ := b.Note("peer", "x"); string(note) != "y" {
		t.Errorf("note %q", note)
	}
	if chain, err := b.Tokens("s0").ReadChain(); string(chain) != "chain" || err != nil {
		t.Errorf("tokens %q, %v", chain, err)
	}
	if list, _ := b.Quarantine().List(); len(list) != 1 || list[0].Reason != "odd" {
		t.Errorf("quarantine %+v", list)
	}
}

// known appends everything again.
func (w *moveWorld) known(b *jetstream.Buffer) {
	for s := range 2 {
		source := fmt.Sprint("s", s)
		if c, err := b.Checkpoint(source); err != nil || string(c) != fmt.Sprint(movedRecords-(2-s)*movedBatch) {
			w.t.Errorf("checkpoint of %s: %q, %v", source, c, err)
		}
		batch := buffer.Batch{Source: source, Checkpoint: []byte("next")}
		for i := range movedRecords {
			if sourceOf(i) == source {
				batch.Records = append(batch.Records, w.record(i))
			}
		}
		if o, err := b.Append(w.t.Context(), batch); err != nil || o.Known != movedRecords/2 {
			w.t.Errorf("appended again: %+v, %v", o, err)
		}
	}
}

// TestMoveAgain: a move that was interrupted holds instances back, and is done from the beginning; a second one, or one
// to servers in use, is refused.
func TestMoveAgain(t *testing.T) {
	w := newMoveWorld(t)
	ended, cancel := context.WithCancel(t.Context())
	from, err := disk.Open(disk.Options{Dir: w.c.StateDir})
	if err != nil {
		t.Fatal(err)
	}
	contents, err := from.Contents()
	if err != nil {
		t.Fatal(err)
	}
	to, _, err := jetstream.BeginImport(ended, jetStreamOptions(w.c, Options{}, nil), contents.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := moveLog(ended, from, to); err != nil {
		t.Fatal(err)
	}
	cancel()
	to.Close()
	if err := from.Close(); err != nil {
		t.Fatal(err)
	}
	if b, err := jetstream.Open(jetStreamOptions(w.c, Options{}, nil)); err == nil {
		b.Close()
		t.Fatal("an instance starts on half of a buffer")
	}
	if m, err := Move(t.Context(), w.c); err != nil || m.Records != movedRecords {
		t.Fatalf("%+v, %v", m, err)
	}
	b, err := jetstream.Open(jetStreamOptions(w.c, Options{}, nil))
	if err != nil {
		t.Fatal(err)
	}
	if p := w.queues(b)["behind"].Pending(); p.Records != movedRecords-10 {
		t.Errorf("%d pending", p.Records)
	}
	b.Close()
	other := newMoveWorld(t)
	other.c.Buffer.JetStream = w.c.Buffer.JetStream
	if _, err := Move(t.Context(), other.c); !errors.Is(err, jetstream.ErrInUse) {
		t.Errorf("a second buffer into the same servers: %v", err)
	}
}
