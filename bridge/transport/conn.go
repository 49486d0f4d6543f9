// Package transport makes TCP and TLS connections to receivers and tells how they end.
//
// A sender of syslog has no answer from the receiver's program but one: how its socket ends. A system that closes a
// socket with unread bytes sends RST, and FIN only when everything was read. So a Conn reads from its start, drops what
// it reads, and reports its end once: FIN, RST or lost. On Linux it also tells how many bytes the peer's TCP has
// acknowledged and whether it has left anything unanswered.
package transport

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// EndKind is how the peer's side of a connection ended.
type EndKind uint8

// The ends.
const (
	EndFIN  EndKind = iota // the peer closed after it had read everything that had arrived
	EndRST                 // the peer reset the connection: something was not read
	EndLost                // no answer any more, or an error of TLS
)

// End is the end of a connection.
type End struct {
	Kind EndKind // what it says of the data
	Err  error   // nil for EndFIN
}

// ByPeer reports whether the peer brought it about: by FIN, RST or a TLS alert. Otherwise its machine does not answer
// any more, or the way there is cut.
func (e End) ByPeer() bool {
	var op *net.OpError
	return e.Kind != EndLost || errors.As(e.Err, &op) && op.Op == "remote error" // an alert; its type is not exported
}

// Conn is one connection. Write and HalfClose are for one goroutine; everything else may be called by any.
type Conn struct {
	tcp     *countingConn
	tls     *tls.Conn // nil without TLS
	name    string    // host:port as configured, for errors
	address string
	ended   chan End
	done    chan struct{} // the reader has ended
	once    sync.Once
	last    atomic.Pointer[info] // what TCP told before Close
}

// countingConn is TCP below TLS: it counts what was written, and remembers what tells a reset from an end.
type countingConn struct {
	net.Conn
	written    atomic.Int64
	reset      atomic.Bool // a write met a reset
	halfClosed atomic.Bool
}

func (c *countingConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.written.Add(int64(n))
	if isReset(err) {
		c.reset.Store(true)
	}
	return n, err
}

// wasReset reports whether an end of file stands for a reset. A system tells of a reset once: when a write has met it,
// the read beside it sees an end of file. Then the socket is closed, which before our half-close a FIN cannot bring
// about.
func (c *countingConn) wasReset() bool {
	if c.reset.Load() {
		return true
	}
	i, ok := tcpInfo(c.Conn)
	return ok && i.closed && !c.halfClosed.Load()
}

// newConn starts to read. It owns both connections.
func newConn(name string, tcp *countingConn, secure *tls.Conn) *Conn {
	c := &Conn{name: name, tcp: tcp, tls: secure, address: tcp.RemoteAddr().String(), ended: make(chan End, 1), done: make(chan struct{})}
	go c.read()
	return c
}

// read drops what the peer sends until the connection ends. Its goroutine is ended by Close.
func (c *Conn) read() {
	defer close(c.done)
	buf := make([]byte, 4096)
	var err error
	if c.tls != nil {
		for err == nil {
			_, err = c.tls.Read(buf)
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = nil // the end of TLS; TCP may end later
		}
	}
	for err == nil {
		_, err = c.tcp.Read(buf)
	}
	c.ended <- c.end(err)
}

// end words how the peer's side ended. No port of ours is in it, so that the same fault reads the same each time.
func (c *Conn) end(err error) End {
	switch {
	case errors.Is(err, io.EOF) && !c.tcp.wasReset():
		return End{Kind: EndFIN}
	case errors.Is(err, io.EOF), isReset(err):
		return End{EndRST, errReset}
	case errors.Is(err, net.ErrClosed):
		return End{EndLost, net.ErrClosed}
	case errors.Is(err, syscall.ETIMEDOUT):
		return End{EndLost, errSilent}
	}
	return End{EndLost, explain(c.name, err)}
}

var (
	errReset  = errors.New("reset by the receiver")
	errSilent = errors.New("the receiver's machine does not answer any more")
)

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// Write sends b. It blocks while the peer takes nothing, without a limit; Close ends that.
func (c *Conn) Write(b []byte) (int, error) {
	if c.tls != nil {
		return c.tls.Write(b)
	}
	return c.tcp.Write(b)
}

// HalfClose says that nothing more will be sent: under TLS close_notify, then FIN. The peer can still answer. A peer
// that takes nothing for 5 seconds, so that there is no room for close_notify, gets FIN alone; crypto/tls waits no
// longer.
func (c *Conn) HalfClose() error {
	if c.tls != nil {
		_ = c.tls.CloseWrite() // where the connection is over, the half-close below tells
	}
	if half, ok := c.tcp.Conn.(interface{ CloseWrite() error }); ok {
		c.tcp.halfClosed.Store(true)
		return half.CloseWrite()
	}
	return nil
}

// Ended delivers the end of the peer's side, once.
func (c *Conn) Ended() <-chan End { return c.ended }

// Written returns the bytes written to TCP so far; under TLS its records, not the plain text.
func (c *Conn) Written() int64 { return c.tcp.written.Load() }

// Acked returns how many of the Written bytes the peer's TCP has acknowledged, up to Close; ok is false where the system
// does not tell.
func (c *Conn) Acked() (n int64, ok bool) {
	if i, ok := tcpInfo(c.tcp.Conn); ok {
		return i.acked, true
	}
	if i := c.last.Load(); i != nil {
		return i.acked, true
	}
	return 0, false
}

// Unanswered reports whether the peer's TCP has left something unanswered; ok is false where the system does not tell.
func (c *Conn) Unanswered() (unanswered, ok bool) {
	i, ok := tcpInfo(c.tcp.Conn)
	return i.unanswered, ok
}

// RoundTrip returns TCP's estimate of the time to the peer and back; 0 where the system does not tell.
func (c *Conn) RoundTrip() time.Duration {
	i, _ := tcpInfo(c.tcp.Conn)
	return i.roundTrip
}

// Address returns the peer's resolved address and port.
func (c *Conn) Address() string { return c.address }

// Close gives the connection up and waits for its reader. What the peer has not read by now may be lost: Close comes
// after HalfClose and Ended, or when there is nothing to lose any more.
func (c *Conn) Close() {
	c.once.Do(func() {
		if i, ok := tcpInfo(c.tcp.Conn); ok { // a closed socket tells nothing any more
			c.last.Store(&i)
		}
		_ = c.tcp.Conn.Close()
	})
	<-c.done
}

type info struct {
	acked      int64
	unanswered bool
	closed     bool // the connection is over for TCP
	roundTrip  time.Duration
}
