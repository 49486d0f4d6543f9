package formats

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// keySet is a set of keys by their index in a table.
type keySet [4]uint64

func (s *keySet) add(i int)      { s[i/64] |= 1 << (i % 64) }
func (s *keySet) remove(i int)   { s[i/64] &^= 1 << (i % 64) }
func (s *keySet) has(i int) bool { return s[i/64]&(1<<(i%64)) != 0 }

// lossNames turns sets of keys into lists of names. Few sets occur in practice, so each list is made once and handed
// out again: saying what was lost costs no allocation per event.
type lossNames struct {
	keys  []string
	known atomic.Pointer[map[keySet][]string]
	grow  sync.Mutex
}

// maxKnownSets bounds the memory of lossNames; sets beyond it are made anew each time.
const maxKnownSets = 1024

func (n *lossNames) init(attrs []attribute) {
	for i := range attrs {
		n.keys = append(n.keys, attrs[i].key)
	}
	n.known.Store(&map[keySet][]string{})
}

func (n *lossNames) of(set keySet) []string {
	if set == (keySet{}) {
		return nil
	}
	if list, ok := (*n.known.Load())[set]; ok {
		return list
	}
	var list []string
	for word, mask := range set {
		for ; mask != 0; mask &= mask - 1 {
			list = append(list, n.keys[64*word+bits.TrailingZeros64(mask)])
		}
	}
	n.remember(set, list)
	return list
}

func (n *lossNames) remember(set keySet, list []string) {
	n.grow.Lock()
	defer n.grow.Unlock()
	old := *n.known.Load()
	if len(old) >= maxKnownSets {
		return
	}
	grown := make(map[keySet][]string, len(old)+1)
	for k, v := range old {
		grown[k] = v
	}
	grown[set] = list
	n.known.Store(&grown)
}
