package disk

import (
	"context"
	"fmt"
	"testing"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// TestDropForLong: what is remembered of a destination that is down for long, and whose records are dropped, does not
// grow with their number when there are others between that it does not want, and it is known of all that they were
// dropped.
func TestDropForLong(t *testing.T) {
	o := Options{Dir: t.TempDir(), MaxSize: minSize, Simulated: true, keep: -1}
	b := open(t, o)
	destination := buffer.Destination{Name: "down", Sources: []string{"s"}, Overflow: buffer.OverflowDropOldest}
	if _, err := b.Queue(destination); err != nil {
		t.Fatal(err)
	}
	raw := make([]byte, 1000)
	var keys []string
	for range 10 {
		for range 60 {
			key := fmt.Sprint(len(keys))
			keys = append(keys, key)
			for _, source := range []string{"s", "other"} {
				if _, err := b.Append(context.Background(), buffer.Batch{Source: source, Records: []buffer.Record{{Key: key, Raw: raw}}}); err != nil {
					t.Fatal(err)
				}
			}
		}
		p := b.destinations["down"].progress
		if n := len(p.above) + len(p.missed.above); n > 60 {
			t.Fatalf("%d intervals are kept when %d records were dropped", n, p.dropped)
		}
	}
	for _, again := range []bool{false, true} {
		if again {
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			b = open(t, o)
		}
		opened, err := b.Queue(destination)
		if err != nil {
			t.Fatal(err)
		}
		traces, err := b.Trace("s", keys, []string{"down"})
		if err != nil {
			t.Fatal(err)
		}
		var dropped uint64
		for _, trace := range traces {
			if trace.At[0] == buffer.StandingDropped {
				dropped++
			}
		}
		p := opened.Pending()
		if dropped != p.Dropped || dropped < 500 || dropped+uint64(p.Records) != uint64(len(keys)) {
			t.Errorf("%d of %d are known to be dropped: %+v", dropped, len(keys), p)
		}
	}
	q := openQueue(t, b, "down")
	if pending, got := q.Pending().Records, len(takeAll(t, q)); int(pending) != got {
		t.Errorf("%d pending, %d come", pending, got)
	}
	if r := b.Report(); !r.OK() {
		t.Errorf("%+v", r)
	}
}

// TestMissedIsBounded: of records that were dropped in turn with others that were delivered, the newest are remembered,
// and all that are still in the log.
func TestMissedIsBounded(t *testing.T) {
	for first, want := range map[uint64]int{1: 3 * maxMissed, 2*maxMissed + 1: 2 * maxMissed, 5*maxMissed + 1: maxMissed, 6 * maxMissed: maxMissed} {
		p := &progress{tallies: map[uint64][]tally{}}
		for n := range uint64(3 * maxMissed) {
			p.settle(settlement{number: 2*n + 1, segment: 1})
			p.settle(settlement{number: 2*n + 2, segment: 1, dropped: true})
		}
		p.prune([]*segment{{id: 1, first: first, last: 6 * maxMissed}})
		if n := p.missed.count(1, 6*maxMissed); int(n) != want || !p.missed.contains(6*maxMissed) {
			t.Errorf("the log begins with %d: %d are remembered, not %d", first, n, want)
		}
	}
}
