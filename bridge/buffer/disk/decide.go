package disk

import (
	"encoding/binary"
	"slices"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// maxHashes bounds the contents remembered of one changed time. When there are more, the oldest is forgotten; seen
// again it would be an event again: a repeat, no loss.
const maxHashes = 8

// keyState is what is remembered of a key.
type keyState struct {
	changed int64         // stamp of the latest change
	number  uint64        // of the record last stored; 0 when none was
	last    buffer.Hash   // content last seen
	more    []buffer.Hash // other contents seen with the same changed time; never modified in place
}

// verdict says what a record is.
type verdict uint8

const (
	verdictKnown      verdict = iota // nothing new
	verdictRemembered                // no event, but the key's state changed
	verdictNew
	verdictUpdate
)

// decide is the rule of buffer.Appender: whether a record is an event, and what is remembered of its key afterwards.
// The number of the new state is the old one's.
func decide(old keyState, seen bool, changed int64, hash buffer.Hash) (verdict, keyState) {
	fresh := keyState{changed: changed, number: old.number, last: hash}
	switch {
	case !seen:
		return verdictNew, fresh
	case changed < old.changed:
		return verdictKnown, old
	case changed > old.changed && hash == old.last:
		return verdictRemembered, fresh
	case changed > old.changed:
		return verdictUpdate, fresh
	case hash == old.last || slices.Contains(old.more, hash):
		return verdictKnown, old
	}
	fresh.more = append(slices.Clone(old.more[max(0, len(old.more)-maxHashes+2):]), old.last)
	// Microsoft's record is the same as far as anyone can tell; it is the list of hashed fields that changed.
	if !slices.ContainsFunc(fresh.more, func(h buffer.Hash) bool { return h[0] == hash[0] }) {
		return verdictRemembered, fresh
	}
	return verdictUpdate, fresh
}

// appendState appends a state as stored: changed, number, last, then the other hashes up to the end of the value.
func appendState(b []byte, s keyState) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(s.changed))
	b = binary.LittleEndian.AppendUint64(b, s.number)
	b = append(b, s.last[:]...)
	for _, h := range s.more {
		b = append(b, h[:]...)
	}
	return b
}

// parseState is the inverse of appendState.
func parseState(b []byte) (s keyState, ok bool) {
	if len(b) < 32 || len(b)%16 != 0 || len(b) > 32+16*maxHashes {
		return s, false
	}
	s.changed = int64(binary.LittleEndian.Uint64(b))
	s.number = binary.LittleEndian.Uint64(b[8:])
	copy(s.last[:], b[16:])
	for b = b[32:]; len(b) > 0; b = b[16:] {
		s.more = append(s.more, buffer.Hash(b[:16]))
	}
	return s, true
}
