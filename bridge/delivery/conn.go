package delivery

import (
	"context"
	"time"

	"github.com/siembridge/siembridge/bridge/transport"
)

// peerConn is a connection with what the worker knows of it.
type peerConn struct {
	Conn
	peer  *peer
	since time.Time // when it was made
	marks []mark    // what was written on it, and how far that is on the wire
}

// mark says that after frames bytes of frames the connection had written wire bytes.
type mark struct {
	frames int
	wire   int64
}

// wrote returns how many bytes of frames were written.
func (c *peerConn) wrote() int {
	if n := len(c.marks); n > 0 {
		return c.marks[n-1].frames
	}
	return 0
}

// ackedFrames returns how many bytes of frames the peer's TCP has acknowledged; not known: the system does not tell.
func (c *peerConn) ackedFrames() (frames int, known bool) {
	wire, ok := c.Acked()
	if !ok {
		return 0, false
	}
	for _, m := range c.marks {
		if wire >= m.wire {
			frames = m.frames
		}
	}
	return frames, true
}

// ending is how the connection came to its end.
func (c *peerConn) ending(end *transport.End, halfClosed bool) ending {
	acked, known := c.ackedFrames()
	return ending{end, halfClosed, acked, known}
}

// write writes bytes, size of which are frames of records.
func (w *Worker) write(c *peerConn, bytes []byte, size int) *transport.End {
	wrote := make(chan error, 1)
	go func() { _, err := c.Write(bytes); wrote <- err }() // ended by c.Close at the latest
	watch := w.watch(c)
	defer watch.stop()
	for {
		select {
		case err := <-wrote:
			if err != nil {
				return w.awaitEnd(w.hard, c)
			}
			c.marks = append(c.marks, mark{c.wrote() + size, c.Written()})
			w.up(c)
			return nil
		case e := <-c.Ended():
			c.Close()
			<-wrote
			return &e
		case <-watch.tick():
			if watch.dead() {
				c.Close()
				<-wrote
				return &transport.End{Kind: transport.EndLost, Err: errDead}
			}
		case <-w.hard.Done():
			c.Close()
			<-wrote
			<-c.Ended() // that was we, not the peer
			return nil
		}
	}
}

// awaitEnd waits for the end of the peer's side, without a limit while its TCP answers. nil: ctx ends first.
func (w *Worker) awaitEnd(ctx context.Context, c *peerConn) *transport.End {
	watch := w.watch(c)
	defer watch.stop()
	for {
		select {
		case e := <-c.Ended():
			return &e
		default:
		}
		var graceTimer <-chan time.Time
		if next := w.graceOver(grace); !next.IsZero() {
			graceTimer = time.After(time.Until(next))
		}
		select {
		case e := <-c.Ended():
			return &e
		case <-graceTimer:
		case <-watch.tick():
			if watch.dead() {
				return &transport.End{Kind: transport.EndLost, Err: errDead}
			}
		case <-ctx.Done():
			return nil
		}
	}
}
