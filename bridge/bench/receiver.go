package bench

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"github.com/siembridge/siembridge/bridge/syslog"
)

// listen makes a receiver on loopback; config nil: without TLS.
func listen(config *tls.Config) (*Receiver, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	if config != nil {
		l = tls.NewListener(l, config)
	}
	return Receive(l), nil
}

// Receiver counts frames, and closes a connection when the sender has.
type Receiver struct {
	listener net.Listener
	frames   atomic.Int64
	conns    sync.WaitGroup
}

// Receive counts what comes over a listener, until Close.
func Receive(l net.Listener) *Receiver {
	c := &Receiver{listener: l}
	c.conns.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.conns.Go(func() { c.count(conn) })
		}
	})
	return c
}

func (c *Receiver) count(conn net.Conn) {
	defer conn.Close()
	block := make([]byte, 256<<10)
	n, err := conn.Read(block)
	if n > 0 && block[0] >= '1' && block[0] <= '9' { // octet counts; siembridge itself sends lines
		c.scan(io.MultiReader(bytes.NewReader(block[:n]), conn))
		return
	}
	for {
		c.frames.Add(int64(bytes.Count(block[:n], []byte{'\n'})))
		if err != nil {
			return
		}
		n, err = conn.Read(block)
	}
}

func (c *Receiver) scan(r io.Reader) {
	for frames := syslog.NewScanner(r, 0); ; c.frames.Add(1) {
		if _, err := frames.Next(); err != nil {
			return
		}
	}
}

// Frames returns how many have come.
func (c *Receiver) Frames() int64 { return c.frames.Load() }

func (c *Receiver) address() string { return c.listener.Addr().String() }

// Close ends the receiver; the senders have ended before.
func (c *Receiver) Close() {
	c.listener.Close()
	c.conns.Wait()
}
