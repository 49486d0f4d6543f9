package jetstream

import (
	"encoding/json"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/keys"
)

// Trace implements buffer.Journal. There are no rows for it: a key knows its record's number, and a lane which numbers
// it has settled.
func (b *Buffer) Trace(source string, ofKeys, destinations []string) ([]buffer.Trace, error) {
	if err := b.alive(); err != nil {
		return nil, err
	}
	subjects := make([]string, len(ofKeys))
	var id keys.ID
	var scratch []byte
	for i, key := range ofKeys {
		id, scratch = keys.IDOf(scratch, source, key)
		subjects[i] = keySubject(id)
	}
	found, err := b.lastOf(b.ctx, subjects)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	traces := make([]buffer.Trace, len(ofKeys))
	for i, key := range ofKeys {
		s, there := found[subjects[i]]
		if !there {
			continue
		}
		state, ok := parseKey(s.body, s.seq)
		if !ok {
			continue
		}
		traces[i].Known = true
		if traces[i].Stored = state.Number != 0; !traces[i].Stored {
			continue
		}
		for _, to := range destinations {
			traces[i].At = append(traces[i].At, b.standing(source, laneOf(source, key), state.Number, b.destinations[to]))
		}
	}
	return traces, nil
}

// standing tells what became of a number at a destination. b.mu is held.
func (b *Buffer) standing(source string, lane byte, n uint64, d *destination) buffer.Standing {
	switch {
	case d == nil || !d.wants(source) || n < number(d.Born, 0):
		return buffer.StandingUnrouted
	case d.lanes[lane].lost(n):
		return buffer.StandingDropped
	case d.lanes[lane].settled(n):
		return buffer.StandingReleased
	case b.index.block(n) != nil:
		return buffer.StandingPending
	}
	return buffer.StandingLost
}

// Retained implements buffer.Retained.
func (b *Buffer) Retained(from, to time.Time, f func(buffer.Record) bool) error {
	if err := b.alive(); err != nil {
		return err
	}
	b.mu.Lock()
	var at []*meta
	for _, m := range b.index.blocks {
		if first, end := keys.Stamp(from), keys.Stamp(to); first <= m.pulled && m.pulled < end {
			at = append(at, m)
		}
	}
	b.mu.Unlock()
	for _, m := range at {
		read, err := b.read(b.ctx, []*meta{m})
		if err != nil {
			return err
		}
		for _, r := range read[0] {
			if !f(r) {
				return nil
			}
		}
	}
	return nil
}

// Doubted returns from when on sources have to read again; zero: nothing is in doubt. A stream that lost its newest
// messages is not: checkpoints, keys and records went together, and what they covered is pulled again. Damage has it
// looked at all the same.
func (b *Buffer) Doubted() time.Time { return time.Time{} }

// Damage returns 1 when the servers were seen, within the last day, to have lost what they had acknowledged, and from
// when on that may have been.
func (b *Buffer) Damage() (parts int, since time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var d doubt
	if body := b.docs[ofDoubt].body; body == nil || json.Unmarshal(body, &d) != nil {
		return 0, time.Time{}
	}
	return 1, d.Since
}
