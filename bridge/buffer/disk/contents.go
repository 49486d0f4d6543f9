package disk

import (
	"bytes"
	"context"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/keys"
)

// Contents is what a buffer holds besides its records and keys, for carrying it over to another.
type Contents struct {
	ID           string            // of this buffer, random
	Checkpoints  map[string][]byte // by source, as the sources wrote them
	Notes        []Note            // in no order
	Destinations []Reader          // by name; open ones, and those that were closed less than 7 days ago
}

// Note is a fact that was noted.
type Note struct {
	Subject, Key string // what it is about, and which of its facts
	Value        []byte // at most 64 KiB
}

// Reader is where a destination stands.
type Reader struct {
	buffer.Destination
	Closed  time.Time // when its queue was last closed
	Dropped uint64    // records

	progress *progress
}

// Needs tells whether the destination has yet to deliver a record of a source that it wants.
func (r *Reader) Needs(number uint64) bool { return !r.progress.contains(number) }

// Lost tells whether a record was dropped, or could not be read.
func (r *Reader) Lost(number uint64) bool {
	return r.progress.missed.contains(number) || r.progress.damaged.contains(number)
}

// Contents returns what the buffer holds now. Queues that are open count as closed just now.
func (b *Buffer) Contents() (c Contents, err error) {
	c.ID, c.Checkpoints = hex.EncodeToString(b.id[:]), map[string][]byte{}
	err = b.ask(context.Background(), &request{admin: func() error {
		b.mu.Lock()
		for _, d := range b.destinations {
			closed := b.opts.Now()
			if d.queue == nil {
				closed = fromStamp(d.closed)
			}
			c.Destinations = append(c.Destinations, Reader{buffer.Destination{Name: d.name, Sources: slices.Clone(d.sources), Overflow: d.overflow},
				closed, d.progress.dropped, d.progress.clone()})
		}
		b.mu.Unlock()
		return b.view(func(tx *bolt.Tx) error {
			err := tx.Bucket(bucketCheckpoints).ForEach(func(source, checkpoint []byte) error {
				c.Checkpoints[string(source)] = bytes.Clone(checkpoint)
				return nil
			})
			if err != nil {
				return err
			}
			return tx.Bucket(bucketNotes).ForEach(func(k, value []byte) error {
				d := decoder{b: k}
				subject := d.string()
				c.Notes = append(c.Notes, Note{subject, string(d.b), bytes.Clone(value)})
				return nil
			})
		})
	}})
	slices.SortFunc(c.Destinations, func(x, y Reader) int { return strings.Compare(x.Name, y.Name) })
	return c, err
}

// Keys calls f with what is remembered of all keys, by the keys.ID of each. A key that comes again counts as it came
// last. Nothing else is committed meanwhile.
func (b *Buffer) Keys(f func(id keys.ID, s keys.State) error) error {
	return b.ask(context.Background(), &request{admin: func() error {
		err := b.view(func(tx *bolt.Tx) error {
			for _, g := range b.keys.generations {
				bucket := tx.Bucket(bucketKeys).Bucket(bigEndian(g.id))
				if bucket == nil {
					continue
				}
				err := bucket.ForEach(func(k, v []byte) error {
					if len(k) == len(keyID{}) { // as generations were written before there were shelves
						if s, ok := keys.Parse(v); ok {
							return f(keys.ID(k), s)
						}
						return nil
					}
					for len(v) > 0 {
						var id keyID
						var state []byte
						id, state, v = nextKey(v)
						if s, ok := keys.Parse(state); ok {
							if err := f(keys.ID(id), s); err != nil {
								return err
							}
						}
					}
					return nil
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		for id, s := range b.keys.recent.all {
			if err := f(keys.ID(id), s); err != nil {
				return err
			}
		}
		return nil
	}})
}
