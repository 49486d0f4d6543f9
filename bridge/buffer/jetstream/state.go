package jetstream

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// doc is a state as this instance knows it.
type doc struct {
	seq  uint64
	body []byte // nil: forgotten
}

// sourceState is who pulls a source, and how far that has come.
type sourceState struct {
	Holder     string `json:"holder"`
	Epoch      uint64 `json:"epoch"` // one more with each holder
	Checkpoint []byte `json:"checkpoint,omitempty"`
}

// settings are what a destination wants.
type settings struct {
	Born    uint64   `json:"born"` // the stream's sequence number behind which it begins; 0: that of this message
	Sources []string `json:"sources,omitempty"`
	Drop    bool     `json:"drop_oldest"`
	Seen    int64    `json:"seen"` // when its queue was last known to be open
}

// horizon says that the records of a source in blocks before one are removed.
type horizon struct {
	Before uint64 `json:"before"`
}

// presence is what an instance tells of itself.
type presence struct {
	Host         string    `json:"host"`
	Started      time.Time `json:"started"`
	Sources      []string  `json:"sources,omitempty"`      // that it may pull
	Destinations []string  `json:"destinations,omitempty"` // whose queue it has open
}

// member is another instance, or this one.
type member struct {
	presence
	heard uint64 // this instance's beats when it was last heard of
}

// lane is a part of a destination's records.
type lane struct {
	cursor
	seq uint64
}

// tally is an amount of records.
type tally struct{ records, bytes int64 }

// destination is one that the stream knows.
type destination struct {
	name string
	settings
	lanes   [Lanes]lane
	pending map[string]tally // by source
	queue   *Queue           // open here; nil: not
}

func (d *destination) wants(source string) bool {
	return len(d.Sources) == 0 || slices.Contains(d.Sources, source)
}

// walk goes through the numbers of a lane that the destination wants.
func (b *Buffer) walk(d *destination, lane int) func(from, below uint64, f func(n uint64)) {
	return func(from, below uint64, f func(n uint64)) {
		b.index.walk(byte(lane), d.wants, from, below, func(_ *meta, n uint64) bool { f(n); return true })
	}
}

// count adds a record to what is pending, or takes it off.
func (d *destination) count(m *meta, sign int64) {
	t := d.pending[m.source]
	d.pending[m.source] = tally{t.records + sign, t.bytes + sign*m.each()}
}

// recount works out what is pending. b.mu is held, as in all that follows.
func (b *Buffer) recount(d *destination) {
	d.pending = map[string]tally{}
	for i := range d.lanes {
		c := &d.lanes[i].cursor
		b.index.walk(byte(i), d.wants, c.low(), 1<<63, func(m *meta, n uint64) bool {
			if !c.settled(n) {
				d.count(m, 1)
			}
			return true
		})
	}
}

// move gives a lane its new cursor and counts what it has settled.
func (b *Buffer) move(d *destination, i int, next cursor) {
	old := d.lanes[i].cursor
	d.lanes[i].cursor = next
	if next.Born != old.Born || next.High < old.High || next.low() < old.low() {
		b.recount(d)
		return
	}
	gone := func(n uint64) {
		if m := b.index.block(n); m != nil && d.wants(m.source) {
			d.count(m, -1)
		}
	}
	for _, n := range old.Holes {
		if next.settled(n) {
			gone(n)
		}
	}
	b.walk(d, i)(old.High, next.High, func(n uint64) {
		if next.settled(n) {
			gone(n)
		}
	})
}

// apply takes in a state, if it is newer than the one that is known.
func (b *Buffer) apply(subject string, seq uint64, body []byte) {
	if b.docs[subject].seq >= seq {
		return
	}
	if len(body) == 0 {
		body = nil
	}
	b.docs[subject] = doc{seq, body}
	switch {
	case strings.HasPrefix(subject, ofSource):
		b.applySource(name(subject[len(ofSource):]), body)
	case strings.HasPrefix(subject, ofDestination):
		b.applyDestination(name(subject[len(ofDestination):]), seq, body)
	case strings.HasPrefix(subject, ofLane):
		to, number, _ := strings.Cut(subject[len(ofLane):], ".")
		if d := b.destinations[name(to)]; d != nil {
			if i, err := strconv.Atoi(number); err == nil && i < Lanes {
				b.applyLane(d, i)
			}
		}
	case strings.HasPrefix(subject, ofHorizon):
		var h horizon
		if json.Unmarshal(body, &h) == nil {
			source := name(subject[len(ofHorizon):])
			b.removed[source] = h.Before
			b.remove(source, h.Before)
		}
	case strings.HasPrefix(subject, ofMember):
		b.applyMember(subject[len(ofMember):], body)
	case strings.HasPrefix(subject, ofQuarantined):
		b.quarantine.apply(subject[len(ofQuarantined):], seq, body)
	}
	b.notify()
}

