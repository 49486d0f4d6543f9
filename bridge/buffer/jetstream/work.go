package jetstream

import (
	"context"
	"strconv"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/keys"
)

// known is what is remembered of a key, and where.
type known struct {
	state keys.State
	seq   uint64 // of the message; 0: there is none
	seen  bool   // it is there and not damaged
}

// work is what a part of a batch comes to.
type work struct {
	batch   *buffer.Batch
	id      string // of this try; it is part of the blocks' subjects
	outcome buffer.Outcome
	need    int64 // bytes of the records that are events

	messages []message
	heads    []int // of the blocks, as positions in messages
	events   []event
	first    uint64 // sequence number of the first message, once stored
}

// event is a record that is one: in which of the blocks, and where in it.
type event struct {
	index, block, at int
	update           bool
}

// number tells the records their numbers.
func (w *work) number() {
	for _, e := range w.events {
		r := &w.batch.Records[e.index]
		r.Number, r.Update = number(w.first+uint64(w.heads[e.block]), e.at), e.update
	}
}

// work decides on the records and makes the messages.
func (b *Buffer) work(ctx context.Context, batch *buffer.Batch) (*work, error) {
	subjects := subjectsOf(batch)
	states, err := b.remembered(ctx, batch.Source, subjects)
	if err != nil {
		return nil, err
	}
	w := &work{batch: batch, id: newID()}
	changed := map[string]int{} // the event that a key's state is of; -1: it is of none
	var order []string
	var filling []*block
	w.outcome = keys.DecideBatch(batch, func(i int) (keys.State, bool) {
		k := states[subjects[i]]
		_, written := changed[subjects[i]]
		if k.seen && !written && b.isLost(batch.Source, batch.Records[i].Key, k.state.Number) {
			return keys.State{}, batch.Records[i].Summary > 0 // which is an event as an update only
		}
		return k.state, k.seen || written
	}, func(i int, v keys.Verdict, state keys.State) {
		k := states[subjects[i]]
		if _, again := changed[subjects[i]]; !again {
			order = append(order, subjects[i])
			changed[subjects[i]] = -1
		}
		k.state = state
		states[subjects[i]] = k
		if v == keys.Remembered {
			return
		}
		r := &batch.Records[i]
		if n := len(filling); n == 0 || filling[n-1].full(r) {
			filling = append(filling, &block{meta: meta{source: batch.Source}})
		}
		into := filling[len(filling)-1]
		changed[subjects[i]] = len(w.events)
		w.events = append(w.events, event{i, len(filling) - 1, len(into.lanes), v == keys.Update})
		into.add(r, v == keys.Update)
		w.need += size(r)
	})
	b.fill(w, filling)
	for _, subject := range order {
		k, at := states[subject], len(w.messages)
		w.messages = append(w.messages, message{subject: subject, body: w.key(k.state, changed[subject], at), expect: k.seq, life: keys.Life})
	}
	return w, nil
}

// subjectsOf returns the subjects of the records' keys, by record.
func subjectsOf(batch *buffer.Batch) []string {
	subjects := make([]string, len(batch.Records))
	var id keys.ID
	var scratch []byte
	for i := range batch.Records {
		id, scratch = keys.IDOf(scratch, batch.Source, batch.Records[i].Key)
		subjects[i] = keySubject(id)
	}
	return subjects
}

// remembered reads what is known of keys, by their subjects.
func (b *Buffer) remembered(ctx context.Context, source string, subjects []string) (map[string]known, error) {
	states := make(map[string]known, len(subjects))
	ask := make([]string, 0, len(subjects))
	for _, subject := range subjects {
		if _, twice := states[subject]; !twice {
			states[subject] = known{}
			ask = append(ask, subject)
		}
	}
	found, err := b.lastOf(ctx, ask)
	if err != nil {
		return nil, err
	}
	for subject, s := range found {
		state, ok := parseKey(s.body, s.seq)
		if !ok { // a repeat, no loss
			b.log.Warn("what is remembered of a key is damaged", "message", s.seq, "source", source)
		}
		states[subject] = known{state, s.seq, ok}
	}
	return states, nil
}

// isLost tells whether a destination needs a record that is not there any more.
func (b *Buffer) isLost(source, key string, n uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n == 0 || n>>indexBits > b.index.last || b.index.block(n) != nil {
		return false
	}
	lane := laneOf(source, key)
	for _, d := range b.destinations {
		if b.standing(source, lane, n, d) == buffer.StandingLost {
			return true
		}
	}
	return false
}

// fill makes the messages of the blocks.
func (b *Buffer) fill(w *work, filling []*block) {
	for i, f := range filling {
		payload := f.seal(b.largest())
		under := token(f.source) + "." + w.id + "." + strconv.Itoa(i)
		w.heads = append(w.heads, len(w.messages))
		w.messages = append(w.messages, message{subject: blocks + under, body: payload[0], free: true, block: f.header()})
		for j, piece := range payload[1:] {
			w.messages = append(w.messages, message{subject: pieces + under + "." + strconv.Itoa(j), body: piece, free: true})
		}
	}
}
