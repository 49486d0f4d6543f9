package disk

import (
	"maps"
	"slices"

	bolt "go.etcd.io/bbolt"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/keys"
)

// plan is what one commit is going to change. Memory keeps the state as committed until apply.
type plan struct {
	b   *Buffer
	tx  *bolt.Tx
	end end
	w   *writer

	changed map[uint64]*segment // copies of segments that grow
	added   []*segment
	created []*writer // of the added segments
	removed []uint64
	wrote   bool // frames were written, or are buffered to be

	syncFailed bool
	events     bool
	unsaved    int
	accepted   int64 // bytes of this plan's records that some destination wants

	sources     []string             // that got their number in this plan
	states      map[keyID]keys.State // valid until the next plan
	checkpoints map[string][]byte

	progress    map[*destination]*progress // copies of those that move
	next        map[*destination]position  // where their queues read on when the copies were made
	settlements map[*destination][]settlement
	dropped     map[*destination]uint64
	rows        map[*destination]bool // whose row is written although nothing moved
	forget      []string              // destinations to forget

	dropFrom   *position
	dropFailed int64
}

func newPlan(b *Buffer) *plan {
	p := &plan{
		b: b, end: b.end, w: b.w, unsaved: b.unsaved, dropFailed: b.dropFailed,
		changed: map[uint64]*segment{}, states: b.states, checkpoints: map[string][]byte{},
		progress: map[*destination]*progress{}, next: map[*destination]position{}, settlements: map[*destination][]settlement{},
		dropped: map[*destination]uint64{}, rows: map[*destination]bool{},
	}
	clear(p.states)
	for d := range b.progress.moved {
		p.rows[d] = true
	}
	p.end.commits++
	return p
}

// empty tells whether there is nothing to commit.
func (p *plan) empty() bool {
	return !p.wrote && len(p.removed)+len(p.states)+len(p.checkpoints)+len(p.settlements)+len(p.rows)+len(p.forget) == 0
}

// release settles what queues have delivered. Numbers that a queue has not taken are passed over.
func (p *plan) release(releases []*request) {
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	for _, r := range releases {
		if r.queue.closed {
			continue // Release looks at that again
		}
		for _, number := range r.numbers {
			if t, ok := r.queue.find(number); ok {
				p.settle(r.queue.d, settlement{number, t.at.segment, int(t.source), int64(t.bytes), false})
			}
		}
	}
}

// settle takes one record as settled for a destination. b.mu is held.
func (p *plan) settle(d *destination, s settlement) bool {
	if !p.of(d).settle(s) {
		return false
	}
	p.settlements[d] = append(p.settlements[d], s)
	p.unsaved++
	return true
}

// of returns the copy of a destination's progress that this plan moves. b.mu is held.
func (p *plan) of(d *destination) *progress {
	c := p.progress[d]
	if c == nil {
		c = d.progress.clone()
		p.progress[d], p.next[d] = c, d.next()
	}
	return c
}

// append decides on the records of a batch and writes those that are events. It tells false, and changes nothing,
// when there is no room for them; full says that a batch before this one found none.
func (p *plan) append(r *request, full bool) (ok bool, err error) {
	if r.need > 0 && p.b.dropFailed > 0 && len(p.settlements) == 0 {
		return false, nil // nothing has changed since it was refused
	}
	d := p.decide(r)
	if d.need > 0 {
		if full && !ofBridge(r.batch) || !p.makeRoom(r.batch, d.need) {
			r.need = d.need
			return false, nil
		}
		if err := p.write(r, d); err != nil {
			return false, err
		}
	}
	if len(p.states) == 0 { // of the first batch, most often the only one, they are the plan's
		p.states, p.b.states, p.b.scratch = d.states, d.states, p.states
	} else {
		maps.Copy(p.states, d.states)
	}
	if r.batch.Checkpoint != nil {
		p.checkpoints[r.batch.Source] = r.batch.Checkpoint
	}
	r.stored, r.outcome = d.stored, d.outcome
	return true, nil
}

// decision is what becomes of a batch.
type decision struct {
	stored  []stored
	states  map[keyID]keys.State // valid until the next decision
	outcome buffer.Outcome
	need    int64 // bytes of the frames
}

