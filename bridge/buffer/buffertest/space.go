package buffertest

import (
	"context"
	"errors"
	"fmt"

	"github.com/siembridge/siembridge/bridge/buffer"
)

func spaceRules() []rule {
	return []rule{
		{"block", "a full buffer lets Append wait until something is released", blocks},
		{"block ends with the context", "a waiting Append ends with its context, and nothing is stored", blockEnds},
		{"known records need no room", "a batch without events is stored although the buffer is full", knownFits},
		{"drop-oldest", "a full buffer drops the oldest of what only drop-oldest destinations need, and counts it", drops},
		{"drop-oldest spares others", "what a destination with block still needs is not dropped", spares},
		{"retained goes first", "delivered records give way to new ones", retainedGoes},
		{"released last stays", "the last KeepReleased bytes that a destination released stay in a buffer that is full again and again", lastStays},
		{"batch larger than the limit", "a batch that is larger than the limit is stored once nothing is pending", oversize},
		{"room for the bridge", "the bridge's own records have room in a full buffer", bridgeRecords},
	}
}

// stuff fills the buffer until an Append would wait, and returns how many records went in.
func (h *harness) stuff() (n int) {
	h.Helper()
	for u := h.b.Usage(); u.Pending+50_000 <= u.Limit; u = h.b.Usage() {
		h.fill("s", fmt.Sprintf("stuff%d-", n), 1, 30_000)
		n++
	}
	return n
}

// appendLater appends in a goroutine.
func (h *harness) appendLater(ctx context.Context, key string, size int) chan error {
	r := h.record("s", key, at(1), key)
	r.Raw = make([]byte, size)
	done := make(chan error, 1)
	go func() {
		_, err := h.b.Append(ctx, buffer.Batch{Source: "s", Records: []buffer.Record{r}, Checkpoint: []byte(key)})
		done <- err
	}()
	return done
}

// untilBlocked waits until an Append waits for room.
func (h *harness) untilBlocked() {
	for !h.b.Usage().Blocked {
		h.letTimePass()
	}
}

func blocks(h *harness) {
	q := h.queue(buffer.Destination{Name: "d"})
	h.stuff()
	done := h.appendLater(context.Background(), "late", 100_000)
	h.untilBlocked()
	select {
	case err := <-done:
		h.Fatalf("Append into a full buffer returned %v", err)
	default:
	}
	for _, r := range h.take(q, 5) {
		h.release(q, r)
	}
	if err := <-done; err != nil {
		h.Fatal(err)
	}
	if h.b.Usage().Blocked {
		h.Fatal("Usage says that an Append waits")
	}
	if p := q.Pending(); p.Dropped != 0 {
		h.Fatalf("%d records were dropped", p.Dropped)
	}
}

func blockEnds(h *harness) {
	h.queue(buffer.Destination{Name: "d"})
	h.stuff()
	ctx, cancel := context.WithCancel(context.Background())
	done := h.appendLater(ctx, "late", 100_000)
	h.untilBlocked()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		h.Fatal(err)
	}
	if h.b.Usage().Blocked {
		h.Fatal("Usage says that an Append waits")
	}
	if c, _ := h.b.Checkpoint("s"); c != nil {
		h.Fatalf("the checkpoint moved to %q", c)
	}
}

func knownFits(h *harness) {
	h.queue(buffer.Destination{Name: "d"})
	h.stuff()
	done := h.appendLater(context.Background(), "late", 100_000)
	h.untilBlocked()
	o := h.batch(buffer.Batch{Source: "t", Checkpoint: []byte("c")})
	h.wantOutcome(o, 0, 0, 0)
	h.wantOutcome(h.append("s", h.record("s", "stuff0-0", at(0), "x")), 0, 0, 1)
	h.b.Close()
	if err := <-done; !errors.Is(err, buffer.ErrClosed) {
		h.Fatalf("an Append that waits while the buffer is closed: %v", err)
	}
}

