package disk

import (
	"errors"
	"fmt"
	"slices"

	bolt "go.etcd.io/bbolt"

	"github.com/siembridge/siembridge/bridge/buffer/disk/vfs"
)

// commit stores a group by one transaction. It returns the appends for which there is no room. With lean, nothing is
// written into the log.
func (b *Buffer) commit(releases, appends []*request, lean bool) (refused []*request, err error) {
	p := newPlan(b)
	p.release(releases)
	err = b.transact(p, func() error {
		full := false
		for _, r := range appends {
			ok, err := p.append(r, full)
			if err != nil {
				return err
			}
			if !ok {
				full = true
				refused = append(refused, r)
			}
		}
		if !lean {
			return p.savePositions()
		}
		return nil
	})
	return refused, err
}

// transact carries out a plan: fill adds to it within the transaction; then the log is synced, the index written, and
// memory follows. The order makes every instant safe to crash at:
//
//	frames written, not synced   the index does not know of them; opening cuts them off
//	frames synced                the same
//	index committed              everything is stored, keys, checkpoints and positions with it
//	memory updated               what was asked is answered
//	old segments deleted         opening deletes those that the index no longer lists
func (b *Buffer) transact(p *plan, fill func() error) error {
	if b.broken != nil {
		return b.broken
	}
	tried := false
	err := guard(func() error {
		tx, err := b.db.Begin(true)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		p.tx = tx
		if err := fill(); err != nil {
			return err
		}
		if p.empty() {
			return nil
		}
		if err := p.syncLog(); err != nil {
			return err
		}
		if err := p.put(); err != nil {
			return err
		}
		tried = true
		return b.opts.Transaction(tx.Commit)
	})
	switch {
	case err == nil && p.empty():
		b.dropFailed = p.dropFailed
		return nil
	case err == nil:
		b.stored(p)
		return nil
	case tried:
		// A commit that was reported as failed may have happened. What the index says now is what counts.
		now, readErr := readEnd(b.db)
		if readErr != nil {
			b.break_(readErr)
		} else if now.commits == p.end.commits {
			b.stored(p)
			return err
		}
	case errors.Is(err, errIndexDamaged):
		b.break_(err)
	}
	b.undo(p)
	return err
}

// syncLog makes all frames durable, and the folder's entries of new segments.
func (p *plan) syncLog() error {
	if !p.wrote {
		return nil
	}
	if err := p.sync(p.w); err != nil {
		return err
	}
	if len(p.created) > 0 {
		return p.b.opts.FS.SyncDir(p.b.logDir)
	}
	return nil
}

// put writes the plan into the index.
func (p *plan) put() error {
	for i, name := range p.sources {
		if err := p.end.put(p.tx, bucketSources, bigEndian(uint64(len(p.b.sourceNames)+i)), []byte(name)); err != nil {
			return err
		}
	}
	for source, checkpoint := range p.checkpoints {
		if err := p.end.put(p.tx, bucketCheckpoints, []byte(source), checkpoint); err != nil {
			return err
		}
	}
	if err := p.b.keys.put(p.tx, p.states); err != nil {
		return err
	}
	if err := p.putSegments(); err != nil {
		return err
	}
	if err := p.putDestinations(); err != nil {
		return err
	}
	return p.tx.Bucket(bucketMeta).Put(keyEnd, p.end.row())
}

func (p *plan) putSegments() error {
	for id, s := range p.changed {
		if err := p.end.put(p.tx, bucketSegments, bigEndian(id), s.row()); err != nil {
			return err
		}
	}
	for _, s := range p.added {
		if err := p.end.put(p.tx, bucketSegments, bigEndian(s.id), s.row()); err != nil {
			return err
		}
	}
	for _, id := range p.removed {
		if err := p.end.delete(p.tx, bucketSegments, bigEndian(id)); err != nil {
			return err
		}
	}
	return nil
}

