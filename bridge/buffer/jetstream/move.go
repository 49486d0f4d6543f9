package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/keys"
)

// moveState says that a buffer is being carried over into this one.
type moveState struct {
	From string `json:"from"` // its id
	Done bool   `json:"done"`
}

// movedHere refuses a buffer into which another was carried over in part.
func (b *Buffer) movedHere() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var s moveState
	if body := b.docs[ofMove].body; body != nil && json.Unmarshal(body, &s) == nil && !s.Done {
		return errors.New("a buffer was carried over to the JetStream servers in part: finish it with siembridge buffer move, on the host that it came from")
	}
	return nil
}

// ErrInUse: a buffer can be carried over only to servers that siembridge has not used yet.
var ErrInUse = errors.New("the JetStream servers hold records of siembridge already")

// Import carries another buffer over into an empty one. Each step may be repeated, as all of it may after a crash:
// what is written again replaces what was written before. No instance can start before Done.
type Import struct {
	b       *Buffer
	from    string
	batches int
	moved   []moved // ascending by both numbers
}

// moved is a record that was carried over.
type moved struct {
	old, new uint64
	source   string
	lane     byte
}

// born is where the destinations of an import begin: what was delivered before counts as delivered.
const born = 1

// BeginImport connects to the servers and makes the stream. from is the id of the buffer to be carried over; done tells
// that it was before. The error wraps ErrInUse when something else is there.
func BeginImport(ctx context.Context, o Options, from string) (i *Import, done bool, err error) {
	b := newBuffer(o)
	if err = b.connect(ctx); err == nil {
		if err = b.stream(ctx); err == nil {
			err = b.follow(ctx)
		}
	}
	if err != nil {
		b.abandon()
		return nil, false, err
	}
	i = &Import{b: b, from: from}
	b.mu.Lock()
	var s moveState
	body, used := b.docs[ofMove].body, len(b.sources)+len(b.destinations)+len(b.index.blocks) > 0
	b.mu.Unlock()
	switch {
	case body != nil && json.Unmarshal(body, &s) == nil && s.From == from:
		if !s.Done { // the parts may be cut differently now
			if err := errors.Join(b.purge(ctx, blocks+">", 0), b.purge(ctx, pieces+">", 0)); err != nil {
				i.Close()
				return nil, false, err
			}
		}
		return i, s.Done, nil
	case body != nil || used:
		i.Close()
		return nil, false, ErrInUse
	}
	if err := i.begin(ctx); err != nil {
		i.Close()
		return nil, false, err
	}
	return i, false, nil
}

// begin says that an import has begun, unless another has meanwhile.
func (i *Import) begin(ctx context.Context) error {
	for {
		err := i.b.write(ctx, put{subject: ofMove, body: encode(moveState{From: i.from})})
		if !errors.Is(err, errConflict) {
			return err
		}
		i.b.mu.Lock()
		other := i.b.docs[ofMove].body != nil
		i.b.mu.Unlock()
		if other {
			return ErrInUse
		}
	}
}

// Close gives the connection up.
func (i *Import) Close() { i.b.abandon() }

// Records carries records over, in the order of their numbers.
func (i *Import) Records(ctx context.Context, records []buffer.Record) error {
	for len(records) > 0 {
		n := cut(records)
		if err := i.part(ctx, records[:n]); err != nil {
			return err
		}
		records = records[n:]
	}
	return nil
}

func (i *Import) part(ctx context.Context, records []buffer.Record) error {
	// The same part has the same subjects when it is written again.
	w := &work{id: fmt.Sprintf("move-%s-%d", i.from, i.batches)}
	i.batches++
	var filling []*block
	for j := range records {
		r := &records[j]
		if n := len(filling); n == 0 || filling[n-1].source != r.Source || filling[n-1].full(r) {
			filling = append(filling, &block{meta: meta{source: r.Source}})
		}
		into := filling[len(filling)-1]
		w.events = append(w.events, event{j, len(filling) - 1, len(into.lanes), r.Update})
		into.add(r, r.Update)
	}
	i.b.fill(w, filling)
	err := patiently(ctx, func() (err error) {
		w.first, err = i.b.commit(ctx, w.messages)
		return err
	})
	if err != nil {
		return err
	}
	for _, e := range w.events {
		r := &records[e.index]
		i.moved = append(i.moved, moved{r.Number, number(w.first+uint64(w.heads[e.block]), e.at), r.Source, laneOf(r.Source, r.Key)})
	}
	return nil
}

