package jetstream

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestCursor holds a cursor against sets of numbers.
func TestCursor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lane := rapid.SliceOfNDistinct(rapid.Uint64Range(1, 60), 0, 30, rapid.ID[uint64]).Draw(t, "lane")
		slices.Sort(lane)
		walk := func(from, below uint64, f func(uint64)) {
			for _, n := range lane {
				if from <= n && n < below {
					f(n)
				}
			}
		}
		c, released, dropped := cursor{High: 1}, map[uint64]bool{}, map[uint64]bool{}
		for range rapid.IntRange(0, 6).Draw(t, "steps") {
			var some []uint64
			for _, n := range lane {
				if rapid.Bool().Draw(t, "in") {
					some = append(some, n)
				}
			}
			before := c
			var fresh []uint64
			if into := released; rapid.Bool().Draw(t, "drop") {
				into = dropped
				c, fresh = c.drop(some, walk)
				for _, n := range fresh {
					into[n] = true
				}
			} else {
				c, fresh = c.settle(some, walk)
				for _, n := range fresh {
					into[n] = true
				}
			}
			for _, n := range some {
				if slices.Contains(fresh, n) == before.settled(n) {
					t.Fatalf("%d was settled: %v, and is fresh: %v", n, before.settled(n), !before.settled(n))
				}
			}
			low := uint64(0)
			for _, n := range lane {
				if c.settled(n) != (released[n] || dropped[n]) || c.lost(n) != dropped[n] {
					t.Fatalf("%d: settled %v, lost %v; released %v, dropped %v: %+v", n, c.settled(n), c.lost(n), released[n], dropped[n], c)
				}
				if low == 0 && !c.settled(n) {
					low = n
				}
			}
			if low > 0 && c.low() > low {
				t.Fatalf("low is %d, but %d is needed", c.low(), low)
			}
			if int(c.Dropped) != len(dropped) {
				t.Fatalf("%d dropped, %d counted", len(dropped), c.Dropped)
			}
		}
	})
}
