package emulator

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/siembridge/siembridge/bridge/transport"
)

// Network is a network in memory whose receivers treat a connection as Linux does: bytes lie in a receive buffer until
// the program reads them, a close with unread bytes is a reset, one without is FIN, and a stopped program's TCP goes on
// answering until its buffer is full. It has no clock of its own, so it runs in a testing/synctest bubble.
type Network struct {
	mu    sync.Mutex
	peers map[string]*Peer
}

// NewNetwork returns a network without receivers.
func NewNetwork() *Network { return &Network{peers: map[string]*Peer{}} }

// Close ends all receivers; what they do is over a minute later.
func (n *Network) Close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.peers {
		p.up, p.stopped = false, false
		for c := range p.conns {
			c.shut()
		}
		p.change.Broadcast()
	}
}

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

// Listen makes a receiver exist.
func (n *Network) Listen(address string, o PeerOptions) *Peer {
	if o.Buffer == 0 {
		o.Buffer = 64 << 10
	}
	p := &Peer{n: n, address: address, o: o, up: true, conns: map[*pipe]bool{}, rest: map[*pipe][]byte{}}
	p.change = sync.NewCond(&n.mu)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.peers[address] = p
	return p
}

// Dial connects to a receiver; resolved is ignored but for being the address of an earlier connection.
func (n *Network) Dial(ctx context.Context, address, resolved string) (*Pipe, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	n.mu.Lock()
	p := n.peers[address]
	switch {
	case p == nil || !p.up && !p.silent || p.up && p.o.OneAtATime && len(p.conns) > 0:
		n.mu.Unlock()
		return nil, fmt.Errorf("%s: %w", address, syscall.ECONNREFUSED)
	case p.silent:
		n.mu.Unlock()
		<-ctx.Done()
		return nil, ctx.Err()
	}
	defer n.mu.Unlock()
	c := &pipe{peer: p, ended: make(chan transport.End, 1)}
	p.conns[c] = true
	go p.serve(c) // ends with the connection
	return &Pipe{c}, nil
}

// Pipe is the sender's side of a connection in a Network; it has the methods of transport.Conn.
type Pipe struct{ c *pipe }

// pipe is a connection. Everything in it is guarded by the network's mutex.
type pipe struct {
	peer     *Peer
	sent     []byte // not acknowledged yet: more than the receive buffer takes
	unread   []byte // in the receive buffer
	written  int64
	acked    int64
	fin      bool // the sender has half-closed
	closed   bool // the sender has closed
	over     bool // the receiver's side has ended
	reported bool
	ended    chan transport.End
}

// sendBuffer is the sender's in bytes.
const sendBuffer = 64 << 10

// move acknowledges what the receive buffer has room for.
func (c *pipe) move() {
	if c.peer.silent {
		return
	}
	n := min(len(c.sent), c.peer.o.Buffer-len(c.unread))
	if n > 0 {
		c.unread = append(c.unread, c.sent[:n]...)
		c.sent = c.sent[n:]
		c.acked += int64(n)
	}
}

func (c *pipe) end(kind transport.EndKind, err error) {
	if !c.reported {
		c.reported = true
		c.ended <- transport.End{Kind: kind, Err: err}
	}
}

// shut ends the receiver's side as its system would: with a reset when anything was not read.
func (c *pipe) shut() {
	p := c.peer
	if c.over {
		return
	}
	c.over = true
	delete(p.conns, c)
	if p.silent {
		p.gone = append(p.gone, c) // nobody hears of it before the machine is back
		return
	}
	if len(c.unread)+len(c.sent) > 0 {
		c.end(transport.EndRST, syscall.ECONNRESET)
	} else {
		c.end(transport.EndFIN, nil)
	}
	p.change.Broadcast()
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
func (p *Peer) Kill() {
	p.n.mu.Lock()
	defer p.n.mu.Unlock()
	p.up = false
	for c := range p.conns {
		c.shut()
	}
	p.change.Broadcast()
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
	p.n.mu.Lock()
	defer p.n.mu.Unlock()
	p.up, p.silent = false, true
	for c := range p.conns {
		c.shut()
	}
	p.change.Broadcast()
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

// Write sends b. It waits while the send buffer is full.
func (s *Pipe) Write(b []byte) (int, error) {
	c := s.c
	c.peer.n.mu.Lock()
	defer c.peer.n.mu.Unlock()
	for total := 0; ; {
		if c.closed || c.fin {
			return total, syscall.EPIPE
		}
		if c.over && !c.peer.silent {
			c.end(transport.EndRST, syscall.ECONNRESET)
			return total, syscall.ECONNRESET
		}
		room := min(sendBuffer-len(c.sent), len(b))
		if room > 0 {
			c.sent = append(c.sent, b[:room]...)
			c.written += int64(room)
			total += room
			b = b[room:]
			c.move()
			c.peer.change.Broadcast()
		}
		if len(b) == 0 {
			return total, nil
		}
		if room <= 0 {
			c.peer.change.Wait()
		}
	}
}

// HalfClose says that nothing more will be sent.
func (s *Pipe) HalfClose() error {
	c := s.c
	c.peer.n.mu.Lock()
	defer c.peer.n.mu.Unlock()
	if c.over && !c.peer.silent {
		c.end(transport.EndRST, syscall.ECONNRESET)
		return syscall.EPIPE
	}
	c.fin = true
	c.peer.change.Broadcast()
	return nil
}

// Ended delivers the end of the peer's side, once.
func (s *Pipe) Ended() <-chan transport.End { return s.c.ended }

// Written returns the bytes written.
func (s *Pipe) Written() int64 { return s.value(func(c *pipe) int64 { return c.written }) }

// Acked returns how many bytes the peer's TCP has acknowledged.
func (s *Pipe) Acked() (int64, bool) { return s.value(func(c *pipe) int64 { return c.acked }), true }

// Unanswered reports whether the peer's TCP leaves something unanswered.
func (s *Pipe) Unanswered() (unanswered, ok bool) {
	return s.value(func(c *pipe) int64 {
		if c.peer.silent {
			return c.written + 1 - c.acked // FIN and probes count
		}
		return 0
	}) > 0, true
}

func (s *Pipe) value(f func(*pipe) int64) int64 {
	s.c.peer.n.mu.Lock()
	defer s.c.peer.n.mu.Unlock()
	return f(s.c)
}

// RoundTrip returns the peer's.
func (s *Pipe) RoundTrip() time.Duration { return s.c.peer.o.RoundTrip }

// Address returns the peer's address.
func (s *Pipe) Address() string { return s.c.peer.address }

// Close gives the connection up.
func (s *Pipe) Close() {
	c := s.c
	c.peer.n.mu.Lock()
	defer c.peer.n.mu.Unlock()
	c.closed = true
	c.end(transport.EndLost, context.Canceled)
	if c.peer.silent {
		c.over = true
		delete(c.peer.conns, c)
	}
	c.peer.change.Broadcast()
}
