package buffertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
)

func queueRules() []rule {
	return []rule{
		{"new destination", "a new destination starts behind everything appended so far", newDestination},
		{"limits of take", "Take gives at most max records and maxBytes of Raw, unless the first alone is larger", limits},
		{"take wakes up", "a waiting Take returns when a record is appended, and when its context ends", wakes},
		{"released is not given again", "a record that was released is not given after reopening, one that was only taken is", releasedOnce},
		{"release in any order", "records may be released in any order, also twice", anyOrder},
		{"destinations are apart", "each destination takes and releases in its own time", apart},
		{"sources of a destination", "records of sources that a destination does not want are passed over and not pending", wantedSources},
		{"released last", "Released gives the newest released records, oldest first, and no others", releasedLast},
		{"pending", "Pending counts what is not released, taken or not, and knows when the oldest was pulled", pending},
		{"queue goes on", "a destination that was opened before goes on where it was for 7 days after it was closed", goesOn},
		{"queue is forgotten", "a destination that was closed for longer than 7 days starts anew", forgotten},
		{"queue opened twice", "a queue opened again gives what was taken and not released; the old one ends", openedTwice},
		{"records are the caller's", "what Take gave stays valid until the next Take into the same, its keys for good", callersOwn},
		{"read again", "a record is read by its number as Take gave it, until it is gone", readAgain},
	}
}

func newDestination(h *harness) {
	h.fill("s", "early", 5, 100)
	q := h.queue(buffer.Destination{Name: "d"})
	h.wantPending(q, 0)
	h.fill("s", "late", 2, 100)
	h.wantKeys(h.take(q, 2), "late0", "late1")
}

func limits(h *harness) {
	q := h.queue(buffer.Destination{Name: "d"})
	h.fill("s", "k", 10, 1000)
	ctx := context.Background()
	for _, c := range []struct{ max, maxBytes, least, most int }{{3, 1 << 20, 1, 3}, {10, 2500, 1, 2}, {10, 10, 1, 1}, {10, 0, 1, 1}, {100, 1 << 20, 1, 3}} {
		got, err := Take(ctx, q, c.max, c.maxBytes)
		if err != nil || len(got) < c.least || len(got) > c.most {
			h.Fatalf("Take(%d, %d) gave %d records, %v", c.max, c.maxBytes, len(got), err)
		}
	}
}

func wakes(h *harness) {
	q := h.queue(buffer.Destination{Name: "d"})
	got := make(chan []buffer.Record)
	go func() {
		records, _ := Take(context.Background(), q, 10, 1<<20)
		got <- records
	}()
	h.fill("s", "k", 1, 10)
	h.wantKeys(<-got, "k0")
	h.nothing(q)
}

func releasedOnce(h *harness) {
	q := h.queue(buffer.Destination{Name: "d"})
	h.fill("s", "k", 5, 100)
	got := h.take(q, 4)
	h.release(q, got[0], got[2])
	h.wantPending(q, 3)
	h.reopen()
	q = h.queue(buffer.Destination{Name: "d"})
	h.wantPending(q, 3)
	h.wantKeys(h.take(q, 3), "k1", "k3", "k4")
	h.nothing(q)
}

func anyOrder(h *harness) {
	q := h.queue(buffer.Destination{Name: "d"})
	h.fill("s", "k", 9, 100)
	got := h.take(q, 9)
	for i, n := range []int{8, 0, 4, 4, 2, 3, 7, 1, 6} {
		h.release(q, got[n])
		if i == 4 {
			h.reopen()
			q = h.queue(buffer.Destination{Name: "d"})
			h.wantKeys(h.take(q, 5), "k1", "k3", "k5", "k6", "k7")
		}
	}
	h.release(q, got...)
	h.wantPending(q, 0)
	h.reopen()
	q = h.queue(buffer.Destination{Name: "d"})
	h.wantPending(q, 0)
	h.nothing(q)
}

func apart(h *harness) {
	a, b := h.queue(buffer.Destination{Name: "a"}), h.queue(buffer.Destination{Name: "b"})
	h.fill("s", "k", 3, 100)
	got := h.take(a, 3)
	h.release(a, got...)
	h.wantPending(a, 0)
	h.wantPending(b, 3)
	h.wantKeys(h.take(b, 1), "k0")
	h.reopen()
	h.wantKeys(h.take(h.queue(buffer.Destination{Name: "b"}), 3), "k0", "k1", "k2")
}

func wantedSources(h *harness) {
	d := buffer.Destination{Name: "d", Sources: []string{"x", "y"}}
	q := h.queue(d)
	h.fill("x", "x", 1, 100)
	h.fill("z", "z", 5, 100)
	h.wantPending(q, 1)
	h.fill("y", "y", 1, 100)
	h.wantPending(q, 2)
	got := h.take(q, 2)
	h.wantKeys(got, "x0", "y0")
	h.release(q, got...)
	h.fill("z", "zz", 5, 100)
	h.wantPending(q, 0)
	h.nothing(q)
	h.reopen()
	q = h.queue(d)
	h.wantPending(q, 0)
	h.fill("y", "yy", 1, 100)
	h.wantKeys(h.take(q, 1), "yy0")
}

