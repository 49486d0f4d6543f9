package delivery

import (
	"context"
	"time"

	"github.com/siembridge/siembridge/bridge/transport"
)

// repeatBytes is how much is sent again after an unclean end of a lasting connection, beyond what was acknowledged:
// the receiver's program may not have read that.
const repeatBytes = 1 << 20

// ackPoll is how often the kernel is asked for acknowledgements while some are awaited.
const ackPoll = 5 * time.Millisecond

// lasting serves one connection that is kept, and releases what the peer's TCP has acknowledged (confirm = "ack").
func (w *Worker) lasting(ctx context.Context, c *peerConn) {
	defer c.Close()
	w.marks = w.marks[:0]
	w.hold(w.ledger.survivedAll())
	l := &lastingConn{w: w, c: c}
	end := l.serve(ctx)
	if end == nil {
		_ = c.HalfClose()
		end = l.drain()
	}
	l.releaseAcked()
	if end != nil && end.Kind == transport.EndFIN && len(w.ledger.current) == 0 {
		return
	}
	if end == nil && len(w.ledger.current) == 0 {
		return
	}
	carried := len(w.ledger.current) + len(l.recent)
	if end == nil {
		end = &transport.End{Kind: transport.EndLost, Err: errDead}
	}
	if end.Kind != transport.EndFIN {
		w.ledger.again = join(l.recent, w.ledger.again)
	}
	w.unclean(c, end, carried)
	w.ledger.lost()
	w.ledger.limit = 0
}

// lastingConn is a lasting connection with the last MiB that was released on it.
type lastingConn struct {
	w          *Worker
	c          *peerConn
	recent     []item
	recentSize int
	acked      int // bytes of frames that are released
}

func (l *lastingConn) serve(ctx context.Context) *transport.End {
	w := l.w
	for {
		l.releaseAcked()
		if ctx.Err() != nil || !w.o.Acknowledge && !w.peers.acknowledges(l.c.address) {
			return nil
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
		wait := checkEvery
		if len(w.ledger.current) > 0 {
			wait = ackPoll
		}
		batches := w.batches
		if len(w.pending) > 0 {
			batches = nil // there is a batch at hand already
		}
		timer := time.NewTimer(wait)
		select {
		case w.pending = <-batches:
		case e := <-l.c.Ended():
			timer.Stop()
			return &e
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// drain waits for the last acknowledgements after our half-close.
func (l *lastingConn) drain() *transport.End {
	for len(l.w.ledger.current) > 0 {
		l.releaseAcked()
		select {
		case e := <-l.c.Ended():
			return &e
		case <-l.w.hard.Done():
			return nil
		case <-time.After(ackPoll):
		}
	}
	return nil
}

// releaseAcked releases what the peer's TCP has acknowledged; where the system does not tell, what was written.
func (l *lastingConn) releaseAcked() {
	frames, known := l.w.ackedFrames(l.c)
	if !known {
		frames = 0
		if n := len(l.w.marks); n > 0 {
			frames = l.w.marks[n-1].frames
		}
	}
	released, upTo := l.w.ledger.acknowledged(frames, l.acked)
	l.acked = upTo
	if len(l.w.marks) > 64 { // keep the marks short: the first ones are acknowledged long ago
		for len(l.w.marks) > 1 && l.w.marks[0].frames < upTo {
			l.w.marks = l.w.marks[1:]
		}
	}
	if len(released) == 0 {
		return
	}
	l.w.recovered()
	for _, it := range released {
		it.sent = true
		l.recent = append(l.recent, it)
		l.recentSize += len(it.frames)
	}
	for len(l.recent) > 0 && l.recentSize-len(l.recent[0].frames) >= repeatBytes {
		l.recentSize -= len(l.recent[0].frames)
		l.recent = l.recent[1:]
	}
	l.w.releaseItems(released)
}
