package emulator

import (
	"bytes"
	"sync"
	"syscall"
	"time"

	"github.com/siembridge/siembridge/bridge/transport"
)

// PeerOptions describe a receiver in a Network.
type PeerOptions struct {
	Buffer      int           // receive buffer of a connection in bytes; 0: 64 KiB
	Slow        time.Duration // the program's time for each read of at most 4 KiB
	Storing     time.Duration // how long what was read is only in the program's memory
	NeverCloses bool          // the program does not look at FIN
	ClosesAfter int           // it closes by itself after so many bytes, once it has nothing unread; 0: never
	OneAtATime  bool          // further connections are refused while there is one
	Reject      string        // it resets a connection on which this text is read
	Resets      bool          // it answers the sender's half-close by a reset, as a balancer with nobody behind it
	RoundTrip   time.Duration // what the sender's TCP says of it
}

// Peer is a receiver in a Network.
type Peer struct {
	n       *Network
	address string
	o       PeerOptions
	change  *sync.Cond // on n.mu
	up      bool
	silent  bool // its machine is gone: nothing is acknowledged
	stopped bool // its program does not run
	conns   map[*pipe]bool
	gone    []*pipe // connections that a machine had that has vanished

	lines [][]byte // stored, in order
	rest  map[*pipe][]byte
}

// serve is the receiver's program on one connection.
func (p *Peer) serve(c *pipe) {
	p.n.mu.Lock()
	defer p.n.mu.Unlock()
	total := 0
	for !c.over {
		c.move()
		switch {
		case p.stopped || p.silent:
			p.change.Wait()
		case len(c.unread) > 0:
			n := min(len(c.unread), 4096)
			read := bytes.Clone(c.unread[:n])
			c.unread = c.unread[n:]
			c.move()
			p.change.Broadcast()
			if !p.work(c, p.o.Slow) {
				return
			}
			if p.o.Reject != "" && bytes.Contains(append(bytes.Clone(p.rest[c]), read...), []byte(p.o.Reject)) {
				c.unread = append(c.unread, 0) // unread, so that it is a reset
				c.shut()
				return
			}
			if !p.work(c, p.o.Storing) {
				return // killed before it was stored
			}
			p.store(c, read)
			if total += n; p.o.ClosesAfter > 0 && total >= p.o.ClosesAfter && len(c.unread)+len(c.sent) == 0 {
				c.shut()
				return
			}
		case c.fin && !p.o.NeverCloses || c.closed:
			if p.o.Resets {
				c.unread = append(c.unread, 0) // unread, so that it is a reset
			}
			c.shut()
			return
		default:
			p.change.Wait()
		}
	}
}

// work lets time pass in the program; false when the connection is over by then.
func (p *Peer) work(c *pipe, d time.Duration) bool {
	if d > 0 {
		p.n.mu.Unlock()
		<-time.After(d)
		p.n.mu.Lock()
	}
	for p.stopped && !c.over {
		p.change.Wait()
	}
	return !c.over
}

// store keeps whole frames, which end with a line feed.
func (p *Peer) store(c *pipe, read []byte) {
	rest := append(p.rest[c], read...)
	for {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			break
		}
		p.lines = append(p.lines, rest[:i:i])
		rest = rest[i+1:]
	}
	p.rest[c] = rest
}

// Lines returns the frames that were stored, in order.
func (p *Peer) Lines() [][]byte {
	p.n.mu.Lock()
	defer p.n.mu.Unlock()
	return append([][]byte(nil), p.lines...)
}

// Kill ends the receiver's program at once, as kill -9 does: its system closes every socket.
func (p *Peer) Kill() { p.set(p.die) }

// die ends the program with its sockets. p.n.mu is held.
func (p *Peer) die() {
	p.up = false
	for c := range p.conns {
		c.shut()
	}
}

// Start runs it again after Kill or Vanish.
func (p *Peer) Start() {
	p.n.mu.Lock()
	defer p.n.mu.Unlock()
	p.up, p.silent, p.stopped = true, false, false
	for _, c := range p.gone { // what is sent again to a connection that it does not know is reset
		if len(c.sent) > 0 || c.fin {
			c.end(transport.EndRST, syscall.ECONNRESET)
		}
	}
	p.gone = nil
	p.change.Broadcast()
}

// Stop suspends the program: its system goes on answering. Continue ends that.
func (p *Peer) Stop() { p.set(func() { p.stopped = true }) }

// Continue ends Stop.
func (p *Peer) Continue() { p.set(func() { p.stopped = false }) }

// Vanish takes the receiver's machine from the network: nothing is answered, and what it had not stored is lost.
func (p *Peer) Vanish() {
	p.set(func() {
		p.silent = true
		p.die()
	})
}

// Reset cuts every connection, as a middlebox does.
func (p *Peer) Reset() {
	p.n.mu.Lock()
	defer p.n.mu.Unlock()
	for c := range p.conns {
		c.unread = append(c.unread, 0)
		c.shut()
	}
}

// Set changes what the receiver does from now on.
func (p *Peer) Set(f func(*PeerOptions)) { p.set(func() { f(&p.o) }) }

func (p *Peer) set(f func()) {
	p.n.mu.Lock()
	defer p.n.mu.Unlock()
	f()
	p.change.Broadcast()
}