func (p *plan) putDestinations() error {
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	for d := range p.rows {
		p.of(d)
	}
	removed := p.deleted()
	for d, progress := range p.progress {
		progress.dropped = d.progress.dropped + p.dropped[d]
		for _, s := range removed {
			progress.gone(s)
		}
		if err := p.end.put(p.tx, bucketDestinations, []byte(d.name), d.row(progress, d.resume(progress, p.next[d]))); err != nil {
			return err
		}
	}
	for _, name := range p.forget {
		if err := p.end.delete(p.tx, bucketDestinations, []byte(name)); err != nil {
			return err
		}
	}
	return nil
}

// deleted returns the segments that are removed. b.mu is held.
func (p *plan) deleted() (segments []*segment) {
	for _, s := range p.b.segments {
		if slices.Contains(p.removed, s.id) {
			segments = append(segments, s)
		}
	}
	return segments
}

// break_ notes that the index cannot be used any more, for this process and, so that it is rebuilt, for the next.
func (b *Buffer) break_(err error) {
	b.broken = fmt.Errorf("%w; %w", err, errBroken)
	b.logger.Error("the buffer's index cannot be read", "error", b.broken)
	markForRebuild(b.dir)
	close(b.broke)
}

var errBroken = errors.New("siembridge ends; its next start sets the index aside and rebuilds it from the log, which loses no record")

// Broken is closed when the index turned out to be damaged: the buffer has to be closed and opened again, which rebuilds
// it. The error says so.
func (b *Buffer) Broken() (<-chan struct{}, error) {
	return b.broke, fmt.Errorf("%w: %w", errIndexDamaged, errBroken)
}

// stored: a plan was committed, and with it what was put off.
func (b *Buffer) stored(p *plan) {
	b.progress.committed()
	b.apply(p)
}

// apply makes memory follow a plan that was carried out.
func (b *Buffer) apply(p *plan) {
	b.keys.applied(p.states)
	b.end = p.end
	b.unsaved = p.unsaved
	if p.dropFrom != nil {
		b.dropFrom = *p.dropFrom
	}
	b.dropFailed = p.dropFailed
	if len(p.settlements) > 0 || p.events {
		b.dropFailed = 0
	}
	if b.w != p.w && b.w != nil {
		b.w.file.Close()
	}
	b.w = p.w

	b.mu.Lock()
	for _, name := range p.sources {
		b.sourceIDs[name] = len(b.sourceNames)
		b.sourceNames = append(b.sourceNames, name)
	}
	for i, s := range b.segments {
		if changed, ok := p.changed[s.id]; ok {
			b.segments[i] = changed
		}
	}
	removed := p.deleted()
	b.segments = append(b.segments, p.added...)
	b.segments = slices.DeleteFunc(b.segments, func(s *segment) bool { return slices.Contains(p.removed, s.id) })
	for d, settlements := range p.settlements {
		for _, s := range settlements {
			d.progress.settle(s)
		}
		d.progress.dropped += p.dropped[d]
	}
	for _, d := range b.destinations {
		if len(p.sources) > 0 {
			b.want(d)
		}
		for _, s := range removed {
			d.progress.gone(s)
		}
		d.progress.prune(b.segments)
		if d.queue != nil {
			d.queue.trim()
			if p.events {
				d.queue.notify()
			}
		}
	}
	b.mu.Unlock()
	for _, id := range p.removed {
		if err := vfs.Remove(b.opts.FS, segmentPath(b.logDir, id)); err != nil {
			b.logger.Warn("a segment of the buffer that is needed no more cannot be deleted", "error", err)
		}
	}
}

// undo forgets a plan that was not committed. What it wrote is behind the end of the log; it is cut off where that
// is possible, and else no segment is continued that a failed write or sync has touched.
func (b *Buffer) undo(p *plan) {
	for _, w := range p.created {
		w.file.Close()
		vfs.Remove(b.opts.FS, segmentPath(b.logDir, w.id))
	}
	if b.w == nil || !p.wrote {
		return
	}
	s := b.segments[len(b.segments)-1]
	if p.syncFailed || b.w.file.Truncate(s.size) != nil {
		b.w.file.Close()
		b.w = nil
		return
	}
	b.w.off, b.w.buf, b.w.synced = s.size, b.w.buf[:0], true
}

// view runs f in a transaction that reads the index.
func (b *Buffer) view(f func(tx *bolt.Tx) error) error {
	return guard(func() error { return b.db.View(f) })
}
