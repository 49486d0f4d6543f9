package disk

import (
	"slices"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/keys"
)

// recentKeys holds the states of the keys that are in no generation yet. Nearly all of them have seen one content of
// their last change. The map of these has no pointers, so that the garbage collector has nothing to follow in it.
type recentKeys struct {
	one  map[keyID]oneHash
	more map[keyID]keys.State // those that have seen others
}

// oneHash is a keys.State without More.
type oneHash struct {
	changed int64
	number  uint64
	last    buffer.Hash
}

func newRecentKeys() recentKeys {
	return recentKeys{map[keyID]oneHash{}, map[keyID]keys.State{}}
}

func (r *recentKeys) len() int { return len(r.one) + len(r.more) }

func (r *recentKeys) get(id keyID) (keys.State, bool) {
	if s, ok := r.one[id]; ok {
		return keys.State{Changed: s.changed, Number: s.number, Last: s.last}, true
	}
	s, ok := r.more[id]
	return s, ok
}

func (r *recentKeys) set(id keyID, s keys.State) {
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

// ids returns the ids of all keys, ascending.
func (r *recentKeys) ids() []keyID {
	ids := make([]keyID, 0, r.len())
	for id := range r.one {
		ids = append(ids, id)
	}
	for id := range r.more {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, keyID.compare)
	return ids
}

// clear forgets all keys. Their space is kept for the next ones.
func (r *recentKeys) clear() {
	clear(r.one)
	clear(r.more)
}
