package jetstream

import (
	"slices"
	"sort"
)

// index is the log as every instance knows it: its blocks, ascending.
type index struct {
	blocks []*meta
	bytes  int64
	last   uint64 // the newest block ever seen
}

// add takes in a block that is newer than all others.
func (x *index) add(m *meta) {
	x.blocks = append(x.blocks, m)
	x.bytes += m.bytes
	x.last = m.seq
}

// search returns the position of the first block from one on.
func (x *index) search(seq uint64) int {
	return sort.Search(len(x.blocks), func(i int) bool { return x.blocks[i].seq >= seq })
}

// block returns the block of a number; nil when it is not there.
func (x *index) block(n uint64) *meta {
	seq := n >> indexBits
	if i := x.search(seq); i < len(x.blocks) && x.blocks[i].seq == seq {
		return x.blocks[i]
	}
	return nil
}

// walk calls f with the numbers of a lane from one on and below another, of sources that are wanted, until f returns
// false.
func (x *index) walk(lane byte, wants func(source string) bool, from, below uint64, f func(m *meta, n uint64) bool) {
	for _, m := range x.blocks[x.search(from>>indexBits):] {
		if number(m.seq, 0) >= below {
			return
		}
		if !wants(m.source) {
			continue
		}
		for i, l := range m.lanes {
			if n := number(m.seq, i); l == lane && from <= n && n < below && !f(m, n) {
				return
			}
		}
	}
}

// remove takes out the blocks for which gone is true.
func (x *index) remove(gone func(m *meta) bool) {
	x.blocks = slices.DeleteFunc(x.blocks, func(m *meta) bool {
		if gone(m) {
			x.bytes -= m.bytes
			return true
		}
		return false
	})
}
