package jetstream

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// apply takes in a state, if it is newer than the one that is known.
func (b *Buffer) apply(subject string, seq uint64, body []byte) {
	if b.docs[subject].seq >= seq {
		return
	}
	if len(body) == 0 {
		body = nil
	}
	b.docs[subject] = doc{seq, body, b.beats}
	switch {
	case strings.HasPrefix(subject, ofSource):
		b.applySource(name(subject[len(ofSource):]), body)
	case strings.HasPrefix(subject, ofDestination):
		b.applyDestination(name(subject[len(ofDestination):]), seq, body)
	case strings.HasPrefix(subject, ofLane):
		to, number, _ := strings.Cut(subject[len(ofLane):], ".")
		if d := b.destinations[name(to)]; d != nil {
			if i, err := strconv.Atoi(number); err == nil && 0 <= i && i < Lanes {
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
