package delivery

import (
	"context"
	"errors"
	"time"

	"github.com/siembridge/siembridge/bridge/transport"
)

// probeTime is how long one probe waits for the end of the peer's side.
const probeTime = 20 * time.Second

// usable returns c if it is known how its receiver confirms. Otherwise c is used up to find that out, and a new
// connection is returned; nil: it is not known yet.
func (w *Worker) usable(ctx context.Context, c *peerConn) *peerConn {
	p := c.peer
	if w.manner(p) != unknown {
		return c
	}
	w.setState(StateProbing, nil)
	w.failover.asking(p, time.Now())
	end := probe(ctx, c)
	if ctx.Err() != nil {
		return nil
	}
	switch w.failover.probed(p, end, !w.waiting(), time.Now()) {
	case undecided:
		return nil
	case refuses:
		w.refused(p, probeError(p, end))
		return nil
	case confirms:
		w.answered(p)
	case cannot:
		w.o.Logger.Warn("the receiver does not close its side when we close ours, so it cannot confirm; using confirm = \"ack\" for now, which is weaker",
			"destination", w.o.Name, "address", p.address, "remedy", "see docs/delivery.md; set confirm = \"ack\" to say that this is known")
	}
	again, err := w.dial(ctx, p, "")
	if err != nil {
		w.refused(p, err)
		return nil
	}
	return again
}

// manner is how an address confirms, as far as that is known: an answer of an earlier run is on disk.
func (w *Worker) manner(p *peer) manner {
	if w.failover.manner(p) == unknown {
		note, err := w.o.Notes.Note(w.o.Name, p.note())
		p.answers = err == nil && note != nil
	}
	return w.failover.manner(p)
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
	if w.failover.answered(p) {
		w.remember(p)
	}
}

// note of an address that answers a half-close.
func (p *peer) note() string { return "answers a half-close: " + p.address }

func (w *Worker) remember(p *peer) {
	if err := w.o.Notes.SetNote(w.o.Name, p.note(), []byte("1")); err != nil {
		w.o.Logger.Debug("a note cannot be stored; the receiver is probed again after a restart", "destination", w.o.Name, "error", err)
	}
}

// forget makes the receiver be probed before it is used again.
func (w *Worker) forget(p *peer) {
	w.failover.doubted(p)
	if err := w.o.Notes.SetNote(w.o.Name, p.note(), nil); err != nil {
		w.o.Logger.Debug("a note cannot be removed", "destination", w.o.Name, "error", err)
	}
}
