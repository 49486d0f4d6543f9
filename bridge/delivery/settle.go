package delivery

import (
	"errors"
	"log/slog"
	"time"

	"github.com/siembridge/siembridge/bridge/transport"
)

// grace is how long a receiver has to live on after it has closed a connection, at least; two round trips if these take
// longer.
const grace = 50 * time.Millisecond

// settle tells the ledger how a connection ended and does what follows. halfClosed: we had closed our side before.
func (w *Worker) settle(c *peerConn, end *transport.End, halfClosed bool) {
	e := c.ending(end, halfClosed)
	carried := len(w.ledger.current)
	w.ended = time.Now()
	w.trace(c, e)
	switch w.ledger.judge(e) {
	case stopped, unused:
	case read:
		w.answered(c.peer)
		lives := carried > 0 && w.held == c.peer // what it read to the end came after the graces began
		if carried > 0 {
			w.ledger.proved()
		}
		w.hold(c, lives)
		w.failover.released()
		w.recovered()
	case burst:
		w.hold(c, false)
	case early:
		w.unclean(c, end, carried)
		confirmed, giveUp := w.ledger.early(e.acked)
		if len(confirmed) > 0 {
			w.failover.released()
			w.releaseItems(confirmed)
		}
		if giveUp {
			w.suspect(c.peer)
		}
	case vanished:
		w.unclean(c, end, carried)
		w.ledger.vanished()
	case cut:
		w.unclean(c, end, carried)
		if w.ledger.lost() {
			w.suspect(c.peer)
		}
	case unwelcome:
		w.refused(c.peer, endError(c.peer, end))
	}
}

// suspect: the receiver ends every connection, however little it carries. It is asked again whether it confirms at all.
// If it does, it is tried for as long as it takes: to go by TCP's acknowledgement would be to lose everything that a
// receiver of this kind does not take.
func (w *Worker) suspect(p *peer) {
	w.forget(p)
	w.o.Logger.Warn("the receiver ends every connection before it has read what was sent, however little that is",
		"destination", w.o.Name, "address", p.address, "remedy", "look into the receiver's log for why it closes")
}

// hold releases what the end of c confirms now, and the tails that have waited long enough; the ledger holds the tail of
// c. lives: the receiver is known to have lived on after the ends of the tails before.
func (w *Worker) hold(c *peerConn, lives bool) {
	w.held = c.peer
	now := time.Now()
	confirmed := w.ledger.ended(now, max(grace, 2*c.RoundTrip()))
	survived, _ := w.ledger.survived(now, 0)
	if lives {
		survived = join(survived, w.ledger.outlived())
	}
	w.releaseConfirmed(join(survived, confirmed), len(survived) > 0)
}

// graceOver releases the tails whose grace is over, and returns when the next one is; zero: none is waiting. With late it
// leaves them for so long: the end of a connection may come before, and one commit stores both.
func (w *Worker) graceOver(late time.Duration) (next time.Time) {
	survived, next := w.ledger.survived(time.Now(), late)
	w.releaseConfirmed(survived, len(survived) > 0)
	return next
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
	w.spare.drop()
	if carried == 0 {
		return
	}
	w.o.Metrics.unconfirmed.WithLabelValues(w.o.Name).Inc()
	w.failover.broke(c.peer, end, time.Now())
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

// trace logs the end of a connection for somebody who looks into how a destination is delivered to.
func (w *Worker) trace(c *peerConn, e ending) {
	if e.end == nil || !w.o.Logger.Enabled(w.hard, slog.LevelDebug) {
		return
	}
	first := uint64(0)
	if len(w.ledger.current) > 0 {
		first = w.ledger.current[0].number
	}
	w.o.Logger.Debug("connection ended", "destination", w.o.Name, "address", c.peer.address, "end", e.end.Kind, "half_closed", e.halfClosed,
		"records", len(w.ledger.current), "first", first, "bytes", w.ledger.bytes, "acknowledged_bytes", e.acked, "tails", len(w.ledger.held), "again", len(w.ledger.again))
}
