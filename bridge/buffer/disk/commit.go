package disk

import (
	"errors"
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/disk/vfs"
	"github.com/siembridge/siembridge/bridge/buffer/keys"
)

const (
	// groupBytes is about how much Raw one commit takes up, unless a single batch is larger.
	groupBytes = 4 << 20
	// groupRequests bounds the requests of one commit.
	groupRequests = 1024
	// housekeeping is how often what time alone brings about is looked after.
	housekeeping = time.Minute
	// savedEvery is after how many records appended or released the positions are written into the log.
	savedEvery = 4096
	savedAlone = 16384 // the same, where nothing else is written into the log
)

// committer is what only the goroutine that commits uses.
type committer struct {
	keys     keyIndex
	w        *writer // the active segment; nil: the next commit begins one
	end      end     // of the log, as committed
	unsaved  int     // records appended and released since positions were written into the log
	reserve  reserve
	progress progressFile
	dropFrom position // before it nothing can be dropped
	// dropFailed is how many bytes dropping was last asked for in vain, 0 when it was not. Until something is released
	// or appended it need not be asked for as many again.
	dropFailed int64
	scratch    map[keyID]keys.State // of a decision
	states     map[keyID]keys.State // of a plan
	block      []byte               // the writers\' buffer; one is in use at a time
	broken     error                // the index cannot be read any more
}

// run is the committer: it takes what was asked meanwhile as one group, commits it, and answers. A lone request waits
// for nothing; requests that come during a commit share the next.
func (b *Buffer) run() {
	defer close(b.closed)
	tick := time.NewTicker(housekeeping)
	defer tick.Stop()
	for {
		var group []*request
		select {
		case r := <-b.requests:
			group = b.gather(r)
		case <-b.progress.due():
			b.storeProgress()
			continue
		case <-tick.C:
		case <-b.closing:
			b.shutDown()
			return
		}
		b.serve(group)
		b.keepHouse(len(group) == 0)
	}
}

// gather returns the first request and those that came with it.
func (b *Buffer) gather(first *request) []*request {
	group, size := []*request{first}, first.size()
	for size < groupBytes && len(group) < groupRequests {
		select {
		case r := <-b.requests:
			group, size = append(group, r), size+r.size()
		default:
			return group
		}
	}
	return group
}

// need is how many bytes appends take.
func need(appends []*request) (n int64) {
	for _, r := range appends {
		n += int64(r.size())
	}
	return n
}

func (r *request) size() (n int) {
	if r.batch != nil {
		for i := range r.batch.Records {
			n += len(r.batch.Records[i].Raw)
		}
	}
	return n
}

// serve answers a group of requests, and the appends that wait for room.
func (b *Buffer) serve(group []*request) {
	var releases, appends []*request
	for _, r := range slices.Concat(b.waiting, group) {
		switch {
		case !r.claimed.CompareAndSwap(false, true):
			// Who asked has given up.
		case b.broken != nil:
			r.done <- b.broken
		case r.admin != nil:
			r.done <- explain(b.dir, r.admin())
		case r.batch != nil:
			appends = append(appends, r)
		default:
			releases = append(releases, r)
		}
	}
	if len(releases)+len(appends) == 0 {
		b.wait(nil)
		return
	}
	if len(appends) == 0 && b.putOff(releases) {
		answer(releases, nil)
		return
	}
	refused, err := b.commit(releases, appends, false)
	if isFull(err) && len(appends) > 0 && b.retireForSpace(need(appends)) {
		refused, err = b.commit(releases, appends, false)
	}
	if isFull(err) && len(releases) > 0 {
		// The log cannot grow, but what is delivered shall count as delivered.
		b.wait(nil)
		answer(appends, explain(b.dir, err))
		b.reserve.give()
		appends, refused = nil, nil
		_, err = b.commit(releases, nil, true)
	}
	if err != nil {
		refused = nil
	}
	b.wait(refused)
	err = explain(b.dir, err)
	answer(releases, err)
	answer(slices.DeleteFunc(appends, func(r *request) bool { return slices.Contains(refused, r) }), err)
}

func answer(requests []*request, err error) {
	for _, r := range requests {
		r.done <- err
	}
}

// wait lets appends wait for room. One whose context has ended meanwhile is answered.
func (b *Buffer) wait(refused []*request) {
	b.mu.Lock()
	b.waiting = slices.Clone(refused)
	b.mu.Unlock()
	for _, r := range refused {
		r.claimed.Store(false)
		if r.ctx.Err() != nil && r.claimed.CompareAndSwap(false, true) {
			r.ended.Store(true)
			r.done <- r.ctx.Err()
		}
	}
}

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

// shutDown ends the committer: what waits is answered, positions and closing times are stored, files are closed.
func (b *Buffer) shutDown() {
	for _, r := range b.waiting {
		if r.claimed.CompareAndSwap(false, true) {
			r.done <- buffer.ErrClosed
		}
	}
	for {
		select {
		case r := <-b.requests:
			if r.claimed.CompareAndSwap(false, true) {
				r.done <- buffer.ErrClosed
			}
			continue
		default:
		}
		break
	}
	b.closeErr = errors.Join(b.closeAllQueues(), b.release())
}

// release closes all files.
func (b *Buffer) release() error {
	var errs []error
	if b.w != nil {
		errs = append(errs, b.w.file.Close())
	}
	// A damaged index is left as it is: bbolt may have panicked while it held its locks, and would wait for them.
	if b.db != nil && b.broken == nil {
		errs = append(errs, closeIndex(b.db))
	}
	errs = append(errs, b.progress.close(), b.quarantine.close())
	if b.lock != nil {
		errs = append(errs, b.lock.Close())
	}
	return errors.Join(errs...)
}

// view runs f in a transaction that reads the index.
func (b *Buffer) view(f func(tx *bolt.Tx) error) error {
	return guard(func() error { return b.db.View(f) })
}
