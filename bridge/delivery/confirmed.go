package delivery

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/time/rate"

	"github.com/siembridge/siembridge/bridge/transport"
)

// confirmed serves one connection that is confirmed by close: fill it, half-close it, see how it ends.
func (w *Worker) confirmed(ctx context.Context, c *peerConn) {
	defer c.Close()
	w.marks = w.marks[:0]
	w.limited = w.watch(c)
	defer w.limited.stop()
	end := w.fill(ctx, c)
	if end == nil {
		if err := c.HalfClose(); err == nil {
			end = w.awaitEnd(c)
			w.settle(c, end, true)
			return
		}
		// The connection broke before it could be half-closed: its reader knows how.
		end = w.awaitEnd(c)
	}
	w.settle(c, end, false)
}

// settle tells the ledger how the connection ended and does what follows. halfClosed: we had closed our side before.
func (w *Worker) settle(c *peerConn, end *transport.End, halfClosed bool) {
	carried := len(w.ledger.current)
	w.ended = time.Now()
	w.trace(c, end, halfClosed)
	switch {
	case end == nil: // the bridge stops: what is not confirmed is sent again by the next run
		return
	case end.Kind == transport.EndFIN && halfClosed && w.allAcked(c):
		w.answered(c.peer)
		lives := carried > 0 && w.held == c.peer // what it read to the end came after the graces began
		if carried > 0 {
			for i := range w.graces {
				w.graces[i].proving = time.Time{}
			}
		}
		w.hold(w.ledger.ended(), c, lives)
		w.rough = 0
		w.recovered()
		return
	case carried == 0 && len(w.ledger.held) == 0:
		if end.Kind != transport.EndFIN {
			w.refused(c.peer, endError(c.peer, end))
		}
		return
	}
	if end.Kind == transport.EndFIN && len(w.ledger.held) == 0 {
		acked, known := w.ackedFrames(c)
		if known && acked >= w.ledger.bytes && !halfClosed {
			w.hold(w.ledger.ended(), c, false) // a receiver that closes after each burst; the next connection has to live
			return
		}
		if known {
			w.spare.drop()
			w.unclean(c, end, carried)
			if confirmed := w.ledger.early(acked); len(confirmed) > 0 {
				w.rough = 0
				w.releaseItems(confirmed)
			}
			return
		}
	}
	w.spare.drop()
	w.unclean(c, end, carried)
	if !end.ByPeer() {
		w.ledger.vanished()
		return
	}
	if w.ledger.lost() {
		// It is asked again whether it confirms at all. If it does, it is tried for as long as it takes: to go by TCP's
		// acknowledgement would be to lose everything that a receiver of this kind does not take.
		w.forget(c.peer)
		w.o.Logger.Warn("the receiver ends every connection before it has read what was sent, however little that is",
			"destination", w.o.Name, "address", c.peer.address, "remedy", "look into the receiver's log for why it closes")
	}
}

// trace logs the end of a connection for somebody who looks into how a destination is delivered to.
func (w *Worker) trace(c *peerConn, end *transport.End, halfClosed bool) {
	if end == nil || !w.o.Logger.Enabled(w.hard, slog.LevelDebug) {
		return
	}
	acked, _ := w.ackedFrames(c)
	first := uint64(0)
	if len(w.ledger.current) > 0 {
		first = w.ledger.current[0].number
	}
	w.o.Logger.Debug("connection ended", "destination", w.o.Name, "address", c.peer.address, "end", end.Kind, "half_closed", halfClosed,
		"records", len(w.ledger.current), "first", first, "bytes", w.ledger.bytes, "acknowledged_bytes", acked, "tails", len(w.ledger.held), "again", len(w.ledger.again))
}

// gracePeriod is the time in which a receiver has to live on after it has closed a connection: one that died would close
// its other sockets within it.
type gracePeriod struct {
	began   time.Time
	length  time.Duration
	proving time.Time // since when a connection has to live that was opened after the end; zero: none has to
}

func (g gracePeriod) end() time.Time {
	if g.proving.After(g.began) {
		return g.proving.Add(g.length)
	}
	return g.began.Add(g.length)
}

// hold releases what is confirmed and starts the grace of the tail that the ledger now holds. lives: the receiver is known
// to have lived on after the ends of the tails before.
func (w *Worker) hold(confirmed []item, c *peerConn, lives bool) {
	w.held = c.peer
	survived, _ := w.survived(0)
	for len(w.graces) < len(w.ledger.held) {
		w.graces = append(w.graces, gracePeriod{began: time.Now(), length: max(grace, 2*c.RoundTrip())})
	}
	if lives {
		outlived, of := w.ledger.outlived()
		survived, w.graces = join(survived, outlived), w.graces[of:]
	}
	w.releaseConfirmed(join(survived, confirmed), len(survived) > 0)
}

// releaseConfirmed releases what was confirmed by close. tail: there is a tail in it whose grace is over.
func (w *Worker) releaseConfirmed(items []item, tail bool) {
	w.releaseItems(items)
	if tail && !w.ledger.recalled() {
		w.trust()
	}
}

// unclean counts and reports an end before everything was read.
func (w *Worker) unclean(c *peerConn, end *transport.End, carried int) {
	w.graces = nil
	if carried == 0 {
		return
	}
	w.rough++
	w.o.Metrics.unconfirmed.WithLabelValues(w.o.Name).Inc()
	if end.Kind != transport.EndFIN {
		c.peer.failed = time.Now()
	}
	w.setState(StateConnecting, endError(c.peer, end))
}

