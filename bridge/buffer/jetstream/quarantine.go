package jetstream

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
)

const (
	quarantineRecords = 10_000
	quarantineBytes   = 64 << 20
	maxReason         = 1024
)

// quarantined is what is known of a record that was set aside.
type quarantined struct {
	Source, API, Key string
	Changed, Pulled  time.Time
	Hash             buffer.Hash
	Update, Old      bool
	Reason           string
	At               time.Time
	Bytes, Pieces    int // of Raw

	id    uint64 // the message's sequence number
	under string
}

// quarantine is the quarantine that all instances share.
type quarantine struct {
	b   *Buffer
	all []quarantined // ascending; b.mu guards it
}

var _ buffer.Quarantine = (*quarantine)(nil)

// Quarantine returns the buffer's quarantine. It may be used until the buffer is closed.
func (b *Buffer) Quarantine() buffer.Quarantine { return &b.quarantine }

// apply takes in a record that was set aside or forgotten. b.mu is held.
func (q *quarantine) apply(under string, seq uint64, body []byte) {
	q.all = slices.DeleteFunc(q.all, func(x quarantined) bool { return x.under == under })
	var one quarantined
	if body == nil || json.Unmarshal(body, &one) != nil {
		return
	}
	one.id, one.under = seq, under
	at, _ := slices.BinarySearchFunc(q.all, seq, func(x quarantined, seq uint64) int { return int(int64(x.id - seq)) })
	q.all = slices.Insert(q.all, at, one)
}

// Put implements buffer.Quarantine.
func (q *quarantine) Put(r buffer.Record, reason string) (uint64, error) {
	b := q.b
	if err := r.CheckAside(); err != nil {
		return 0, err
	}
	if err := b.alive(); err != nil {
		return 0, err
	}
	under := newID()
	messages, body := q.messages(r, reason, b.o.Now(), under)
	first, err := b.commit(b.ctx, messages)
	if err != nil {
		return 0, err
	}
	id := first + uint64(len(messages)) - 1
	b.mu.Lock()
	b.apply(ofQuarantined+under, id, body)
	over := q.over()
	b.mu.Unlock()
	return id, q.drop(over)
}

// messages are what a record that is set aside is stored as; the last has all but Raw.
func (q *quarantine) messages(r buffer.Record, reason string, at time.Time, under string) (messages []message, last []byte) {
	one := quarantined{Source: r.Source, API: r.API, Key: r.Key, Changed: r.Changed, Pulled: r.Pulled, Hash: r.Hash, Update: r.Update, Old: r.Old,
		Reason: reason[:min(len(reason), maxReason)], At: at.UTC(), Bytes: len(r.Raw)}
	limit := q.b.largest()
	for raw := r.Raw; len(raw) > 0; raw = raw[min(len(raw), limit):] {
		messages = append(messages, message{subject: setAside + under + "." + strconv.Itoa(one.Pieces), body: raw[:min(len(raw), limit)], free: true})
		one.Pieces++
	}
	last = encode(one)
	return append(messages, message{subject: ofQuarantined + under, body: last, free: true}), last
}

// over returns those that have to go since there are too many. b.mu is held.
func (q *quarantine) over() (over []quarantined) {
	bytes := 0
	for i := range q.all {
		bytes += q.all[i].Bytes + 512
	}
	for i := 0; i < len(q.all)-1 && (len(q.all)-i > quarantineRecords || bytes > quarantineBytes); i++ {
		bytes -= q.all[i].Bytes + 512
		over = append(over, q.all[i])
	}
	return over
}

// drop forgets some and counts them.
func (q *quarantine) drop(over []quarantined) error {
	for _, one := range over {
		if err := q.Remove(one.id); err != nil {
			return err
		}
	}
	for len(over) > 0 {
		err := q.b.write(q.b.ctx, put{subject: ofQuarantine, body: encode(q.Dropped() + uint64(len(over)))})
		if !errors.Is(err, errConflict) {
			return err
		}
	}
	return nil
}

// Dropped implements buffer.Quarantine.
func (q *quarantine) Dropped() (n uint64) {
	q.b.mu.Lock()
	defer q.b.mu.Unlock()
	_ = json.Unmarshal(q.b.docs[ofQuarantine].body, &n)
	return n
}

// List implements buffer.Quarantine.
func (q *quarantine) List() (list []buffer.Quarantined, err error) {
	q.b.mu.Lock()
	defer q.b.mu.Unlock()
	if q.b.closed {
		return nil, errClosed
	}
	for i := range q.all {
		list = append(list, q.all[i].quarantined())
	}
	return list, nil
}

func (x *quarantined) quarantined() buffer.Quarantined {
	return buffer.Quarantined{ID: x.id, Reason: x.Reason, At: x.At, Record: buffer.Record{Source: x.Source, API: x.API, Key: x.Key,
		Changed: x.Changed, Pulled: x.Pulled, Hash: x.Hash, Update: x.Update, Old: x.Old}}
}

// find returns one of them.
func (q *quarantine) find(id uint64) (one quarantined, ok bool, err error) {
	q.b.mu.Lock()
	defer q.b.mu.Unlock()
	if q.b.closed {
		return one, false, errClosed
	}
	i := slices.IndexFunc(q.all, func(x quarantined) bool { return x.id == id })
	if i < 0 {
		return one, false, nil
	}
	return q.all[i], true, nil
}

// Get implements buffer.Quarantine.
func (q *quarantine) Get(id uint64) (found buffer.Quarantined, ok bool, err error) {
	one, ok, err := q.find(id)
	if err != nil || !ok {
		return found, false, err
	}
	found = one.quarantined()
	for i := range one.Pieces {
		s, err := q.b.last(q.b.ctx, setAside+one.under+"."+strconv.Itoa(i))
		if err != nil {
			return found, false, err
		}
		if s.seq == 0 { // forgotten meanwhile
			return found, false, nil
		}
		found.Record.Raw = append(found.Record.Raw, s.body...)
	}
	return found, true, nil
}

// Remove implements buffer.Quarantine.
func (q *quarantine) Remove(id uint64) error {
	one, ok, err := q.find(id)
	if err != nil || !ok {
		return err
	}
	for {
		if err = q.b.write(q.b.ctx, put{subject: ofQuarantined + one.under}); !errors.Is(err, errConflict) {
			break
		}
		if _, ok, _ := q.find(id); !ok {
			return nil
		}
	}
	if err != nil {
		return err
	}
	return q.b.purge(q.b.ctx, setAside+one.under+".>", 0)
}
