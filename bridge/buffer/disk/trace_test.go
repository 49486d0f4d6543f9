package disk

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// TestGaps holds gaps, count and clone of a set to its members one by one.
func TestGaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := settled{low: rapid.Uint64Range(0, 5).Draw(t, "low")}
		for range rapid.IntRange(0, 12).Draw(t, "adds") {
			first := rapid.Uint64Range(1, 40).Draw(t, "first")
			s.add(first, first+rapid.Uint64Range(0, 4).Draw(t, "more"))
		}
		first := rapid.Uint64Range(0, 50).Draw(t, "from")
		last := rapid.Uint64Range(0, 50).Draw(t, "to")
		var want, got []uint64
		members := uint64(0)
		for n := max(first, 1); n <= last; n++ {
			if s.contains(n) {
				members++
			} else {
				want = append(want, n)
			}
		}
		before := s.clone()
		gaps := s.gaps(first, last)
		for i, g := range gaps {
			if g.first > g.last || i > 0 && g.first <= gaps[i-1].last+1 {
				t.Fatalf("%+v: the gaps %v are not sorted and apart", s, gaps)
			}
			for n := g.first; n <= g.last; n++ {
				got = append(got, n)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%+v from %d to %d: gaps %v, want %v", s, first, last, got, want)
		}
		if n := s.count(max(first, 1), last); first <= last && n != members {
			t.Fatalf("%+v from %d to %d: %d members, want %d", s, first, last, n, members)
		}
		s.add(100, 200)
		if before.contains(150) {
			t.Fatal("a copy shares what is added later")
		}
	})
}

// TestTrace: what became of a key's last record, at destinations that want it, do not, came later or do not exist.
func TestTrace(t *testing.T) {
	o := Options{Dir: t.TempDir()}
	b := open(t, o)
	ctx := context.Background()
	queue := func(name string, sources ...string) *Queue {
		q, err := b.Queue(buffer.Destination{Name: name, Sources: sources})
		if err != nil {
			t.Fatal(err)
		}
		return q.(*Queue)
	}
	d := queue("d")
	queue("other", "another source")
	appendNumbered(t, b, 0, 4)
	queue("later")
	records := takeAll(t, d)
	if err := d.Release(ctx, []uint64{records[0].Number, records[2].Number}); err != nil {
		t.Fatal(err)
	}
	keys, destinations := []string{"k0", "k1", "k2", "k3", "never"}, []string{"d", "other", "later", "none"}
	check := func(want ...string) {
		t.Helper()
		traces, err := b.Trace("s", keys, destinations)
		if err != nil {
			t.Fatal(err)
		}
		for i, trace := range traces {
			got := "unknown"
			if trace.Known {
				got = fmt.Sprint(trace.At)
			} else if trace.At != nil {
				t.Errorf("%s is not known, and yet %v", keys[i], trace.At)
			}
			if got != want[i] {
				t.Errorf("%s: %s, want %s", keys[i], got, want[i])
			}
		}
	}
	standings := func(at buffer.Standing) string {
		return fmt.Sprint([]buffer.Standing{at, buffer.StandingUnrouted, buffer.StandingUnrouted, buffer.StandingUnrouted})
	}
	released, pending := standings(buffer.StandingReleased), standings(buffer.StandingPending)
	check(released, pending, released, pending, "unknown")
	if traces, err := b.Trace("another source", keys, destinations); err != nil || traces[0].Known {
		t.Errorf("a key of another source: %+v, %v", traces, err)
	}
	// A change makes a new record of the key, which is pending again.
	update := buffer.Record{API: "alerts", Key: "k0", Changed: records[0].Changed.Add(1), Hash: buffer.Hash{1, 9}, Raw: []byte("{}")}
	if out, err := b.Append(ctx, buffer.Batch{Source: "s", Records: []buffer.Record{update}}); err != nil || out.Updated != 1 {
		t.Fatal(out, err)
	}
	updated := fmt.Sprint([]buffer.Standing{buffer.StandingPending, buffer.StandingUnrouted, buffer.StandingPending, buffer.StandingUnrouted})
	check(updated, pending, released, pending, "unknown")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if b = open(t, o); b.CloseQueue("d") != nil {
		t.Fatal("a queue that is not open is no error")
	}
	check(updated, pending, released, pending, "unknown")
}