// endError words an end before everything was read.
func endError(p *peer, end *transport.End) error {
	if worded := (*transport.DialError)(nil); errors.As(end.Err, &worded) {
		return worded
	}
	reason := "closed early"
	if end.Err != nil {
		reason = end.Err.Error()
	}
	return &uncleanError{p.address, reason}
}

// uncleanError is a connection whose records have to be sent again.
type uncleanError struct{ address, reason string }

func (e *uncleanError) Error() string {
	return e.address + ": the receiver ended the connection before it had read everything (" + e.reason + "); what it may not have read is sent again, check its log for why"
}

// graceOver releases the tails whose grace is over, and returns when the next one is; zero: none is waiting. With late it
// leaves them for so long: the end of a connection may come before, and one commit stores both.
func (w *Worker) graceOver(late time.Duration) (next time.Time) {
	survived, next := w.survived(late)
	w.releaseConfirmed(survived, len(survived) > 0)
	return next
}

// survived confirms the tails whose grace has been over for late.
func (w *Worker) survived(late time.Duration) (confirmed []item, next time.Time) {
	for len(w.graces) > 0 {
		if end := w.graces[0].end().Add(late); time.Now().Before(end) {
			return confirmed, end
		}
		w.graces = w.graces[1:]
		confirmed = append(confirmed, w.ledger.survived()...)
	}
	return confirmed, time.Time{}
}

// fill sends until the connection is full, old or idle; then it returns nil. It returns the end if the peer ends first.
func (w *Worker) fill(ctx context.Context, c *peerConn) *transport.End {
	// A connection that was opened only after the end of the one before has to live through a grace of its own. One that
	// was there before that end has seen the receiver live on, and so have those before it.
	if c.since.After(w.ended) {
		for i := range w.graces {
			w.graces[i].proving = c.since
		}
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
		if end := w.send(c, chunk); end != nil {
			return end
		}
		if !c.peer.takesOne() {
			w.spare.open(w, c.peer, c.Address())
		}
		if p := w.peers.better(c.peer, time.Now()); p != nil {
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

// rateLimit waits until so many events may go out.
func (w *Worker) rateLimit(c *peerConn, events int) *transport.End {
	if w.limiter == nil {
		return nil
	}
	if w.o.Share != nil { // what other instances deliver is theirs; who still sends what was its own does so slowly
		w.limiter.SetLimit(rate.Limit(float64(w.o.RateLimit) * max(w.o.Share(), 0.01)))
	}
	for events > 0 {
		n := min(events, w.limiter.Burst())
		events -= n
		if wait := w.limiter.ReserveN(time.Now(), n).Delay(); wait > 0 {
			if end := w.linger(c, wait); end != nil || w.hard.Err() != nil {
				return end
			}
		}
	}
	return nil
}

// linger waits beside a connection, and sees it end or die meanwhile.
func (w *Worker) linger(c *peerConn, wait time.Duration) *transport.End {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return nil
		case e := <-c.Ended():
			return &e
		case <-w.limited.tick():
			if acked, known := c.Acked(); !known || acked >= c.Written() {
				w.limited.moved = time.Now() // nothing is late
			}
			if w.limited.dead() {
				return &transport.End{Kind: transport.EndLost, Err: errDead}
			}
		case <-w.hard.Done():
			return nil
		}
	}
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

// write writes bytes, size of which are frames of records.
func (w *Worker) write(c *peerConn, bytes []byte, size int) *transport.End {
	wrote := make(chan error, 1)
	go func() { _, err := c.Write(bytes); wrote <- err }() // ended by c.Close at the latest
	watch := w.watch(c)
	defer watch.stop()
	for {
		select {
		case err := <-wrote:
			if err != nil {
				return w.awaitEnd(c)
			}
			last := 0
			if n := len(w.marks); n > 0 {
				last = w.marks[n-1].frames
			}
			w.marks = append(w.marks, mark{last + size, c.Written()})
			w.up(c)
			return nil
		case e := <-c.Ended():
			c.Close()
			<-wrote
			return &e
		case <-watch.tick():
			if watch.dead() {
				c.Close()
				<-wrote
				return &transport.End{Kind: transport.EndLost, Err: errDead}
			}
		case <-w.hard.Done():
			c.Close()
			<-wrote
			return nil
		}
	}
}

// awaitEnd waits for the end of the peer's side, without a limit while its TCP answers. nil: the bridge stops first.
func (w *Worker) awaitEnd(c *peerConn) *transport.End {
	watch := w.watch(c)
	defer watch.stop()
	for {
		select {
		case e := <-c.Ended():
			return &e
		default:
		}
		var graceTimer <-chan time.Time
		if next := w.graceOver(grace); !next.IsZero() {
			graceTimer = time.After(time.Until(next))
		}
		select {
		case e := <-c.Ended():
			return &e
		case <-graceTimer:
		case <-watch.tick():
			if watch.dead() {
				return &transport.End{Kind: transport.EndLost, Err: errDead}
			}
		case <-w.hard.Done():
			return nil
		}
	}
}

// allAcked reports whether the peer's TCP has acknowledged everything. A FIN that the peer sent before our data reached
// it says nothing of that data. Where the system does not tell, the FIN has to do.
func (w *Worker) allAcked(c *peerConn) bool {
	acked, known := w.ackedFrames(c)
	return !known || acked >= w.ledger.bytes
}

// ackedFrames returns how many bytes of frames the peer's TCP has acknowledged on the current connection.
func (w *Worker) ackedFrames(c *peerConn) (frames int, known bool) {
	wire, ok := c.Acked()
	if !ok {
		return 0, false
	}
	for _, m := range w.marks {
		if wire >= m.wire {
			frames = m.frames
		}
	}
	return frames, true
}
