package jetstream

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/buffertest"
)

// TestLostBlock: a record of which the servers have the key and not the block is known to be lost, and is stored anew
// when it is appended again.
func TestLostBlock(t *testing.T) {
	o := Options{URLs: []string{serve(t).ClientURL()}, Replicas: 1}
	open := func() (*Buffer, buffer.Queue) {
		b, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		q, err := b.Queue(buffer.Destination{Name: "d"})
		if err != nil {
			t.Fatal(err)
		}
		return b, q
	}
	b, _ := open()
	batch := func(key string) buffer.Batch {
		return buffer.Batch{Source: "s", Records: []buffer.Record{{API: "alerts", Key: key, Changed: time.Unix(1, 0), Raw: []byte("{}")}}, Checkpoint: []byte("c")}
	}
	lost := batch("lost")
	for _, one := range []buffer.Batch{lost, batch("kept")} {
		if _, err := b.Append(t.Context(), one); err != nil {
			t.Fatal(err)
		}
	}
	s, err := b.js.Stream(t.Context(), StreamName)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteMsg(t.Context(), lost.Records[0].Number>>indexBits); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b, q := open()
	defer b.Close()
	standing := func(key string, want buffer.Standing) {
		t.Helper()
		traces, err := b.Trace("s", []string{key}, []string{"d"})
		if err != nil || len(traces[0].At) != 1 || traces[0].At[0] != want {
			t.Fatalf("%s: %+v, %v, want %d", key, traces, err, want)
		}
	}
	standing("lost", buffer.StandingLost)
	standing("kept", buffer.StandingPending)
	for _, c := range []struct {
		key  string
		want buffer.Outcome
	}{{"lost", buffer.Outcome{New: 1}}, {"lost", buffer.Outcome{Known: 1}}, {"kept", buffer.Outcome{Known: 1}}} {
		if got, err := b.Append(t.Context(), batch(c.key)); err != nil || got != c.want {
			t.Fatalf("%s appended again: %+v, %v, want %+v", c.key, got, err, c.want)
		}
	}
	standing("lost", buffer.StandingPending)
	for _, want := range []string{"kept", "lost"} {
		records, err := buffertest.Take(t.Context(), q, 1, 1)
		if err != nil || records[0].Key != want {
			t.Fatalf("%+v, %v, want %s", records, err, want)
		}
	}
}

// TestForeignStream: a stream of that name that is not siembridge's is left alone.
func TestForeignStream(t *testing.T) {
	other := serve(t)
	c := newBuffer(Options{URLs: []string{other.ClientURL()}, Replicas: 1})
	defer c.abandon()
	if err := c.connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: StreamName, Subjects: []string{"orders.>"}}); err != nil {
		t.Fatal(err)
	}
	if d, err := Open(Options{URLs: []string{other.ClientURL()}, Replicas: 1}); err == nil {
		d.Close()
		t.Fatal("somebody else's stream was taken")
	}
}

// TestIsGone: a block that one server did not have is gone only if the leader, which has stored something since, does not
// have it either.
func TestIsGone(t *testing.T) {
	b, err := Open(Options{URLs: []string{serve(t).ClientURL()}, Replicas: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	batch := buffer.Batch{Source: "s", Records: []buffer.Record{{API: "alerts", Key: "k", Changed: time.Unix(1, 0), Raw: []byte("{}")}}, Checkpoint: []byte("c")}
	if _, err := b.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	m := &meta{seq: batch.Records[0].Number >> indexBits}
	if err := b.isGone(t.Context(), m); !errors.Is(err, ErrAway) {
		t.Errorf("a block that is there: %v, want %v", err, ErrAway)
	}
	s, err := b.js.Stream(t.Context(), StreamName)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteMsg(t.Context(), m.seq); err != nil {
		t.Fatal(err)
	}
	if err := b.isGone(t.Context(), m); err != nil {
		t.Errorf("a block that was deleted: %v", err)
	}
}
