package delivery

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/siembridge/siembridge/bridge/transport"
)

// Times of connecting and probing.
const (
	passOver     = 30 * time.Second // an address that failed is tried after the others for so long
	backoffFirst = 500 * time.Millisecond
	backoffMost  = 30 * time.Second
	probeTime    = 20 * time.Second // one probe
	probeSpan    = time.Minute      // this long, and so many probes,
	probeCount   = 3                // met by silence: the receiver cannot confirm
	refusalsMost = 3                // second connections ended in a row: the receiver takes one at a time
	probeAgain   = 5 * time.Minute  // for a receiver that cannot
)

// peer is what the worker knows of one address.
type peer struct {
	address string
	failed  time.Time // when it failed last; zero: not since it last worked
	answers bool      // a half-close was answered by FIN: this is remembered on disk, and silence never takes it back
	cannot  bool      // it cannot confirm, and is served by TCP's acknowledgement
	probes  int       // met by silence, in a row
	first   time.Time // when the first of them began
	asked   time.Time // when the last began

	refusals int // second connections that it ended while the first was in use, in a row
}

// takesOne reports whether the receiver takes no second connection beside the first.
func (p *peer) takesOne() bool { return p.refusals >= refusalsMost }

// note of an address that answers a half-close.
func (p *peer) note() string { return "answers a half-close: " + p.address }

// silent notes a probe that began at the time given and was met by silence. It reports whether the receiver cannot
// confirm. Only silence counts: a reset comes also from a load balancer without a receiver behind it, and to go by
// TCP's acknowledgement there would lose everything.
func (p *peer) silent(began, now time.Time) (cannot bool) {
	if p.probes == 0 {
		p.first = began
	}
	if p.probes++; p.probes >= probeCount && now.Sub(p.first) >= probeSpan {
		p.probes, p.cannot = 0, true
	}
	return p.cannot
}

// peers are the addresses of a destination, as configured.
type peers []*peer

func newPeers(addresses []string) peers {
	var ps peers
	for _, a := range addresses {
		ps = append(ps, &peer{address: a})
	}
	return ps
}

// order returns the addresses as they are to be tried: first the one whose next connection has to prove that it lives
// (nil: none), then as configured, those that failed within 30 s last.
func (ps peers) order(now time.Time, proving *peer) []*peer {
	var first, good, bad []*peer
	for _, p := range ps {
		switch {
		case p == proving:
			first = append(first, p)
		case p.passedOver(now):
			bad = append(bad, p)
		default:
			good = append(good, p)
		}
	}
	return append(append(first, good...), bad...)
}

func (p *peer) passedOver(now time.Time) bool {
	return !p.failed.IsZero() && now.Sub(p.failed) < passOver
}

// better returns the address that is to be tried before the one in use; nil: there is none.
func (ps peers) better(used *peer, now time.Time) *peer {
	for _, p := range ps {
		switch {
		case p == used:
			return nil
		case !p.passedOver(now):
			return p
		}
	}
	return nil
}

// backoff is how long to wait after so many dials that failed, with jitter.
func backoff(tries int) time.Duration {
	d := backoffFirst << min(tries, 10)
	if d > backoffMost {
		d = backoffMost
	}
	return d/2 + rand.N(d/2+1)
}

// peerConn is a connection with what the worker knows of it.
type peerConn struct {
	Conn
	peer  *peer
	since time.Time
}

// acknowledges reports whether an address is served by TCP's acknowledgement.
func (w *Worker) acknowledges(p *peer) bool { return w.o.Acknowledge || p.cannot }

// connect returns a connection to use next: to a better address if there is one, the spare if it lives, else a new
// one. It tries until there is one, and returns nil when ctx is over and nothing waits for confirmation, or the time
// to drain is.
func (w *Worker) connect(ctx context.Context) *peerConn {
	if w.better.lives() && w.leave() {
		if c, _ := w.better.take(); c != nil {
			if c = w.usable(c); c != nil {
				return c
			}
		}
	}
	if c := w.witness(); c != nil {
		return c
	}
	for w.hard.Err() == nil && (ctx.Err() == nil || len(w.ledger.held) > 0) {
		for _, p := range w.peers.order(time.Now(), w.proving()) {
			c, err := w.dial(w.hard, p, "")
			if err != nil {
				w.refused(p, err)
				if ctx.Err() != nil {
					return nil
				}
				continue
			}
			if c = w.usable(c); c != nil {
				return c
			}
			if w.Status().State == StateProbing && !w.waiting() {
				return nil // it is silent, and nothing is late for it
			}
		}
		w.tries++
		if !pause(ctx, backoff(w.tries)) {
			return nil
		}
	}
	return nil
}

