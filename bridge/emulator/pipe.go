package emulator

import (
	"context"
	"syscall"
	"time"

	"github.com/siembridge/siembridge/bridge/transport"
)

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
