package delivery

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// connect returns a connection to use next: to a better address if there is one, the spare if it lives, else a new
// one. It tries until there is one, and returns nil when ctx is over and nothing waits for confirmation, or the time
// to drain is.
func (w *Worker) connect(ctx context.Context) *peerConn {
	if w.better.lives() && w.leave() {
		if c, _ := w.better.take(); c != nil {
			if c = w.usable(w.patience(ctx), c); c != nil {
				return c
			}
		}
	}
	if c := w.witness(); c != nil {
		return c
	}
	for w.hard.Err() == nil && (ctx.Err() == nil || len(w.ledger.held) > 0) {
		for _, p := range w.failover.round(time.Now(), w.proving()) {
			within := w.patience(ctx)
			c, err := w.dial(within, p, "")
			if err != nil {
				w.refused(p, err)
				if ctx.Err() != nil {
					return nil
				}
				continue
			}
			if c = w.usable(within, c); c != nil {
				return c
			}
			if w.Status().State == StateProbing && !w.waiting() {
				return nil // it is silent, and nothing is late for it
			}
		}
		if !pause(ctx, jitter(w.failover.exhausted())) {
			return nil
		}
	}
	return nil
}

// patience ends when a connection that carries no record is of no use any more: with ctx, or, where something waits for it
// to be confirmed, with the time to drain.
func (w *Worker) patience(ctx context.Context) context.Context {
	if len(w.ledger.held) > 0 {
		return w.hard
	}
	return ctx
}

// jitter makes workers that lost their receiver together come back apart: half of d up to all of it.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }

func (w *Worker) dial(ctx context.Context, p *peer, resolved string) (*peerConn, error) {
	c, err := w.o.Dial(ctx, p.address, resolved)
	if err != nil {
		return nil, err
	}
	return &peerConn{Conn: c, peer: p, since: time.Now()}, nil
}

// refused: no connection to the receiver. Its tails, which waited for the next connection to live, are sent again.
func (w *Worker) refused(p *peer, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	w.failover.refused(p, time.Now())
	w.tailsLost(p)
	w.setState(StateDown, err)
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
	if c != nil || died {
		w.failover.second(p, !died)
	}
	if died {
		w.tailsLost(p)
	}
	return c
}

// tailsLost makes the tails that wait for an address be sent again.
func (w *Worker) tailsLost(p *peer) {
	if p == w.proving() {
		w.ledger.lost()
	}
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
			w.ledger.lost()
		case <-w.hard.Done():
		}
		timer.Stop()
		return true
	}
	_ = s.HalfClose()
	return true
}
