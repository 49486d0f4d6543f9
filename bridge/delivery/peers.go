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
	probes       = 3
	probeTime    = 20 * time.Second
	probeAgain   = 5 * time.Minute // for a receiver that does not answer a half-close
)

// peerConn is a connection with what the worker knows of it.
type peerConn struct {
	Conn
	address string // of the configuration
	since   time.Time
}

// peers knows the addresses of a destination: which failed lately, and which answer a half-close.
type peers struct {
	o        *Options
	failures map[string]time.Time // when an address failed last
	ackUntil map[string]time.Time // an address that cannot confirm is served by acknowledgement until then
	known    map[string]bool      // answers a half-close: seen, and remembered on disk
	tries    int                  // dials in a row that failed
}

func newPeers(o *Options) *peers {
	return &peers{o: o, failures: map[string]time.Time{}, ackUntil: map[string]time.Time{}, known: map[string]bool{}}
}

// order returns the addresses as they are to be tried: as configured, those that failed within 30 s last.
func (p *peers) order(now time.Time) []string {
	var good, bad []string
	for _, a := range p.o.Addresses {
		if at, ok := p.failures[a]; ok && now.Sub(at) < passOver {
			bad = append(bad, a)
		} else {
			good = append(good, a)
		}
	}
	return append(good, bad...)
}

func (p *peers) failed(address string, err error) {
	if err != nil {
		p.failures[address] = time.Now()
	}
}

// acknowledges reports whether an address is served by TCP's acknowledgement.
func (p *peers) acknowledges(address string) bool {
	return p.o.Acknowledge || time.Now().Before(p.ackUntil[address])
}

func (p *peers) cannotConfirm(address string) { p.ackUntil[address] = time.Now().Add(probeAgain) }

// answered remembers that the receiver answers a half-close. Silence never takes that back.
func (p *peers) answered(address string) {
	p.tries = 0
	delete(p.failures, address)
	if p.known[address] {
		return
	}
	p.known[address] = true
	if err := p.o.Notes.SetNote(p.o.Name, "answers a half-close: "+address, []byte("1")); err != nil {
		p.o.Logger.Debug("a note cannot be stored; the receiver is probed again after a restart", "destination", p.o.Name, "error", err)
	}
}

func (p *peers) answers(address string) bool {
	if p.known[address] {
		return true
	}
	note, err := p.o.Notes.Note(p.o.Name, "answers a half-close: "+address)
	if err == nil && note != nil {
		p.known[address] = true
	}
	return p.known[address]
}

// backoff is how long to wait after so many dials that failed, with jitter.
func backoff(tries int) time.Duration {
	d := backoffFirst << min(tries, 10)
	if d > backoffMost {
		d = backoffMost
	}
	return d/2 + rand.N(d/2+1)
}

// connect returns a connection to use next: the spare if it lives, else a new one. It tries until there is one, and
// returns nil when ctx is over and nothing waits for confirmation, or the time to drain is.
func (w *Worker) connect(ctx context.Context) *peerConn {
	if c := w.takeSpare(); c != nil {
		return c
	}
	for w.hard.Err() == nil && (ctx.Err() == nil || len(w.ledger.held) > 0) {
		for _, address := range w.peers.order(time.Now()) {
			c, err := w.dial(w.hard, address, "")
			if err != nil {
				w.refused(address, err)
				if ctx.Err() != nil {
					return nil
				}
				continue
			}
			if w.peers.acknowledges(address) || w.peers.answers(address) {
				return c
			}
			if w.probe(c) {
				if c, err = w.dial(w.hard, address, ""); err == nil {
					return c
				}
			}
		}
		w.peers.tries++
		if !pause(ctx, backoff(w.peers.tries)) {
			return nil
		}
	}
	return nil
}

func (w *Worker) dial(ctx context.Context, address, resolved string) (*peerConn, error) {
	c, err := w.o.Dial(ctx, address, resolved)
	if err != nil {
		return nil, err
	}
	return &peerConn{Conn: c, address: address, since: time.Now()}, nil
}

// refused: no connection to the receiver. A tail that waited for the next connection to live is sent again.
func (w *Worker) refused(address string, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	w.peers.failed(address, err)
	w.graces = nil
	w.ledger.lost()
	w.setState(StateDown, err)
}

// probe finds out whether the receiver answers a half-close, on an empty connection. After three that it did not
// answer, it is served by acknowledgement for a while, which is said.
func (w *Worker) probe(c *peerConn) bool {
	address := c.address
	for i := 1; ; i++ {
		end := w.probeOnce(c)
		switch {
		case end != nil && end.Kind == transport.EndFIN:
			w.peers.answered(address)
			return true
		case end == nil && w.hard.Err() != nil:
			return false
		case i == probes:
			w.peers.cannotConfirm(address)
			w.o.Logger.Warn("the receiver does not close its side when we close ours, so it cannot confirm; using confirm = \"ack\" for now, which is weaker",
				"destination", w.o.Name, "address", address, "remedy", "see docs/delivery.md; set confirm = \"ack\" to say that this is known")
			return true
		}
		var err error
		if c, err = w.dial(w.hard, address, ""); err != nil {
			w.refused(address, err)
			return false
		}
	}
}

func (w *Worker) probeOnce(c *peerConn) *transport.End {
	defer c.Close()
	if err := c.HalfClose(); err != nil {
		return &transport.End{Kind: transport.EndLost, Err: err}
	}
	timer := time.NewTimer(probeTime)
	defer timer.Stop()
	select {
	case e := <-c.Ended():
		return &e
	case <-timer.C:
	case <-w.hard.Done():
	}
	return nil
}

// dialled is a connection in the making. Its goroutine ends with the dial.
type dialled struct {
	done   chan struct{}
	cancel context.CancelFunc
	conn   **peerConn
}

// openSpare makes the next connection to the same resolved address while this one is filled, once.
func (w *Worker) openSpare(c *peerConn) {
	if w.spare.done != nil {
		return
	}
	ctx, cancel := context.WithCancel(w.hard)
	s := dialled{done: make(chan struct{}), cancel: cancel, conn: new(*peerConn)}
	w.spare = s
	address, resolved := c.address, c.Address()
	go func() {
		defer close(s.done)
		if next, err := w.dial(ctx, address, resolved); err == nil {
			*s.conn = next
		}
	}()
}

// takeSpare returns the spare if there is one and it lives.
func (w *Worker) takeSpare() *peerConn {
	if w.spare.done == nil {
		return nil
	}
	<-w.spare.done
	c := *w.spare.conn
	w.spare.cancel()
	w.spare = dialled{}
	if c == nil {
		return nil
	}
	select {
	case <-c.Ended():
		c.Close()
		return nil
	default:
		return c
	}
}

// dropSpare closes the spare.
func (w *Worker) dropSpare() {
	if w.spare.done == nil {
		return
	}
	w.spare.cancel()
	<-w.spare.done
	if c := *w.spare.conn; c != nil {
		_ = c.HalfClose()
		c.Close()
	}
	w.spare = dialled{}
}
