package disk

import (
	"slices"
	"sort"
)

// interval is the numbers from first to last, both included.
type interval struct{ first, last uint64 }

// settled is the set of record numbers that a destination needs no more: all up to low, and some intervals above,
// which are sorted and apart.
type settled struct {
	low   uint64
	above []interval
}

// contains tells whether a number is in the set.
func (s *settled) contains(n uint64) bool {
	if n <= s.low {
		return true
	}
	i := sort.Search(len(s.above), func(i int) bool { return s.above[i].last >= n })
	return i < len(s.above) && s.above[i].first <= n
}

// any tells whether there is a number in the set.
func (s *settled) any() bool { return s.low > 0 || len(s.above) > 0 }

// add puts the numbers from first to last into the set.
func (s *settled) add(first, last uint64) {
	first = max(first, s.low+1)
	if first > last {
		return
	}
	// i to j are the intervals that touch or overlap.
	i := sort.Search(len(s.above), func(i int) bool { return s.above[i].last >= first-1 })
	j := i
	for j < len(s.above) && s.above[j].first <= last+1 {
		first, last = min(first, s.above[j].first), max(last, s.above[j].last)
		j++
	}
	if i == 0 && first == s.low+1 {
		s.low = last
		s.above = slices.Delete(s.above, 0, j)
		return
	}
	s.above = slices.Replace(s.above, i, j, interval{first, last})
}

// gaps returns the numbers from first to last that are not in the set.
func (s *settled) gaps(first, last uint64) (gaps []interval) {
	first = max(first, s.low+1)
	i := sort.Search(len(s.above), func(i int) bool { return s.above[i].last >= first })
	for ; first <= last && i < len(s.above) && s.above[i].first <= last; i++ {
		if s.above[i].first > first {
			gaps = append(gaps, interval{first, s.above[i].first - 1})
		}
		first = s.above[i].last + 1
	}
	if first <= last {
		gaps = append(gaps, interval{first, last})
	}
	return gaps
}

// count returns how many of the numbers from first to last are in the set.
func (s *settled) count(first, last uint64) (n uint64) {
	if first <= s.low {
		n += min(last, s.low) - first + 1
	}
	for _, i := range s.above {
		if from, to := max(first, i.first), min(last, i.last); from <= to {
			n += to - from + 1
		}
	}
	return n
}

// clone returns a copy of its own.
func (s *settled) clone() settled { return settled{s.low, slices.Clone(s.above)} }
