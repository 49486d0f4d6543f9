package buffertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/siembridge/siembridge/bridge/buffer"
)

func appendRules() []rule {
	return []rule{
		{"record comes back whole", "what Append stored is what Take gives: all fields, times in UTC", wholeRecord},
		{"numbers ascend", "numbers ascend over all batches and openings and are never used twice", numbersAscend},
		{"checkpoint", "Checkpoint gives what the last Append of the source stored, nil before; a nil one leaves it", checkpoints},
		{"append is durable", "what Append returned for is there after the buffer was opened again", durable},
		{"append may be repeated", "a batch appended again is recognised", repeatable},
		{"refused batch changes nothing", "a batch with a record that cannot be stored is refused as a whole", refused},
		{"sources at once", "Append may be used by several sources at once", concurrent},
		{"closed", "a closed buffer gives ErrClosed", closed},
		{"ended context", "Append with a context that has ended stores all or nothing", endedContext},
	}
}

func wholeRecord(h *harness) {
	q := h.queue(buffer.Destination{Name: "d"})
	want := h.record("s", "key \x00 é", at(1), "content")
	want.Old = true
	want.API = "graph-alerts"
	want.Changed = want.Changed.In(time.FixedZone("somewhere", 3600))
	zero := h.record("s", "zero", time.Time{}, "")
	zero.Raw = nil
	large := h.record("s", "large", at(2), "large")
	large.Raw = slices.Repeat([]byte("0123456789abcdef"), 20<<10)
	for _, r := range []buffer.Record{want, zero, large} {
		stored := h.appendOne(r)
		stored.Changed = stored.Changed.UTC()
		if stored.Changed.IsZero() {
			stored.Changed = time.Time{}
		}
		got := h.take(q, 1)[0]
		if len(got.Raw) == 0 {
			got.Raw = nil
		}
		if d := cmp.Diff(stored, got); d != "" {
			h.Fatalf("the record changed (-stored +taken):\n%s", d)
		}
	}
}

func numbersAscend(h *harness) {
	last := uint64(0)
	for i := range 20 {
		if i%5 == 4 {
			h.reopen()
		}
		records := []buffer.Record{
			h.record("s", fmt.Sprint("a", i), at(1), "1"), h.record("s", "known", at(1), "1"), h.record("s", fmt.Sprint("b", i), at(1), "1"),
		}
		h.append("s", records...)
		for _, r := range []buffer.Record{records[0], records[2]} {
			if r.Number <= last {
				h.Fatalf("number %d after %d", r.Number, last)
			}
			last = r.Number
		}
	}
}

func checkpoints(h *harness) {
	want := func(source string, want []byte) {
		h.Helper()
		if got, err := h.b.Checkpoint(source); err != nil || !bytes.Equal(got, want) || (got == nil) != (want == nil) {
			h.Fatalf("Checkpoint(%s) = %q, %v, want %q", source, got, err, want)
		}
	}
	want("s", nil)
	h.batch(buffer.Batch{Source: "s", Checkpoint: []byte("one")})
	h.batch(buffer.Batch{Source: "other", Checkpoint: []byte("two")})
	h.batch(buffer.Batch{Source: "s"})
	want("s", []byte("one"))
	h.batch(buffer.Batch{Source: "s", Records: []buffer.Record{h.record("s", "k", at(1), "")}, Checkpoint: []byte("three")})
	h.reopen()
	want("s", []byte("three"))
	want("other", []byte("two"))
}

func durable(h *harness) {
	h.queue(buffer.Destination{Name: "d"})
	h.fill("s", "k", 10, 100)
	h.reopen()
	got := h.take(h.queue(buffer.Destination{Name: "d"}), 10)
	h.wantKeys(got, "k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9")
}

func repeatable(h *harness) {
	h.queue(buffer.Destination{Name: "d"})
	records := []buffer.Record{h.record("s", "a", at(1), "1"), h.record("s", "b", at(1), "1")}
	h.wantOutcome(h.append("s", records...), 2, 0, 0)
	h.wantOutcome(h.append("s", records...), 0, 0, 2)
	h.reopen()
	h.wantOutcome(h.append("s", records...), 0, 0, 2)
	q := h.queue(buffer.Destination{Name: "d"})
	h.take(q, 2)
	h.nothing(q)
}

func refused(h *harness) {
	q := h.queue(buffer.Destination{Name: "d"})
	long := h.record("s", string(make([]byte, 513)), at(1), "")
	wrong := h.record("other", "wrong", at(1), "")
	for _, bad := range []buffer.Record{long, wrong} {
		b := buffer.Batch{Source: "s", Checkpoint: []byte("c"), Records: []buffer.Record{h.record("s", "good", at(1), ""), bad}}
		if _, err := h.b.Append(context.Background(), b); err == nil {
			h.Fatal("a batch with a record that cannot be stored was taken")
		}
	}
	if c, _ := h.b.Checkpoint("s"); c != nil {
		h.Fatalf("a refused batch moved the checkpoint to %q", c)
	}
	h.nothing(q)
}

func concurrent(h *harness) {
	q := h.queue(buffer.Destination{Name: "d"})
	const sources, batches = 8, 20
	var all sync.WaitGroup
	errs := make(chan error, sources*batches)
	for s := range sources {
		all.Go(func() {
			name := fmt.Sprint("s", s)
			for i := range batches {
				r := h.record(name, fmt.Sprint(i), at(i), "")
				_, err := h.b.Append(context.Background(), buffer.Batch{Source: name, Records: []buffer.Record{r}})
				errs <- err
			}
		})
	}
	all.Wait()
	for range sources * batches {
		if err := <-errs; err != nil {
			h.Fatal(err)
		}
	}
	next := map[string]int{}
	for _, r := range h.take(q, sources*batches) {
		if r.Key != fmt.Sprint(next[r.Source]) {
			h.Fatalf("source %s: key %s, want %d: its order is not kept", r.Source, r.Key, next[r.Source])
		}
		next[r.Source]++
	}
}

func closed(h *harness) {
	q := h.queue(buffer.Destination{Name: "d"})
	if err := h.b.Close(); err != nil {
		h.Fatal(err)
	}
	ctx := context.Background()
	_, appendErr := h.b.Append(ctx, buffer.Batch{Source: "s", Records: []buffer.Record{h.record("s", "k", at(1), "")}})
	_, checkpointErr := h.b.Checkpoint("s")
	_, queueErr := h.b.Queue(buffer.Destination{Name: "e"})
	_, takeErr := Take(ctx, q, 1, 1)
	releaseErr := q.Release(ctx, []uint64{1})
	for i, err := range []error{appendErr, checkpointErr, queueErr, takeErr, releaseErr} {
		if !errors.Is(err, buffer.ErrClosed) {
			h.Fatalf("call %d on a closed buffer: %v", i, err)
		}
	}
}

func endedContext(h *harness) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r := h.record("s", "k", at(1), "1")
	_, err := h.b.Append(ctx, buffer.Batch{Source: "s", Records: []buffer.Record{r}, Checkpoint: []byte("c")})
	c, checkErr := h.b.Checkpoint("s")
	if checkErr != nil {
		h.Fatal(checkErr)
	}
	o := h.append("s", r)
	switch {
	case err == nil && (c == nil || o.Known != 1):
		h.Fatalf("Append succeeded, but the checkpoint is %q and the record is %+v", c, o)
	case (c != nil) != (o.Known == 1):
		h.Fatalf("half of a batch was stored: checkpoint %q, record %+v", c, o)
	}
}
