package disk

import (
	"context"
	"slices"

	bolt "go.etcd.io/bbolt"

	"github.com/siembridge/siembridge/bridge/buffer"
)

var _ buffer.Journal = (*Buffer)(nil)

// Trace implements buffer.Journal. There are no rows for it: a key knows its record's number, and a destination knows
// the numbers it has settled, as intervals.
func (b *Buffer) Trace(source string, keys, destinations []string) (traces []buffer.Trace, err error) {
	err = b.ask(context.Background(), &request{admin: func() error {
		traces = make([]buffer.Trace, len(keys))
		numbers := make([]uint64, len(keys))
		var scratch []byte
		err := b.view(func(tx *bolt.Tx) error {
			for i, key := range keys {
				var id keyID
				id, scratch = keyIDOf(scratch, source, key)
				state, known := b.keys.lookup(tx, id)
				traces[i].Known, numbers[i] = known, state.Number
				traces[i].Stored = known && state.Number != 0
			}
			return nil
		})
		if err != nil {
			return err
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		for i := range traces {
			if !traces[i].Stored {
				continue
			}
			for _, name := range destinations {
				traces[i].At = append(traces[i].At, b.standing(source, numbers[i], b.destinations[name]))
			}
		}
		return nil
	}})
	return traces, err
}

// standing tells what became of a number at a destination. b.mu is held.
func (b *Buffer) standing(source string, number uint64, d *destination) buffer.Standing {
	id, known := b.sourceIDs[source]
	switch {
	case d == nil || !known || !d.wants(id) || number <= d.progress.began:
		return buffer.StandingUnrouted
	case d.progress.missed.contains(number):
		return buffer.StandingDropped
	case d.progress.damaged.contains(number):
		return buffer.StandingLost
	case d.progress.contains(number):
		return buffer.StandingReleased
	case slices.ContainsFunc(b.segments, func(s *segment) bool { return s.first != 0 && s.first <= number && number <= s.last }):
		return buffer.StandingPending
	}
	return buffer.StandingLost
}

// losers returns, of each destination that wants a source, the numbers that damage of the log has taken from it. A
// record that is appended again while its number is among them is stored anew.
func (b *Buffer) losers(source string) (lost []settled) {
	b.mu.Lock()
	defer b.mu.Unlock()
	id, known := b.sourceIDs[source]
	for _, d := range b.destinations {
		if known && d.wants(id) && d.queue != nil && d.progress.damaged.any() {
			lost = append(lost, d.progress.damaged.clone())
		}
	}
	return lost
}
