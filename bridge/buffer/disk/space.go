package disk

import (
	"errors"
	"slices"

	bolt "go.etcd.io/bbolt"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// bridgeRoom is how much above the limit is kept for records of the bridge itself, so that it can still say that the
// buffer is full.
const bridgeRoom = 8 << 20

// ofBridge tells whether all records of a batch are the bridge's own.
func ofBridge(batch *buffer.Batch) bool {
	return !slices.ContainsFunc(batch.Records, func(r buffer.Record) bool { return r.API != buffer.APIBridge })
}

// want works out which numbers of sources a destination wants. b.mu is held.
func (b *Buffer) want(d *destination) {
	d.wanted = make([]bool, len(b.sourceNames))
	for i, name := range b.sourceNames {
		d.wanted[i] = len(d.sources) == 0 || slices.Contains(d.sources, name)
	}
}

// wantedByAny tells whether some destination wants the records of a source.
func (b *Buffer) wantedByAny(source string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range b.destinations {
		if len(d.sources) == 0 || slices.Contains(d.sources, source) {
			return true
		}
	}
	return false
}

// pendingIn returns the bytes in a segment that some destination has yet to deliver. For each source the destination
// that is furthest behind counts: what the others need is part of that. b.mu is held.
func (b *Buffer) pendingIn(s *segment, p *plan) (bytes int64) {
	for source := range s.sources {
		var most int64
		for _, d := range b.destinations {
			if !d.wants(source) {
				continue
			}
			at := d.progress
			if p != nil && p.progress[d] != nil {
				at = p.progress[d]
			}
			most = max(most, at.outstanding(s, source).bytes)
		}
		bytes += most
	}
	return bytes
}

// sizes returns the bytes that are pending and the bytes on disk, this plan's included. What is there only because it
// was released last does not count: it may not be deleted.
func (p *plan) sizes() (pending, total int64) {
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	kept := p.b.kept(p)
	for _, s := range p.b.segments {
		if slices.Contains(p.removed, s.id) {
			continue
		}
		needed := p.b.pendingIn(s, p)
		pending += needed
		if needed == 0 && kept[s.id] {
			continue
		}
		if c := p.changed[s.id]; c != nil {
			s = c
		}
		total += s.size
	}
	for _, s := range p.added {
		total += s.size
	}
	return pending + p.accepted, total
}

// makeRoom sees to it that there is room for a batch's records, and tells whether there is. Retained records go
// first; then, where the destinations that are behind allow it, the oldest pending ones.
func (p *plan) makeRoom(batch *buffer.Batch, need int64) bool {
	limit := p.b.opts.MaxSize
	if ofBridge(batch) {
		limit += bridgeRoom
	}
	pending, total := p.sizes()
	if pending > 0 && pending+need > limit && p.b.wantedByAny(batch.Source) {
		if !p.drop(min(pending+need-limit, pending)) {
			return false
		}
	}
	p.retire(total + need - limit)
	// A segment is deleted as a whole, so that a few pending records can hold much more on disk than they count.
	// Beyond this slack that is full, too.
	slack := 2 * p.b.opts.segmentSize
	if pending, total = p.sizes(); pending > 0 && total+need > limit+slack {
		if !p.drop(min(total+need-limit-slack, pending)) {
			return false
		}
		p.retire(total + need - limit)
	}
	return true
}

// retire deletes the oldest segments that nobody needs any more until so many bytes are free, or none is left.
func (p *plan) retire(excess int64) {
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	if excess <= 0 {
		return
	}
	kept := p.b.kept(p)
	for _, s := range p.b.segments {
		if excess <= 0 {
			return
		}
		if p.w != nil && s.id == p.w.id || p.changed[s.id] != nil || kept[s.id] || slices.Contains(p.removed, s.id) {
			continue
		}
		if p.b.pendingIn(s, p) == 0 {
			p.removed = append(p.removed, s.id)
			excess -= s.size
		}
	}
}

// keepHouse does what time and size bring about. idle says that nothing was asked for a while. What fails, as on a full
// disk, waits for the next such while.
func (b *Buffer) keepHouse(idle bool) {
	if b.broken != nil || b.houseFailed && !idle {
		return
	}
	b.houseFailed = false
	if idle {
		b.reserve.hold()
		b.logged("a queue that was closed 7 days ago cannot be removed", b.forgetClosed())
		if len(b.waiting) > 0 {
			b.serve(nil)
		}
	}
	b.logged("delivered records that are past their time cannot be removed", b.retireOld(idle))
	if b.keys.full() {
		b.logged("the keys cannot be sorted", b.foldKeys())
	}
	if b.keys.expired(b.now()) {
		b.logged("old keys cannot be removed", b.expireKeys())
	}
}

// logged notes and logs an error of housekeeping.
func (b *Buffer) logged(what string, err error) {
	if err != nil {
		b.logger.Warn(what, "error", err)
		b.houseFailed = true
	}
}

// retireOld deletes the segments that nobody needs and whose newest record is older than Retain. The active one goes
// when it is worth a new file, or when there is nothing else to do.
func (b *Buffer) retireOld(idle bool) error {
	before := b.now() - int64(b.opts.Retain)
	_, err := b.retireDelivered(func(s *segment, active bool) bool {
		return s.newest < before && (!active || idle || s.size >= writeSize)
	})
	return err
}

// retireForSpace deletes the oldest segments that nobody needs any more, for the sake of so many bytes on a full disk.
// It reports whether there was one.
func (b *Buffer) retireForSpace(need int64) bool {
	b.reserve.give() // the index needs some space to forget a segment
	removed, err := b.retireDelivered(func(s *segment, _ bool) bool {
		wanted := need > 0
		if wanted {
			need -= s.size
		}
		return wanted
	})
	b.logged("delivered records cannot be removed to make room on a full disk", err)
	if removed > 0 && err == nil {
		b.logger.Warn("the disk is full: delivered records were removed before their time, oldest first", "dir", b.dir, "segments", removed)
	}
	return removed > 0 && err == nil
}

// retireDelivered deletes the segments that nobody needs and that may go, oldest first.
func (b *Buffer) retireDelivered(may func(s *segment, active bool) bool) (removed int, err error) {
	p := newPlan(b)
	b.mu.Lock()
	kept := b.kept(p)
	for _, s := range b.segments {
		active := b.w != nil && s.id == b.w.id
		if s.first == 0 && active || kept[s.id] || b.pendingIn(s, nil) > 0 || !may(s, active) {
			continue
		}
		p.removed = append(p.removed, s.id)
		if active {
			p.w = nil
		}
	}
	b.mu.Unlock()
	if len(p.removed) == 0 {
		return 0, nil
	}
	return len(p.removed), b.transact(p, func() error { return nil })
}

// forgetClosed removes the queues that were closed longer ago than queueLife.
func (b *Buffer) forgetClosed() error {
	p := newPlan(b)
	b.mu.Lock()
	for name, d := range b.destinations {
		if d.queue == nil && d.closed < b.now()-int64(queueLife) {
			b.logger.Warn("the records pending for a destination that was removed 7 days ago are dropped",
				"destination", name, "records", b.pendingOf(d).records)
			p.forget = append(p.forget, name)
		}
	}
	b.mu.Unlock()
	if len(p.forget) == 0 {
		return nil
	}
	if err := b.transact(p, func() error { return nil }); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, name := range p.forget {
		delete(b.destinations, name)
	}
	b.dropFailed = 0
	return nil
}

// foldKeys makes the recent keys a generation.
func (b *Buffer) foldKeys() error {
	var g generation
	err := b.update(func(tx *bolt.Tx) (err error) {
		g, err = b.keys.fold(tx, b.now())
		return err
	})
	if err != nil {
		return errors.Join(err, b.view(b.keys.load))
	}
	b.keys.folded(g)
	return nil
}

// expireKeys removes the oldest generation.
func (b *Buffer) expireKeys() error {
	if err := b.update(b.keys.expire); err != nil {
		return errors.Join(err, b.view(b.keys.load))
	}
	b.keys.forget()
	return nil
}

// update runs f in a transaction of its own.
func (b *Buffer) update(f func(tx *bolt.Tx) error) error {
	return update(b.db, b.opts.Transaction, f)
}
