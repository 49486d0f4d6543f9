package jetstream

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/buffertest"
)

// TestRoomOfFailedAppend: the room that was set aside for a batch is given back when making it fails, as where delivered
// records cannot be removed.
func TestRoomOfFailedAppend(t *testing.T) {
	var failing atomic.Bool
	fault := errors.New("a fault of the test")
	b, err := Open(Options{URLs: []string{serve(t).ClientURL()}, Replicas: 1, MaxSize: 1 << 20, surround: func(subject string, commit func() error) error {
		if failing.Load() && strings.HasPrefix(subject, ofHorizon) {
			return fault
		}
		return commit()
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	keys := 0
	add := func() error {
		keys++
		_, err := b.Append(t.Context(), buffer.Batch{Source: "s", Records: []buffer.Record{{Key: fmt.Sprint(keys), Raw: make([]byte, 300_000)}}})
		return err
	}
	for range 3 { // that nobody wants
		if err := add(); err != nil {
			t.Fatal(err)
		}
	}
	failing.Store(true)
	for range 2 {
		if err := add(); !errors.Is(err, fault) {
			t.Fatal(err)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.underway != 0 {
		t.Errorf("%d bytes are still set aside", b.underway)
	}
}

// TestDropsBehindMany: where so many records stand before those that may be dropped that a lane's state would be larger
// than a message may be, an append waits, as it does where nothing may be dropped.
func TestDropsBehindMany(t *testing.T) {
	s := serveWith(t, &server.Options{MaxPayload: 12 << 10})
	b, err := Open(Options{URLs: []string{s.ClientURL()}, Replicas: 1, MaxSize: 2 << 20, memory: true})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	open := func(d buffer.Destination) buffer.Queue {
		q, err := b.Queue(d)
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	strict := open(buffer.Destination{Name: "strict", Sources: []string{"needed"}})
	lax := open(buffer.Destination{Name: "lax", Overflow: buffer.OverflowDropOldest})
	const needed, each = 20_000, 100
	for from := 0; from < needed; from += each {
		batch := buffer.Batch{Source: "needed"}
		for i := range each {
			batch.Records = append(batch.Records, buffer.Record{Key: fmt.Sprint(from + i), Raw: []byte("{}")})
		}
		if _, err := b.Append(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	add := func(ctx context.Context, key string) error {
		_, err := b.Append(ctx, buffer.Batch{Source: "other", Records: []buffer.Record{{Key: key, Raw: make([]byte, 400_000)}}})
		return err
	}
	if err := add(t.Context(), "first"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- add(ctx, "second") }()
	for deadline := time.Now().Add(20 * time.Second); !b.Usage().Blocked; {
		if time.Now().After(deadline) {
			t.Error("the append does not wait")
			break
		}
		runtime.Gosched()
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if p := lax.Pending(); p.Dropped != 0 {
		t.Errorf("%+v", p)
	}
	for released := 0; released < needed; {
		records, err := buffertest.Take(t.Context(), strict, 1000, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		var numbers []uint64
		for i := range records {
			numbers = append(numbers, records[i].Number)
		}
		if err := strict.Release(t.Context(), numbers); err != nil {
			t.Fatal(err)
		}
		released += len(records)
	}
	if err := add(t.Context(), "third"); err != nil {
		t.Error(err)
	}
	if p := lax.Pending(); p.Dropped == 0 || p.Records+int64(p.Dropped) != needed+2 {
		t.Errorf("%+v", p)
	}
}

// TestLargerThanServersTake: what is too large for the servers is not taken for servers that are away, for which one
// would wait.
func TestLargerThanServersTake(t *testing.T) {
	b, err := Open(Options{URLs: []string{serveWith(t, &server.Options{MaxPayload: 12 << 10}).ClientURL()}, Replicas: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	_, err = b.Append(t.Context(), buffer.Batch{Source: "s", Checkpoint: make([]byte, 12<<10)})
	if err == nil || errors.Is(err, ErrAway) || !strings.Contains(err.Error(), "max_payload") {
		t.Error(err)
	}
	if since, cause := b.Away(); !since.IsZero() {
		t.Error(cause)
	}
}
