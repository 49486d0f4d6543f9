package delivery

import (
	"context"
	"time"

	"github.com/siembridge/siembridge/bridge/transport"
)

// confirmed serves one connection that is confirmed by close: fill it, half-close it, see how it ends.
func (w *Worker) confirmed(ctx context.Context, c *peerConn) {
	defer c.Close()
	w.limited = w.watch(c)
	defer w.limited.stop()
	end := w.fill(ctx, c)
	until := w.hard
	if len(w.ledger.current) == 0 {
		until = w.patience(ctx)
	}
	if end == nil {
		if err := c.HalfClose(); err == nil {
			end = w.awaitEnd(until, c)
			w.settle(c, end, true)
			return
		}
		// The connection broke before it could be half-closed: its reader knows how.
		end = w.awaitEnd(until, c)
	}
	w.settle(c, end, false)
}

// fill sends until the connection is full, old or idle; then it returns nil. It returns the end if the peer ends first.
func (w *Worker) fill(ctx context.Context, c *peerConn) *transport.End {
	// A connection that was opened only after the end of the one before has to live through a grace of its own. One that
	// was there before that end has seen the receiver live on, and so have those before it.
	if c.since.After(w.ended) {
		w.ledger.proves(c.since)
	}
	deadline := time.Now().Add(w.o.ConfirmInterval)
	for {
		select {
		case e := <-c.Ended():
			return &e
		default:
		}
		late := grace
		if w.ledger.careful() {
			late = 0
		}
		next := w.graceOver(late)
		if w.ledger.bytes >= w.o.ConfirmBytes || w.ledger.full() || len(w.ledger.current) > 0 && !time.Now().Before(deadline) {
			return nil
		}
		if end := w.announce(c); end != nil {
			return end
		}
		var chunk []item
		var events int
		if next.IsZero() || !w.ledger.careful() {
			chunk, events = w.chunk(ctx)
		}
		if len(chunk) == 0 {
			again, end := w.idle(ctx, c, w.graceOver(0), deadline)
			if end != nil || !again {
				return end
			}
			continue
		}
		if len(w.ledger.current) == 0 {
			deadline = time.Now().Add(w.o.ConfirmInterval)
		}
		if end := w.rateLimit(c, events); end != nil {
			w.ledger.again = join(chunk, w.ledger.again)
			return end
		}
		if end := w.send(c, chunk); end != nil || w.hard.Err() != nil {
			return end
		}
		if !c.peer.takesOne() {
			w.spare.open(w, c.peer, c.Address())
		}
		if p := w.failover.better(c.peer, time.Now()); p != nil {
			w.better.open(w, p, "")
		}
	}
}

// chunk takes what goes into one write: what has to be sent again first, then what is rendered. Nothing new is taken
// after the end of ctx.
// The chunk is valid until the next one.
func (w *Worker) chunk(ctx context.Context) (chunk []item, events int) {
	clear(w.chunks)
	chunk = w.chunks[:0]
	defer func() { w.chunks = chunk }()
	size, most := 0, chunkBytes
	if w.limiter != nil {
		most = 1
	}
	room := len(w.ledger.current)
	for size < most && (w.ledger.limit == 0 || room+len(chunk) < w.ledger.limit) {
		it, ok := w.ledger.next()
		if !ok {
			if len(w.pending) == 0 && ctx.Err() == nil {
				select {
				case w.pending = <-w.batches:
				default:
				}
			}
			if len(w.pending) == 0 || ctx.Err() != nil {
				break
			}
			it, w.pending = w.pending[0], w.pending[1:]
		}
		chunk = append(chunk, it)
		size += len(it.frames)
		events += it.events
	}
	return chunk, events
}

// idle waits for more to send. again: there may be some; otherwise the connection has had its time.
func (w *Worker) idle(ctx context.Context, c *peerConn, nextGrace, deadline time.Time) (again bool, end *transport.End) {
	until := deadline
	if len(w.ledger.current) > 0 {
		if cut := w.lastCut.Add(idlePause); cut.Before(until) {
			until = cut
		}
		if ctx.Err() != nil || w.finishing.Load() || !time.Now().Before(until) {
			w.lastCut = time.Now()
			return false, nil
		}
	} else if nextGrace.IsZero() {
		return false, nil // nothing sent, nothing waited for
	}
	if !nextGrace.IsZero() && (nextGrace.Before(until) || len(w.ledger.current) == 0) {
		until = nextGrace
	}
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	batches := w.batches
	if ctx.Err() != nil || len(w.pending) > 0 || w.ledger.careful() {
		batches = nil
	}
	select {
	case w.pending = <-batches:
	case <-w.announced:
	case e := <-c.Ended():
		return false, &e
	case <-timer.C:
	case <-w.hard.Done():
		return false, nil
	}
	return true, nil
}

// send writes a chunk. A peer that takes nothing is waited for as long as its TCP answers.
func (w *Worker) send(c *peerConn, chunk []item) *transport.End {
	size, repeats := 0, 0
	for i := range chunk {
		repeats += w.ledger.add(chunk[i])
		size += len(chunk[i].frames)
	}
	if repeats > 0 {
		w.o.Metrics.resent.WithLabelValues(w.o.Name).Add(float64(repeats))
	}
	bytes := chunk[0].frames
	if len(chunk) > 1 { // every way out of here waits for the end of the write
		w.block = w.block[:0]
		for i := range chunk {
			w.block = append(w.block, chunk[i].frames...)
		}
		bytes = w.block
	}
	return w.write(c, bytes, size)
}
