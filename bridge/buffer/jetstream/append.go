package jetstream

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/keys"
)

const (
	// A part of a batch is stored by one commit, of at most 1000 messages: a key for each record, the blocks, the
	// checkpoint.
	partRecords = 400
	partBytes   = 64 << 20
)

// Checkpoint implements buffer.Appender.
func (b *Buffer) Checkpoint(source string) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, errClosed
	}
	return b.sources[source].Checkpoint, nil
}

// Append implements buffer.Appender. A batch of more than 400 records or 64 MiB is stored in parts, the checkpoint with
// the last: after an error or a crash the first parts may be there, and are recognised.
func (b *Buffer) Append(ctx context.Context, batch buffer.Batch) (o buffer.Outcome, err error) {
	if err := batch.Check(); err != nil {
		return o, err
	}
	if err := b.alive(); err != nil {
		return o, err
	}
	if err := ctx.Err(); err != nil {
		return o, context.Cause(ctx)
	}
	rest := batch.Records
	for {
		n := cut(rest)
		part := buffer.Batch{Source: batch.Source, Records: rest[:n], NoUpdates: batch.NoUpdates}
		if rest = rest[n:]; len(rest) == 0 {
			part.Checkpoint = batch.Checkpoint
		}
		one, err := b.append(ctx, &part)
		if err != nil {
			return o, err
		}
		o.New, o.Updated, o.Known = o.New+one.New, o.Updated+one.Updated, o.Known+one.Known
		if len(rest) == 0 {
			return o, nil
		}
	}
}

// cut returns how many of the records make the next part. What a summary sums up stays with it.
func cut(records []buffer.Record) int {
	bytes, limit := 0, len(records)
	for i := range records {
		if bytes += len(records[i].Raw); i > 0 && (i >= partRecords || bytes > partBytes) {
			limit = i
			break
		}
	}
	if limit == len(records) {
		return limit
	}
	at := limit
	for i := limit; i < min(len(records), limit+partRecords); i++ {
		if from := i - records[i].Summary; records[i].Summary > 0 && from < at {
			at = max(from, 0)
		}
	}
	if at == 0 {
		return limit
	}
	return at
}

// known is what is remembered of a key, and where.
type known struct {
	state keys.State
	seq   uint64 // of the message; 0: there is none
}