// Destination carries over where a destination stands: needs and lost tell of the records that were carried over, by
// their old numbers.
func (i *Import) Destination(ctx context.Context, d buffer.Destination, closed time.Time, dropped uint64, needs, lost func(old uint64) bool) error {
	var lanes [Lanes]cursor
	for l := range lanes {
		lanes[l] = cursor{Born: born, High: number(born, 0)}
	}
	lanes[0].Dropped = dropped
	waiting := [Lanes][]uint64{}
	for _, m := range i.moved {
		if len(d.Sources) > 0 && !slices.Contains(d.Sources, m.source) {
			continue
		}
		c := &lanes[m.lane]
		if needs(m.old) {
			waiting[m.lane] = append(waiting[m.lane], m.new)
			continue
		}
		c.High, c.Holes = m.new+1, append(c.Holes, waiting[m.lane]...)
		waiting[m.lane] = nil
		if lost(m.old) {
			c.Lost = append(c.Lost, [2]uint64{m.new, m.new})
		}
	}
	messages := []message{{subject: ofDestination + token(d.Name), free: true,
		body: encode(settings{Born: born, Sources: d.Sources, Drop: d.Overflow == buffer.OverflowDropOldest, Seen: keys.Stamp(closed)})}}
	for l := range lanes {
		lanes[l].Lost = lanes[l].Lost[max(0, len(lanes[l].Lost)-maxLost):]
		messages = append(messages, message{subject: laneSubject(d.Name, l), free: true, body: lanes[l].encode()})
	}
	return i.commit(ctx, messages)
}

// Key is what is remembered of a key.
type Key struct {
	ID    keys.ID    // of source and key
	State keys.State // what was last seen of it
}

// Keys carries keys over. A record that was delivered and is not there any more counts as delivered.
func (i *Import) Keys(ctx context.Context, all []Key) error {
	for part := range slices.Chunk(all, 2*partRecords) {
		messages := make([]message, len(part))
		for j, k := range part {
			k.State.Number = i.number(k.State.Number)
			messages[j] = message{subject: keySubject(k.ID), free: true, life: keys.Life, body: k.State.Append([]byte{keyAsItIs})}
		}
		if err := i.commit(ctx, messages); err != nil {
			return err
		}
	}
	return nil
}

// number returns the new number of a record.
func (i *Import) number(old uint64) uint64 {
	at, found := slices.BinarySearchFunc(i.moved, old, func(m moved, old uint64) int { return int(int64(m.old - old)) })
	switch {
	case found:
		return i.moved[at].new
	case old == 0:
		return 0
	}
	return number(born, 0)
}

// Checkpoint carries over how far a source has been read.
func (i *Import) Checkpoint(ctx context.Context, source string, checkpoint []byte) error {
	return i.commit(ctx, []message{{subject: ofSource + token(source), free: true, body: encode(sourceState{Checkpoint: checkpoint})}})
}

// Note carries over a note.
func (i *Import) Note(ctx context.Context, subject, key string, value []byte) error {
	return i.set(ctx, noteSubject(subject, key), value)
}

// Tokens carries over the chain of refresh tokens of a source.
func (i *Import) Tokens(ctx context.Context, source string, chain []byte) error {
	return i.set(ctx, ofToken+token(source), chain)
}

func (i *Import) set(ctx context.Context, subject string, value []byte) error {
	return i.commit(ctx, []message{{subject: subject, free: true, body: append([]byte{'='}, value...)}})
}

// Quarantined carries over a record that was set aside. It gets another id.
func (i *Import) Quarantined(ctx context.Context, q buffer.Quarantined) error {
	messages, _ := i.b.quarantine.messages(q.Record, q.Reason, q.At, fmt.Sprintf("move-%s-%d", i.from, q.ID))
	return i.commit(ctx, messages)
}

func (i *Import) commit(ctx context.Context, messages []message) error {
	return patiently(ctx, func() error {
		_, err := i.b.commit(ctx, messages)
		return err
	})
}

// Done ends the import: instances may start.
func (i *Import) Done(ctx context.Context) error {
	return i.commit(ctx, []message{{subject: ofMove, free: true, body: encode(moveState{From: i.from, Done: true})}})
}