// decide decides on the records of a batch.
func (p *plan) decide(r *request) decision {
	clear(p.b.scratch)
	d := decision{states: p.b.scratch}
	lost := p.b.losers(r.batch.Source)
	d.outcome = keys.DecideBatch(r.batch, func(i int) (keys.State, bool) {
		state, seen := p.lookup(d.states, r.ids[i])
		if seen && state.Number > 0 && slices.ContainsFunc(lost, func(at settled) bool { return at.contains(state.Number) }) {
			return keys.State{}, r.batch.Records[i].Summary > 0 // which is an event as an update only
		}
		return state, seen
	},
		func(i int, v keys.Verdict, state keys.State) {
			if v != keys.Remembered {
				rec := &r.batch.Records[i]
				state.Number = p.end.next + uint64(len(d.stored))
				d.stored = append(d.stored, stored{i, state.Number, v == keys.Update})
				d.need += int64(frameHeader + recordHeader + len(r.batch.Source) + len(rec.API) + len(rec.Key) + len(rec.Raw))
			}
			d.states[r.ids[i]] = state
		})
	return d
}

func (p *plan) lookup(batch map[keyID]keys.State, id keyID) (keys.State, bool) {
	if s, ok := batch[id]; ok {
		return s, true
	}
	if s, ok := p.states[id]; ok {
		return s, true
	}
	return p.b.keys.lookup(p.tx, id)
}

// write puts the events of a batch into the log.
func (p *plan) write(r *request, d decision) error {
	source := p.sourceID(r.batch.Source)
	for _, s := range d.stored {
		rec := r.batch.Records[s.index]
		rec.Source, rec.Number, rec.Update = r.batch.Source, s.number, s.update
		size := int64(recordSize(&rec) + len(rec.Raw))
		if err := p.roomInSegment(size); err != nil {
			return err
		}
		p.w.buf = appendRecord(p.w.buf, p.b.seed, &rec)
		if err := p.w.raw(rec.Raw); err != nil {
			return err
		}
		p.active().add(s.number, source, stamp(rec.Pulled), size)
	}
	p.end.next += uint64(len(d.stored))
	p.unsaved += len(d.stored)
	p.events = true
	if p.b.wantedByAny(r.batch.Source) {
		p.accepted += d.need
	}
	return nil
}

// sourceID returns the number of a source, and gives it one if it has none.
func (p *plan) sourceID(name string) int {
	if id, ok := p.b.sourceIDs[name]; ok {
		return id
	}
	if i := slices.Index(p.sources, name); i >= 0 {
		return len(p.b.sourceNames) + i
	}
	p.sources = append(p.sources, name)
	return len(p.b.sourceNames) + len(p.sources) - 1
}

// active returns this plan's copy of the segment that is written to.
func (p *plan) active() *segment {
	if n := len(p.added); n > 0 {
		return p.added[n-1]
	}
	s, ok := p.changed[p.w.id]
	if !ok {
		s = p.b.segments[len(p.b.segments)-1].clone()
		p.changed[s.id] = s
	}
	return s
}

// roomInSegment sees to it that there is an active segment with room for a frame. One frame always has room in a
// segment of its own.
func (p *plan) roomInSegment(size int64) error {
	p.wrote = true
	if p.w != nil && (p.w.size()+size <= p.b.opts.segmentSize || p.w.size() <= segmentHeader) {
		return nil
	}
	if p.w != nil {
		if err := p.sync(p.w); err != nil {
			return err
		}
	}
	w, err := createSegment(p.b.opts.FS, p.b.logDir, p.b.id, p.end.segment, p.b.block)
	if err != nil {
		return err
	}
	p.end.segment++
	p.w = w
	p.created = append(p.created, w)
	p.added = append(p.added, &segment{id: w.id, size: segmentHeader, newest: noTime})
	if len(p.created) > 1 {
		p.created[len(p.created)-2].file.Close()
	}
	return nil
}

func (p *plan) sync(w *writer) error {
	err := w.sync()
	p.syncFailed = p.syncFailed || err != nil
	return err
}

// savedEvery is after how many records appended or released the positions are written into the log.
const (
	savedEvery = 4096
	savedAlone = 16384 // the same, where nothing else is written into the log
)

// savePositions writes the destinations' positions into the log: at the beginning of a segment, and every so many
// records. An index that has to be rebuilt has them from there.
func (p *plan) savePositions() error {
	every := savedEvery
	if !p.wrote { // the log would be synced for this alone
		every = savedAlone
	}
	if p.unsaved < every && len(p.added) == 0 {
		return nil
	}
	p.b.mu.Lock()
	var saved []savedPosition
	for _, d := range p.b.destinations {
		at := d.progress
		if c := p.progress[d]; c != nil {
			at = c
		}
		saved = append(saved, savedPosition{d.name, at.low, at.dropped, d.overflow})
	}
	p.b.mu.Unlock()
	p.unsaved = 0
	if len(saved) == 0 {
		return nil
	}
	frame := appendPositions(nil, p.b.seed, saved)
	if err := p.roomInSegment(int64(len(frame))); err != nil {
		return err
	}
	p.active().size += int64(len(frame))
	p.w.buf = append(p.w.buf, frame...)
	return nil
}
