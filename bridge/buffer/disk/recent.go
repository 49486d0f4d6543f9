package disk

import (
	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/keys"
)

// recentKeys holds the states of the keys that are in no generation yet. Nearly all of them have seen one content of
// their last change. The map of these has no pointers, so that the garbage collector has nothing to follow in it. Most
// keys that are asked for are new: the filter says so without the map, which no cache of the processor holds.
type recentKeys struct {
	one    map[keyID]oneHash
	more   map[keyID]keys.State // those that have seen others
	filter filter               // becomes the generation's
}

// oneHash is a keys.State without More.
type oneHash struct {
	changed int64
	number  uint64
	last    buffer.Hash
}

func (s oneHash) state() keys.State {
	return keys.State{Changed: s.changed, Number: s.number, Last: s.last}
}

func newRecentKeys() recentKeys {
	return recentKeys{map[keyID]oneHash{}, map[keyID]keys.State{}, newFilter()}
}

func (r *recentKeys) len() int { return len(r.one) + len(r.more) }

func (r *recentKeys) get(id keyID) (keys.State, bool) {
	if !r.filter.mayHave(id) {
		return keys.State{}, false
	}
	if s, ok := r.one[id]; ok {
		return s.state(), true
	}
	s, ok := r.more[id]
	return s, ok
}

func (r *recentKeys) set(id keyID, s keys.State) {
	r.filter.add(id)
	if len(s.More) > 0 {
		r.more[id] = s
		delete(r.one, id)
		return
	}
	r.one[id] = oneHash{s.Changed, s.Number, s.Last}
	if len(r.more) > 0 {
		delete(r.more, id)
	}
}

// all gives all keys with their states, in no order.
func (r *recentKeys) all(yield func(keyID, keys.State) bool) {
	for id, s := range r.one {
		if !yield(id, s.state()) {
			return
		}
	}
	for id, s := range r.more {
		if !yield(id, s) {
			return
		}
	}
}

// clear forgets all keys. Their space is kept for the next ones.
func (r *recentKeys) clear() {
	clear(r.one)
	clear(r.more)
	r.filter = newFilter()
}
