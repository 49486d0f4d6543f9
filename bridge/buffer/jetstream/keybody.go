package jetstream

import (
	"encoding/binary"

	"github.com/siembridge/siembridge/bridge/buffer/keys"
)

// What is remembered of a key is stored as a keys.State. The number of a record that goes into the same commit is not
// known before; then the state has none, and before it stands how many messages before this one the block is, and
// where in the block the record.
const (
	keyAsItIs  = 0
	keyOfBlock = 1
)

// key returns the body of a key's message, which is the at-th of its commit; e is the event that it is of.
func (w *work) key(s keys.State, e, at int) []byte {
	if e < 0 {
		return s.Append([]byte{keyAsItIs})
	}
	s.Number = 0
	b := binary.AppendUvarint([]byte{keyOfBlock}, uint64(at-w.heads[w.events[e].block]))
	b = binary.AppendUvarint(b, uint64(w.events[e].at))
	return s.Append(b)
}

// parseKey reads the body of a key's message.
func parseKey(b []byte, seq uint64) (s keys.State, ok bool) {
	if len(b) == 0 {
		return s, false
	}
	kind, b := b[0], b[1:]
	if kind == keyAsItIs {
		return keys.Parse(b)
	}
	back, n := binary.Uvarint(b)
	if kind != keyOfBlock || n <= 0 || back > seq {
		return s, false
	}
	b = b[n:]
	at, n := binary.Uvarint(b)
	if n <= 0 || at >= maxInBlock {
		return s, false
	}
	s, ok = keys.Parse(b[n:])
	s.Number = number(seq-back, int(at))
	return s, ok
}