// append stores a part of a batch.
func (b *Buffer) append(ctx context.Context, batch *buffer.Batch) (buffer.Outcome, error) {
	one, _ := b.sourcing.LoadOrStore(batch.Source, &sync.Mutex{})
	turn := one.(*sync.Mutex)
	for try := 0; ; try++ {
		turn.Lock()
		w, err := b.work(ctx, batch)
		if err == nil {
			err = b.store(ctx, w)
		}
		turn.Unlock()
		switch {
		case err == nil:
			w.number()
			return w.outcome, nil
		case errors.Is(err, errFull):
			err = b.untilRoom(ctx, w)
		case errors.Is(err, errConflict):
			select {
			case <-time.After(time.Duration(try)*time.Millisecond + time.Duration(rand.IntN(5))*time.Millisecond):
			case <-ctx.Done():
				err = context.Cause(ctx)
			}
			if ctx.Err() == nil {
				err = nil
			}
		case errors.Is(err, ErrAway):
			b.setAway("a commit was not answered", err)
		}
		if err != nil {
			return buffer.Outcome{}, err
		}
	}
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
	subjects := make([]string, len(batch.Records))
	asked := make(map[string]bool, len(batch.Records))
	var ask []string
	var id keys.ID
	var scratch []byte
	for i := range batch.Records {
		id, scratch = keys.IDOf(scratch, batch.Source, batch.Records[i].Key)
		subjects[i] = keySubject(id)
		if !asked[subjects[i]] {
			asked[subjects[i]] = true
			ask = append(ask, subjects[i])
		}
	}
	found, err := b.lastOf(ctx, ask)
	if err != nil {
		return nil, err
	}
	w := &work{batch: batch, id: newID()}
	states := make(map[string]known, len(ask))
	for subject, s := range found {
		state, ok := parseKey(s.body, s.seq)
		if !ok { // a repeat, no loss
			b.log.Warn("what is remembered of a key is damaged", "message", s.seq, "source", batch.Source)
		}
		states[subject] = known{state, s.seq}
		if !ok {
			delete(found, subject)
		}
	}
	changed := map[string]int{} // the event that a key's state is of; -1: it is of none
	var order []string
	var filling []*block
	w.outcome = keys.DecideBatch(batch, func(i int) (keys.State, bool) {
		k := states[subjects[i]]
		_, written := changed[subjects[i]]
		_, seen := found[subjects[i]]
		if seen && !written && b.isLost(batch.Source, batch.Records[i].Key, k.state.Number) {
			return keys.State{}, batch.Records[i].Summary > 0 // which is an event as an update only
		}
		return k.state, seen || written
	}, func(i int, v keys.Verdict, state keys.State) {
		if _, again := changed[subjects[i]]; !again {
			order = append(order, subjects[i])
			changed[subjects[i]] = -1
		}
		states[subjects[i]] = known{state, states[subjects[i]].seq}
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
	limit := int(b.nc.MaxPayload()) - 8<<10
	for i, f := range filling {
		payload := f.seal(limit)
		under := token(f.source) + "." + w.id + "." + strconv.Itoa(i)
		w.heads = append(w.heads, len(w.messages))
		w.messages = append(w.messages, message{subject: blocks + under, body: payload[0], free: true, block: f.header()})
		for j, piece := range payload[1:] {
			w.messages = append(w.messages, message{subject: pieces + under + "." + strconv.Itoa(j), body: piece, free: true})
		}
	}
}

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

// store commits the work, if there is room for it.
func (b *Buffer) store(ctx context.Context, w *work) error {
	source := w.batch.Source
	if w.need > 0 {
		if err := b.makeRoom(ctx, w); err != nil {
			return err
		}
		defer func() {
			b.mu.Lock()
			b.underway -= w.need
			b.mu.Unlock()
		}()
	}
	var state sourceState
	if w.batch.Checkpoint != nil {
		b.mu.Lock()
		state = b.sources[source]
		subject := ofSource + token(source)
		free := state.Holder == "" || !b.isLive(state.Holder)
		seq := b.docs[subject].seq
		b.mu.Unlock()
		if state.Holder != b.id {
			if !free {
				return errTaken(source, state.Holder)
			}
			state.Holder, state.Epoch = b.id, state.Epoch+1
		}
		state.Checkpoint = w.batch.Checkpoint
		w.messages = append(w.messages, message{subject: subject, body: encode(state), expect: seq})
	}
	if len(w.messages) == 0 {
		return nil
	}
	if err := b.commitWork(ctx, w); err != nil {
		return err
	}
	if w.batch.Checkpoint != nil {
		at := len(w.messages) - 1
		b.mu.Lock()
		b.apply(w.messages[at].subject, w.first+uint64(at), w.messages[at].body)
		b.mu.Unlock()
	}
	if n := len(w.heads); n > 0 {
		b.mu.Lock()
		for _, at := range w.heads {
			if seq := w.first + uint64(at); seq > b.index.last {
				b.own[seq] = head{source, w.messages[at].block}
			}
		}
		b.mu.Unlock()
		w.cache(&b.payloads)
		b.reached(ctx, w.first+uint64(w.heads[n-1]))
	}
	return nil
}

// commitWork commits, and finds out what became of a commit that was not answered: the block's subject is this try's
// alone.
func (b *Buffer) commitWork(ctx context.Context, w *work) (err error) {
	w.first, err = b.commit(context.WithoutCancel(ctx), w.messages)
	if errors.Is(err, errConflict) && w.batch.Checkpoint != nil {
		if _, refreshErr := b.refresh(ctx, ofSource+token(w.batch.Source)); refreshErr != nil {
			return refreshErr
		}
		return err
	}
	if !errors.Is(err, ErrAway) {
		return err
	}
	last := w.messages[len(w.messages)-1]
	if len(w.heads) > 0 {
		last = w.messages[w.heads[len(w.heads)-1]]
	}
	s, lookErr := b.last(ctx, last.subject)
	switch {
	case lookErr != nil:
		return err
	case len(w.heads) > 0 && s.seq > 0:
		w.first = s.seq - uint64(w.heads[len(w.heads)-1])
		return nil
	case len(w.heads) == 0 && string(s.body) == string(last.body):
		w.first = s.seq - uint64(len(w.messages)) + 1
		return nil
	}
	return err
}

// isLive tells whether an instance is there. b.mu is held.
func (b *Buffer) isLive(id string) bool {
	m := b.members[id]
	return m != nil && (id == b.id || b.beats < m.heard+missedBeats)
}
