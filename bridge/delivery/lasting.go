package delivery

import (
	"context"
	"slices"
	"time"

	"github.com/siembridge/siembridge/bridge/transport"
)

// repeatBytes is how much is sent again after an unclean end of a lasting connection, beyond what was acknowledged:
// the receiver's program may not have read that.
const repeatBytes = 1 << 20

// lately is how long a receiver may have what it has read in its memory alone: what was acknowledged in the last second
// before it closed is sent again, at most 256 KiB.
const lately = time.Second

// farewell is how long a receiver that is left has to close its side, which shows that it has read everything.
const farewell = time.Second

// ackPoll is how often the kernel is asked for acknowledgements while some are awaited.
const ackPoll = 5 * time.Millisecond

// lasting serves one connection that is kept, and releases what the peer's TCP has acknowledged (confirm = "ack").
func (w *Worker) lasting(ctx context.Context, c *peerConn) {
	defer c.Close()
	w.limited = w.watch(c)
	defer w.limited.stop()
	w.ledger.forgive()
	w.releaseItems(w.ledger.survivedAll())
	l := &lastingConn{w: w, c: c}
	defer l.stop()
	end := l.serve(ctx)
	if end == nil {
		_ = c.HalfClose()
		end = l.drain()
		l.releaseAcked()
		if end != nil && end.Kind == transport.EndFIN && len(w.ledger.current) == 0 {
			w.trust()
			return
		}
	}
	l.releaseAcked()
	w.trace(c, c.ending(end, false))
	carried := len(w.ledger.current)
	switch {
	case end == nil && ctx.Err() != nil: // the next run recalls what may be unread
		w.ledger.broke(nil)
		return
	case end == nil: // left for a better address, without a sign that all was read
		w.ledger.broke(l.recent)
		return
	case end.Kind == transport.EndFIN: // it has read what its TCP has acknowledged
		young := l.youngerThan(time.Now().Add(-lately))
		young = young[tailStart(young, tailBytes):]
		carried += len(young)
		w.ledger.broke(young)
	default:
		carried += len(l.recent)
		w.ledger.broke(l.recent)
	}
	if carried > 0 {
		w.unclean(c, end, carried)
	}
}

// lastingConn is a lasting connection with the last MiB that was released on it.
type lastingConn struct {
	w          *Worker
	c          *peerConn
	recent     []item
	acks       []time.Time // when each of recent was acknowledged
	recentSize int
	acked      int     // bytes of frames that are released
	watched    *watch  // while an acknowledgement is awaited
	again      reprobe // of a receiver that could not confirm
	learned    bool    // it has shown since that it answers a half-close
	lives      bool    // it was there a moment after it was made
}

// serve sends until the connection ends, or returns nil when it has had its time.
func (l *lastingConn) serve(ctx context.Context) *transport.End {
	w := l.w
	for {
		l.releaseAcked()
		if ctx.Err() != nil || l.confirmsNow() || l.betterThere() {
			return nil
		}
		if end := w.announce(l.c); end != nil {
			return end
		}
		chunk, events := w.chunk(ctx)
		if len(chunk) > 0 {
			if end := w.rateLimit(l.c, events); end != nil {
				w.ledger.again = join(chunk, w.ledger.again)
				return end
			}
			if end := w.send(l.c, chunk); end != nil {
				return end
			}
			if w.hard.Err() != nil {
				return nil
			}
			continue
		}
		if end := l.wait(ctx); end != nil {
			return end
		}
	}
}

// confirmsNow looks now and then whether a receiver that could not confirm has learned to.
func (l *lastingConn) confirmsNow() bool {
	p := l.c.peer
	if now := time.Now(); l.w.failover.askAgain(p, now) {
		l.w.failover.asking(p, now)
		l.again.start(l.w, p)
	}
	if !l.again.answered() {
		return false
	}
	l.learned = true
	l.w.answered(p)
	l.w.o.Logger.Info("the receiver answers a half-close now; back to confirm = \"close\"", "destination", l.w.o.Name, "address", p.address)
	return true
}

