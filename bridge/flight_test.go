package bridge

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestFlight: whatever is taken and released in whatever order, flight knows what is not released, and what is in order.
func TestFlight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var f flight
		open, all := map[uint64]bool{}, map[uint64]bool{}
		passed := uint64(0) // all up to it were forgotten
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			n := rapid.Uint64Range(1, 20).Draw(t, "number")
			if rapid.Bool().Draw(t, "take") {
				if n > passed && !all[n] {
					f.add(n)
					open[n], all[n] = true, true
				}
				continue
			}
			count, last := f.release(n)
			delete(open, n)
			var forgotten []uint64
			for _, n := range slices.Sorted(maps.Keys(all)) {
				if open[n] {
					break
				}
				forgotten = append(forgotten, n)
				delete(all, n)
			}
			if count != len(forgotten) || count > 0 && last != forgotten[count-1] {
				t.Fatalf("release(%d) forgets %d up to %d, not %v", n, count, last, forgotten)
			}
			passed = max(passed, last)
		}
		first, ok := f.first()
		if f.open != len(open) || ok != (len(open) > 0) || ok && first != slices.Min(slices.Collect(maps.Keys(open))) {
			t.Fatalf("%d open from %d on, want %v", f.open, first, open)
		}
	})
}
