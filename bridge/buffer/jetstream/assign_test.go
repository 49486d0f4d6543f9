package jetstream

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestAssign(t *testing.T) {
	for _, c := range []struct {
		holders, members, want []string
	}{
		{[]string{"", "", "", ""}, []string{"a", "b"}, []string{"a", "b", "a", "b"}},
		{[]string{"a", "a", "a", "a"}, []string{"a", "b"}, []string{"a", "a", "b", "b"}},
		{[]string{"a", "gone", "b", "gone"}, []string{"a", "b"}, []string{"a", "a", "b", "b"}},
		{[]string{"b"}, []string{"a", "b"}, []string{"b"}},
		{[]string{"a", "a", "b"}, []string{"a", "b"}, []string{"a", "a", "b"}},
		{[]string{"a"}, nil, []string{""}},
	} {
		if got := assign(c.holders, c.members); !slices.Equal(got, c.want) {
			t.Errorf("assign(%q, %q) = %q, want %q", c.holders, c.members, got, c.want)
		}
	}
}

// TestAssignEvenly: nobody has two more than another, what is assigned stays so, and no more moves than has to.
func TestAssignEvenly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		members := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}), 1, 5, rapid.ID[string]).Draw(t, "members")
		slices.Sort(members)
		holders := rapid.SliceOfN(rapid.SampledFrom([]string{"", "a", "b", "c", "d", "e"}), 0, 12).Draw(t, "holders")
		next := assign(holders, members)
		least, most := len(next), 0
		for _, m := range members {
			n := 0
			for i := range next {
				if next[i] == m {
					n++
				}
			}
			least, most = min(least, n), max(most, n)
		}
		if len(next) > 0 && most > least+1 {
			t.Fatalf("%q: one has %d, another %d", next, most, least)
		}
		if again := assign(next, members); !slices.Equal(again, next) {
			t.Fatalf("%q moves to %q", next, again)
		}
		for i, h := range holders {
			if next[i] == "" || !slices.Contains(members, next[i]) {
				t.Fatalf("%d is held by %q", i, next[i])
			}
			has := 0
			for _, x := range holders {
				if x == h {
					has++
				}
			}
			if slices.Contains(members, h) && has <= len(holders)/len(members) && next[i] != h {
				t.Fatalf("%q had no more than its share, and %d was taken away", h, i)
			}
		}
	})
}