func drops(h *harness) {
	q := h.queue(buffer.Destination{Name: "d", Overflow: buffer.OverflowDropOldest})
	n := h.stuff()
	taken := h.take(q, 1)
	h.fill("s", "late", 3, 100_000)
	p := q.Pending()
	if p.Dropped == 0 || p.Records+int64(p.Dropped) != int64(n+3) {
		h.Fatalf("%d records appended, pending %+v", n+3, p)
	}
	h.release(q, taken...)
	got := h.take(q, int(p.Records))
	h.wantKeys(got[len(got)-3:], "late0", "late1", "late2")
	h.wantKeys(got[:1], fmt.Sprintf("stuff%d-0", p.Dropped))
	h.nothing(q)
	h.reopen()
	q = h.queue(buffer.Destination{Name: "d", Overflow: buffer.OverflowDropOldest})
	if again := q.Pending(); again.Dropped != p.Dropped || again.Records != p.Records {
		h.Fatalf("after reopening pending %+v, before %+v", again, p)
	}
}

func spares(h *harness) {
	lax := h.queue(buffer.Destination{Name: "lax", Overflow: buffer.OverflowDropOldest})
	strict := h.queue(buffer.Destination{Name: "strict", Sources: []string{"s"}})
	h.fill("other", "o", 5, 30_000)
	n := h.stuff()
	// What only lax needs is dropped, and no more.
	h.fill("other", "late", 1, 100_000)
	if p := lax.Pending(); p.Dropped == 0 || p.Dropped > 5 {
		h.Fatalf("lax: %+v", p)
	}
	done := h.appendLater(context.Background(), "later", 500_000)
	h.untilBlocked()
	if p := strict.Pending(); p.Dropped != 0 || p.Records != int64(n) {
		h.Fatalf("strict: %+v, %d appended", p, n)
	}
	got := h.take(strict, n)
	h.release(strict, got...)
	if err := <-done; err != nil {
		h.Fatal(err)
	}
	if p := strict.Pending(); p.Dropped != 0 || p.Records != 1 {
		h.Fatalf("strict: %+v", p)
	}
}

func retainedGoes(h *harness) {
	q := h.queue(buffer.Destination{Name: "d"})
	for i := range 40 {
		h.fill("s", fmt.Sprintf("k%d-", i), 10, 50_000)
		h.release(q, h.take(q, 10)...)
	}
	u := h.b.Usage()
	if u.Pending != 0 {
		h.Fatalf("usage %+v, all is delivered", u)
	}
	if u.Bytes > 2*u.Limit+buffer.KeepReleased {
		h.Fatalf("usage %+v: retained records do not give way", u)
	}
}

func lastStays(h *harness) {
	still, busy := h.queue(buffer.Destination{Name: "still", Sources: []string{"s"}}), h.queue(buffer.Destination{Name: "busy", Sources: []string{"t"}})
	h.fill("s", "s", 5, 20_000)
	h.release(still, h.take(still, 5)...)
	const rounds, each, size = 40, 10, 50_000
	for i := range rounds {
		h.fill("t", fmt.Sprintf("k%d-", i), each, size)
		h.release(busy, h.take(busy, each)...)
	}
	for q, want := range map[buffer.Queue]int{still: 5, busy: buffer.KeepReleased / size} {
		if got, err := q.Released(buffer.KeepReleased); err != nil || len(got) != want {
			h.Fatalf("Released gave %d records, want %d: %v", len(got), want, err)
		}
	}
	if u := h.b.Usage(); u.Bytes > 2*u.Limit+2*buffer.KeepReleased {
		h.Fatalf("usage %+v: retained records do not give way", u)
	}
}

func oversize(h *harness) {
	q := h.queue(buffer.Destination{Name: "d"})
	h.fill("s", "k", 1, 3<<20)
	done := h.appendLater(context.Background(), "late", 2<<20)
	h.untilBlocked()
	h.release(q, h.take(q, 1)...)
	if err := <-done; err != nil {
		h.Fatal(err)
	}
	if got := h.take(q, 1); len(got[0].Raw) != 2<<20 {
		h.Fatalf("%d bytes", len(got[0].Raw))
	}
}

func bridgeRecords(h *harness) {
	q := h.queue(buffer.Destination{Name: "d"})
	h.stuff()
	done := h.appendLater(context.Background(), "late", 100_000)
	h.untilBlocked()
	r := h.record("siembridge", "buffer full", at(1), "")
	r.API = buffer.APIBridge
	h.append("siembridge", r)
	for range 5 {
		h.release(q, h.take(q, 1)...)
	}
	if err := <-done; err != nil {
		h.Fatal(err)
	}
}
