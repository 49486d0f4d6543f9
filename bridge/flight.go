package bridge

import (
	"cmp"
	"slices"
)

// flight is what was taken and not released in order yet, ascending by number. The zero value is empty.
type flight struct {
	all  []inFlight
	open int // of these, not released
}

type inFlight struct {
	number   uint64
	released bool
}

// find returns the place of a number, or where it belongs.
func (f *flight) find(number uint64) (i int, found bool) {
	return slices.BinarySearchFunc(f.all, number, func(x inFlight, n uint64) int { return cmp.Compare(x.number, n) })
}

// add notes that a record was taken. Nearly always it is newer than all others.
func (f *flight) add(number uint64) {
	i := len(f.all)
	if i > 0 && f.all[i-1].number >= number {
		var there bool
		if i, there = f.find(number); there {
			return
		}
	}
	f.all = slices.Insert(f.all, i, inFlight{number: number})
	f.open++
}

// release notes that a record was released, and forgets those at the beginning that were: how many these are, and the
// number of the last.
func (f *flight) release(number uint64) (n int, last uint64) {
	i, there := f.find(number)
	if !there || f.all[i].released {
		return 0, 0
	}
	f.all[i].released = true
	f.open--
	for n < len(f.all) && f.all[n].released {
		last = f.all[n].number
		n++
	}
	f.all = f.all[n:]
	return n, last
}

// first returns the lowest number that is not released.
func (f *flight) first() (number uint64, ok bool) {
	if len(f.all) == 0 {
		return 0, false
	}
	return f.all[0].number, true
}