func (b *Buffer) applySource(source string, body []byte) {
	var s sourceState
	_ = json.Unmarshal(body, &s)
	b.sources[source] = s
	if l := b.leases[source]; l != nil && l.held != nil && (s.Holder != b.id || s.Epoch != l.epoch) {
		l.lose(errTaken(source, s.Holder))
	}
}

func (b *Buffer) applyDestination(to string, seq uint64, body []byte) {
	if body == nil {
		if d := b.destinations[to]; d != nil && d.queue == nil {
			delete(b.destinations, to)
		}
		return
	}
	d := b.destinations[to]
	if d == nil {
		d = &destination{name: to}
		b.destinations[to] = d
	}
	before := d.settings
	d.settings = settings{}
	_ = json.Unmarshal(body, &d.settings)
	if d.Born == 0 {
		d.Born = seq
	}
	if before.Born != d.Born {
		for i := range d.lanes {
			b.applyLane(d, i)
		}
	}
	if before.Born != d.Born || !slices.Equal(before.Sources, d.Sources) {
		b.recount(d)
	}
}

// laneSubject is where a lane stands.
func laneSubject(to string, i int) string { return ofLane + token(to) + "." + strconv.Itoa(i) }

// applyLane reads the state of a lane anew.
func (b *Buffer) applyLane(d *destination, i int) {
	from := b.docs[laneSubject(d.name, i)]
	next := cursor{Born: d.Born, High: number(d.Born, 0)}
	if c := (cursor{}); from.body != nil && json.Unmarshal(from.body, &c) == nil && c.Born == d.Born {
		next = c
	}
	d.lanes[i].seq = from.seq
	b.move(d, i, next)
	if d.queue != nil {
		d.queue.moved(i, &d.lanes[i].cursor)
	}
}

func (b *Buffer) applyMember(id string, body []byte) {
	if body == nil {
		delete(b.members, id)
		b.poke()
		return
	}
	m := b.members[id]
	if m == nil {
		m = &member{}
		b.members[id] = m
		b.poke()
	}
	before := m.presence
	m.presence = presence{}
	_ = json.Unmarshal(body, &m.presence)
	m.heard = b.beats
	if !slices.Equal(before.Destinations, m.Destinations) || !slices.Equal(before.Sources, m.Sources) {
		b.poke()
	}
}

// addBlock takes in a block of records.
func (b *Buffer) addBlock(m *meta) {
	if m.seq <= b.index.last || m.seq < b.removed[m.source] {
		return
	}
	b.index.add(m)
	for _, d := range b.destinations {
		if !d.wants(m.source) || m.seq < d.Born {
			continue
		}
		for i, l := range m.lanes {
			if !d.lanes[l].settled(number(m.seq, i)) {
				d.count(m, 1)
			}
		}
	}
	b.notify()
}

// remove takes the records of a source in blocks before one out of the index.
func (b *Buffer) remove(source string, before uint64) {
	b.index.remove(func(m *meta) bool {
		if m.source != source || m.seq >= before {
			return false
		}
		for _, d := range b.destinations {
			if !d.wants(source) {
				continue
			}
			for i, l := range m.lanes {
				if n := number(m.seq, i); n >= d.lanes[l].low() && !d.lanes[l].settled(n) {
					d.count(m, -1)
				}
			}
		}
		return true
	})
}

// notify wakes who waits for something to change.
func (b *Buffer) notify() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// poke has the leases looked at.
func (b *Buffer) poke() {
	select {
	case b.poked <- struct{}{}:
	default:
	}
}

// live returns the instances that are there, in the same order everywhere.
func (b *Buffer) live(of func(*member) bool) (ids []string) {
	for id, m := range b.members {
		if (id == b.id || b.beats < m.heard+missedBeats) && of(m) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// has tells whether an instance is there that has the queue of a destination open.
func (b *Buffer) has(to string) bool {
	return len(b.live(func(m *member) bool { return slices.Contains(m.Destinations, to) })) > 0
}
