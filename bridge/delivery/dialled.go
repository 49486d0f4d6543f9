package delivery

import (
	"context"
	"time"
)

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
		d.w.failover.absent(d.peer, time.Now())
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
