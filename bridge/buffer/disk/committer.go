package disk

import (
	"errors"
	"slices"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/keys"
)

const (
	// groupBytes is about how much Raw one commit takes up, unless a single batch is larger.
	groupBytes = 4 << 20
	// groupRequests bounds the requests of one commit.
	groupRequests = 1024
	// housekeeping is how often what time alone brings about is looked after.
	housekeeping = time.Minute
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

	houseFailed bool // housekeeping failed when it was done last
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
		b.wait(nil)
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
