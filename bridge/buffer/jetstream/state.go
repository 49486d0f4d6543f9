package jetstream

import (
	"slices"
	"strconv"
	"time"
)

// doc is a state as this instance knows it.
type doc struct {
	seq  uint64
	body []byte // nil: forgotten
	beat uint64 // this instance's beats when it was taken in
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

// laneSubject is where a lane stands.
func laneSubject(to string, i int) string { return ofLane + token(to) + "." + strconv.Itoa(i) }

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
