// Package keys decides which records are events, by what is remembered of their keys: the rule of buffer.Appender, the
// same for every buffer. It stores nothing.
package keys

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// Life is how long a key is remembered after it was last written. The APIs show a record for 180 days.
const Life = 200 * 24 * time.Hour

// MaxHashes bounds the contents remembered of one changed time. When there are more, the oldest is forgotten; seen
// again it would be an event again: a repeat, no loss.
const MaxHashes = 8

// ID stands for a source and a key: the first half of the SHA-256 of both. Two keys with one id would need 2^64 keys to
// be likely, and making one on purpose is out of reach.
type ID [16]byte

// IDOf returns the id of a source's key. scratch is used for it and may be given again.
func IDOf(scratch []byte, source, key string) (id ID, used []byte) {
	scratch = append(scratch[:0], byte(len(source)))
	scratch = append(scratch, source...)
	scratch = append(scratch, key...)
	sum := sha256.Sum256(scratch)
	return ID(sum[:16]), scratch
}

// State is what is remembered of a key.
type State struct {
	Changed int64         // Stamp of the latest change
	Number  uint64        // of the record last stored; 0 when none was
	Last    buffer.Hash   // content last seen
	More    []buffer.Hash // other contents seen with the same changed time; never modified in place
}

// Verdict says what a record is.
type Verdict uint8

// The verdicts.
const (
	Known      Verdict = iota // nothing new
	Remembered                // no event, but the key's state changed
	New
	Update
)

// Decide is the rule of buffer.Appender: whether a record is an event, and what is remembered of its key afterwards.
// The number of the new state is the old one's.
func Decide(old State, seen bool, changed int64, hash buffer.Hash) (Verdict, State) {
	fresh := State{Changed: changed, Number: old.Number, Last: hash}
	switch {
	case !seen:
		return New, fresh
	case changed < old.Changed:
		return Known, old
	case changed > old.Changed && hash == old.Last:
		return Remembered, fresh
	case changed > old.Changed:
		return Update, fresh
	case hash == old.Last || slices.Contains(old.More, hash):
		return Known, old
	}
	fresh.More = append(slices.Clone(old.More[max(0, len(old.More)-MaxHashes+2):]), old.Last)
	// Microsoft's record is the same as far as anyone can tell; it is the list of hashed fields that changed.
	if !slices.ContainsFunc(fresh.More, func(h buffer.Hash) bool { return h[0] == hash[0] }) {
		return Remembered, fresh
	}
	return Update, fresh
}

// DecideBatch decides on the records of a batch one after the other: a key that comes twice in a batch is treated as if
// it had come in two. lookup returns what is remembered of the key of a record; put takes what is remembered from then
// on, when that has changed, and sets its Number when the record is an event. lookup has to see what put was given.
func DecideBatch(batch *buffer.Batch, lookup func(record int) (State, bool), put func(record int, v Verdict, s State)) (o buffer.Outcome) {
	event := -1 // the last record that is one
	for i := range batch.Records {
		r := &batch.Records[i]
		old, seen := lookup(i)
		v, state := Decide(old, seen, Stamp(r.Changed), r.Hash)
		if v == Update && batch.NoUpdates {
			v = Remembered
		}
		if r.Summary > 0 && (v == New || v == Update && event >= max(0, i-r.Summary)) {
			v = Remembered
		}
		switch v {
		case Known, Remembered:
			o.Known++
		case New:
			o.New++
			event = i
		case Update:
			o.Updated++
			event = i
		}
		if v != Known {
			put(i, v, state)
		}
	}
	return o
}

// Append appends a state as stored: changed, number, last, then the other hashes up to the end of the value.
func (s *State) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(s.Changed))
	b = binary.LittleEndian.AppendUint64(b, s.Number)
	b = append(b, s.Last[:]...)
	for _, h := range s.More {
		b = append(b, h[:]...)
	}
	return b
}

// Parse is the inverse of State.Append.
func Parse(b []byte) (s State, ok bool) {
	if len(b) < 32 || len(b)%16 != 0 || len(b) > 32+16*MaxHashes {
		return s, false
	}
	s.Changed = int64(binary.LittleEndian.Uint64(b))
	s.Number = binary.LittleEndian.Uint64(b[8:])
	copy(s.Last[:], b[16:])
	for b = b[32:]; len(b) > 0; b = b[16:] {
		s.More = append(s.More, buffer.Hash(b[:16]))
	}
	return s, true
}

// NoTime is the Stamp of the zero time.
const NoTime = -1 << 63

// Stamp returns t as buffers store it: nanoseconds since 1970. Times outside 1678 to 2262 become the nearest that can
// be stored.
func Stamp(t time.Time) int64 {
	switch {
	case t.IsZero():
		return NoTime
	case t.Year() < 1678:
		return NoTime + 1
	case t.Year() > 2261:
		return 1<<63 - 1
	}
	return t.UnixNano()
}

// Time is the inverse of Stamp.
func Time(stamp int64) time.Time {
	if stamp == NoTime {
		return time.Time{}
	}
	return time.Unix(0, stamp).UTC()
}