func (w *Worker) dial(ctx context.Context, p *peer, resolved string) (*peerConn, error) {
	c, err := w.o.Dial(ctx, p.address, resolved)
	if err != nil {
		return nil, err
	}
	return &peerConn{Conn: c, peer: p, since: time.Now()}, nil
}

// usable returns c if it is known how its receiver confirms. Otherwise c is used up to find that out, and a new
// connection is returned; nil: it is not known yet.
func (w *Worker) usable(c *peerConn) *peerConn {
	p := c.peer
	if w.acknowledges(p) || w.answers(p) {
		return c
	}
	w.setState(StateProbing, nil)
	p.asked = time.Now()
	end := probe(w.hard, c)
	switch {
	case w.hard.Err() != nil:
		return nil
	case end != nil && end.Kind == transport.EndFIN:
		w.answered(p)
	case end != nil:
		w.refused(p, probeError(p, end))
		return nil
	case !w.waiting():
		return nil // nothing is lost or late by asking again
	case p.silent(p.asked, time.Now()):
		w.o.Logger.Warn("the receiver does not close its side when we close ours, so it cannot confirm; using confirm = \"ack\" for now, which is weaker",
			"destination", w.o.Name, "address", p.address, "remedy", "see docs/delivery.md; set confirm = \"ack\" to say that this is known")
	default:
		return nil
	}
	again, err := w.dial(w.hard, p, "")
	if err != nil {
		w.refused(p, err)
		return nil
	}
	return again
}

// look finds out, for the addresses that are not the first, whether the receiver answers a half-close, before a failover
// makes it matter. It runs beside the deliveries, once, and ends with ctx.
func (w *Worker) look(ctx context.Context) {
	for _, address := range w.o.Addresses[1:] {
		p := &peer{address: address}
		if note, err := w.o.Notes.Note(w.o.Name, p.note()); err != nil || note != nil {
			continue
		}
		c, err := w.dial(ctx, p, "")
		if err != nil {
			continue // it is asked when it is needed
		}
		if end := probe(ctx, c); end != nil && end.Kind == transport.EndFIN {
			w.remember(p)
		}
	}
}

// probe half-closes an empty connection and returns how the peer ends its side; nil: it does not, although its TCP
// answers.
func probe(ctx context.Context, c *peerConn) *transport.End {
	defer c.Close()
	_ = c.HalfClose() // where that fails the connection has ended, and its reader knows how
	timer := time.NewTimer(probeTime)
	defer timer.Stop()
	select {
	case e := <-c.Ended():
		return &e
	case <-timer.C:
		if unanswered, _ := c.Unanswered(); unanswered {
			return &transport.End{Kind: transport.EndLost, Err: errNoAnswer}
		}
	case <-ctx.Done():
	}
	return nil
}

// errNoAnswer: the silence on a probe was that of the machine or of the way to it, which says nothing of the program.
var errNoAnswer = errors.New("its TCP has not answered for " + probeTime.String())

// probeError words the end of an empty connection that was neither FIN nor silence.
func probeError(p *peer, end *transport.End) error {
	if end.Kind != transport.EndRST {
		return endError(p, end)
	}
	return &transport.DialError{Address: p.address, Err: end.Err,
		What:   "takes connections and resets them, even an empty one, so it can confirm nothing; nothing is sent",
		Remedy: "check its log for why, and whether a load balancer in between has a receiver behind it; a receiver that always ends so needs confirm = \"ack\""}
}

// answered notes that the receiver confirms.
func (w *Worker) answered(p *peer) {
	w.tries = 0
	p.failed, p.probes, p.cannot = time.Time{}, 0, false
	if p.answers {
		return
	}
	p.answers = true
	w.remember(p)
}

func (w *Worker) remember(p *peer) {
	if err := w.o.Notes.SetNote(w.o.Name, p.note(), []byte("1")); err != nil {
		w.o.Logger.Debug("a note cannot be stored; the receiver is probed again after a restart", "destination", w.o.Name, "error", err)
	}
}