// betterThere looks for an address that comes before this one, and reports whether there is a connection to it.
func (l *lastingConn) betterThere() bool {
	if p := l.w.failover.better(l.c.peer, time.Now()); p != nil {
		l.w.better.open(l.w, p, "")
	}
	return l.w.better.lives()
}

// wait returns when there may be something to do.
func (l *lastingConn) wait(ctx context.Context) *transport.End {
	w := l.w
	wait := checkEvery
	switch {
	case len(w.ledger.current) > 0:
		wait = ackPoll
	case !l.lives:
		wait = lately
	}
	batches := w.batches
	if len(w.pending) > 0 {
		batches = nil // there is a batch at hand already
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case w.pending = <-batches:
	case <-w.announced:
	case e := <-l.c.Ended():
		return &e
	case <-timer.C:
		if len(w.ledger.current) == 0 { // nothing is awaited, and the peer keeps the connection
			l.lives = true
			w.recovered()
		}
	case <-l.again.done:
	case <-l.tick():
		if l.watched.dead() {
			return &transport.End{Kind: transport.EndLost, Err: errDead}
		}
	case <-ctx.Done():
	}
	return nil
}

// tick is when to look whether the peer is still there; never while nothing is awaited.
func (l *lastingConn) tick() <-chan time.Time {
	if len(l.w.ledger.current) == 0 {
		if l.watched != nil {
			l.watched.stop()
			l.watched = nil
		}
		return nil
	}
	if l.watched == nil {
		l.watched = l.w.watch(l.c)
	}
	return l.watched.tick()
}

func (l *lastingConn) stop() {
	if l.watched != nil {
		l.watched.stop()
	}
	l.again.stop()
}

// drain waits for the last acknowledgements after our half-close, and then for the end of the peer's side: without a
// limit when it is known to answer a half-close, else for farewell. nil: there is none, or the bridge stops.
func (l *lastingConn) drain() *transport.End {
	for len(l.w.ledger.current) > 0 {
		l.releaseAcked()
		timer := time.NewTimer(ackPoll)
		select {
		case e := <-l.c.Ended():
			timer.Stop()
			return &e
		case <-l.tick():
			if l.watched != nil && l.watched.dead() {
				timer.Stop()
				return &transport.End{Kind: transport.EndLost, Err: errDead}
			}
		case <-l.w.hard.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		timer.Stop()
	}
	if l.learned {
		return l.w.awaitEnd(l.w.hard, l.c)
	}
	timer := time.NewTimer(farewell)
	defer timer.Stop()
	select {
	case e := <-l.c.Ended():
		return &e
	case <-timer.C:
	case <-l.w.hard.Done():
	}
	return nil
}

// releaseAcked releases what the peer's TCP has acknowledged; where the system does not tell, what was written.
func (l *lastingConn) releaseAcked() {
	frames, known := l.c.ackedFrames()
	if !known {
		frames = l.c.wrote()
	}
	if frames <= l.acked || !l.w.doubt() {
		return
	}
	released, upTo := l.w.ledger.acknowledged(frames, l.acked)
	l.acked = upTo
	if len(l.c.marks) > 64 { // keep the marks short: the first ones are acknowledged long ago
		for len(l.c.marks) > 1 && l.c.marks[0].frames < upTo {
			l.c.marks = l.c.marks[1:]
		}
	}
	if len(released) == 0 {
		return
	}
	l.w.failover.acknowledged()
	l.w.recovered()
	l.w.releaseItems(released)
	now := time.Now()
	for _, it := range released {
		it.sent, it.delivered = true, true
		l.recent, l.acks = append(l.recent, it), append(l.acks, now)
		l.recentSize += len(it.frames)
	}
	for len(l.recent) > 0 && l.recentSize-len(l.recent[0].frames) >= repeatBytes {
		l.recentSize -= len(l.recent[0].frames)
		l.recent, l.acks = l.recent[1:], l.acks[1:]
	}
}

// youngerThan returns what was acknowledged after an instant.
func (l *lastingConn) youngerThan(at time.Time) []item {
	n, _ := slices.BinarySearchFunc(l.acks, at, time.Time.Compare)
	return l.recent[n:]
}