func releasedLast(h *harness) {
	d := buffer.Destination{Name: "d", Sources: []string{"s"}}
	h.fill("s", "early", 3, 100)
	q := h.queue(d)
	want := func(maxBytes int, keys ...string) {
		h.Helper()
		got, err := q.Released(maxBytes)
		if err != nil {
			h.Fatalf("Released: %v", err)
		}
		h.wantKeys(got, keys...)
		for _, r := range got {
			if len(r.Raw) != 100 || r.Source != "s" || r.Number == 0 {
				h.Fatalf("%+v is not the record that was appended", r)
			}
		}
	}
	want(1 << 20)
	h.fill("s", "k", 3, 100)
	h.fill("z", "z", 3, 100)
	h.fill("s", "l", 2, 100)
	got := h.take(q, 5)
	want(1 << 20)
	h.release(q, got[4], got[0], got[2])
	for range 2 {
		want(1<<20, "k0", "k2", "l1")
		want(200, "k2", "l1")
		want(199, "l1")
		want(1, "l1")
		h.advance(30 * 24 * time.Hour) // longer than delivered records stay
		h.letTimePass()
		h.reopen()
		q = h.queue(d)
	}
}

func pending(h *harness) {
	q := h.queue(buffer.Destination{Name: "d"})
	h.wantPending(q, 0)
	first := h.now()
	h.fill("s", "a", 2, 100)
	h.advance(time.Minute)
	h.fill("s", "b", 2, 100)
	want := func(records int64, oldest time.Time) {
		h.Helper()
		if p := q.Pending(); p.Records != records || !p.Oldest.Equal(oldest) {
			h.Fatalf("pending %+v, want %d since %v", p, records, oldest)
		}
	}
	want(4, first)
	got := h.take(q, 3)
	want(4, first)
	h.release(q, got[1:]...)
	want(2, first)
	h.release(q, got[0])
	want(1, h.now())
	h.reopen()
	q = h.queue(buffer.Destination{Name: "d"})
	want(1, h.now())
	h.release(q, h.take(q, 1)...)
	want(0, time.Time{})
}

func goesOn(h *harness) {
	h.queue(buffer.Destination{Name: "d"})
	h.fill("s", "k", 3, 100)
	h.reopen()
	h.fill("s", "l", 1, 100)
	h.advance(6 * 24 * time.Hour)
	h.reopen()
	h.wantKeys(h.take(h.queue(buffer.Destination{Name: "d"}), 4), "k0", "k1", "k2", "l0")
}

func forgotten(h *harness) {
	h.queue(buffer.Destination{Name: "d"})
	h.fill("s", "k", 3, 100)
	h.reopen()
	h.advance(8 * 24 * time.Hour)
	h.reopen()
	q := h.queue(buffer.Destination{Name: "d"})
	h.wantPending(q, 0)
	h.nothing(q)
}

func openedTwice(h *harness) {
	old := h.queue(buffer.Destination{Name: "d"})
	h.fill("s", "k", 3, 100)
	got := h.take(old, 2)
	h.release(old, got[0])
	q := h.queue(buffer.Destination{Name: "d"})
	if _, err := Take(context.Background(), old, 1, 1); !errors.Is(err, buffer.ErrClosed) {
		h.Fatalf("Take of the old queue: %v", err)
	}
	if err := old.Release(context.Background(), numbers(got[1:])); !errors.Is(err, buffer.ErrClosed) {
		h.Fatalf("Release of the old queue: %v", err)
	}
	h.wantKeys(h.take(q, 2), "k1", "k2")
}

func callersOwn(h *harness) {
	q := h.queue(buffer.Destination{Name: "d"})
	h.fill("s", "k", 1, 1000)
	first := h.take(q, 1)[0]
	want := slices.Clone(first.Raw)
	h.fill("s", "other", 100, 1000)
	for _, r := range h.take(q, 100) {
		clear(r.Raw)
	}
	if !slices.Equal(first.Raw, want) || first.Key != "k0" {
		h.Fatal("a record changed after it was taken")
	}
	again := h.queue(buffer.Destination{Name: "d"})
	if r := h.take(again, 2)[1]; r.Raw[0] != 'x' {
		h.Fatal("writing into a record that was taken changed the buffer")
	}
	var taken buffer.Taken
	var got []string
	for range 20 {
		if err := again.Take(context.Background(), &taken, 3, 1<<20); err != nil {
			h.Fatal(err)
		}
		for _, r := range taken.Records {
			if len(r.Raw) != 1000 || len(bytes.Trim(r.Raw, "x")) > 0 {
				h.Fatalf("%s came as %q", r.Key, r.Raw)
			}
			got = append(got, r.Key)
		}
	}
	for i, key := range got {
		if want := fmt.Sprintf("other%d", i+1); key != want {
			h.Fatalf("key %d is %q, want %q", i, key, want)
		}
	}
}

func readAgain(h *harness) {
	q := h.queue(buffer.Destination{Name: "d"})
	h.fill("s", "k", 50, 100)
	changed := h.record("s", "k7", at(99), "y")
	h.append("s", changed)
	taken := h.take(q, 51)
	h.release(q, taken[3])
	for _, want := range taken {
		got, err := q.Read(context.Background(), want.Number)
		if want.Number == taken[3].Number && errors.Is(err, buffer.ErrGone) {
			continue // it may be gone
		}
		if got.Old = want.Old; err != nil || !reflect.DeepEqual(got, want) {
			h.Fatalf("Read(%d): %+v, %v, want %+v", want.Number, got, err, want)
		}
	}
	for _, none := range []uint64{0, taken[50].Number + 1000} {
		if got, err := q.Read(context.Background(), none); !errors.Is(err, buffer.ErrGone) {
			h.Fatalf("Read(%d): %+v, %v", none, got, err)
		}
	}
	again := h.queue(buffer.Destination{Name: "d"})
	if _, err := q.Read(context.Background(), taken[0].Number); !errors.Is(err, buffer.ErrClosed) {
		h.Fatalf("Read of a queue that has ended: %v", err)
	}
	if got, err := again.Read(context.Background(), taken[0].Number); err != nil || got.Key != "k0" {
		h.Fatalf("a record that was not taken yet: %+v, %v", got, err)
	}
}