// forget makes the receiver be probed before it is used again.
func (w *Worker) forget(p *peer) {
	p.answers = false
	if err := w.o.Notes.SetNote(w.o.Name, p.note(), nil); err != nil {
		w.o.Logger.Debug("a note cannot be removed", "destination", w.o.Name, "error", err)
	}
}

func (w *Worker) answers(p *peer) bool {
	if !p.answers {
		note, err := w.o.Notes.Note(w.o.Name, p.note())
		p.answers = err == nil && note != nil
	}
	return p.answers
}

// proving is the address whose tails wait for its next connection to live; nil: none.
func (w *Worker) proving() *peer {
	if len(w.ledger.held) == 0 {
		return nil
	}
	return w.held
}

// witness returns the spare, whose life proves that the receiver lived through the end of the connection before; nil:
// there is none. One that has ended too proves that the receiver died, and the tails are sent again; unless it takes no
// second connection.
func (w *Worker) witness() *peerConn {
	p := w.spare.peer
	c, died := w.spare.take()
	switch {
	case c != nil:
		p.refusals = 0
	case died:
		p.refusals++
		w.tailsLost(p)
	}
	return c
}

// tailsLost makes the tails that wait for an address be sent again.
func (w *Worker) tailsLost(p *peer) {
	if p == w.proving() {
		w.graces = nil
		w.ledger.lost()
	}
}

// refused: no connection to the receiver. Its tails, which waited for the next connection to live, are sent again.
func (w *Worker) refused(p *peer, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	p.failed, p.refusals = time.Now(), 0
	w.tailsLost(p)
	w.setState(StateDown, err)
}

// leave settles what waits at the address in use before a better one takes over: the spare has to live through the
// grace. It returns false when there is no spare to tell; then the address in use serves on.
func (w *Worker) leave() bool {
	if len(w.ledger.held) == 0 {
		w.spare.drop()
		return true
	}
	s := w.witness()
	if s == nil {
		return len(w.ledger.held) == 0
	}
	defer s.Close()
	for next := w.graceOver(0); !next.IsZero(); next = w.graceOver(0) {
		timer := time.NewTimer(time.Until(next))
		select {
		case <-timer.C:
			continue
		case <-s.Ended():
			w.graces = nil
			w.ledger.lost()
		case <-w.hard.Done():
		}
		timer.Stop()
		return true
	}
	_ = s.HalfClose()
	return true
}

// dialled is a connection in the making, for later. The zero value is none. Its goroutine ends with the dial, which
// drop cuts short.
type dialled struct {
	w      *Worker
	done   chan struct{} // nil: none
	cancel context.CancelFunc
	peer   *peer
	conn   *peerConn // when done
	err    error
}

// open begins to dial, unless there is one in the making.
func (d *dialled) open(w *Worker, p *peer, resolved string) {
	if d.done != nil {
		return
	}
	ctx, cancel := context.WithCancel(w.hard)
	done := make(chan struct{})
	*d = dialled{w: w, done: done, cancel: cancel, peer: p}
	go func() {
		defer close(done)
		d.conn, d.err = w.dial(ctx, p, resolved)
	}()
}

// lives reports whether there is a connection by now. A dial that has failed is given up.
func (d *dialled) lives() bool {
	if d.done == nil {
		return false
	}
	select {
	case <-d.done:
	default:
		return false
	}
	if d.err != nil {
		d.peer.failed = time.Now()
		d.take()
		return false
	}
	return true
}

// take waits for the dial and returns its connection if there is one and it lives. died: there was one.
func (d *dialled) take() (c *peerConn, died bool) {
	if d.done == nil {
		return nil, false
	}
	<-d.done
	c = d.conn
	d.cancel()
	*d = dialled{}
	if c == nil {
		return nil, false
	}
	select {
	case <-c.Ended():
		c.Close()
		return nil, true
	default:
		return c, false
	}
}

// drop gives it up.
func (d *dialled) drop() {
	if d.done == nil {
		return
	}
	d.cancel()
	<-d.done
	if c := d.conn; c != nil {
		_ = c.HalfClose()
		c.Close()
	}
	*d = dialled{}
}
