package delivery

import (
	"github.com/siembridge/siembridge/bridge/transport"
)

// Announce hands over frames that go out ahead of everything else, once. They are in no buffer: they wait while the
// receiver is away, newer ones take their place, and they are not sent again when a connection breaks. It may be called
// from any goroutine; the worker keeps frames.
func (w *Worker) Announce(frames []byte) {
	w.mu.Lock()
	w.urgent = frames
	w.mu.Unlock()
	select {
	case w.announced <- struct{}{}:
	default:
	}
}

// announces reports whether something waits to be announced.
func (w *Worker) announces() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.urgent != nil
}

// announce writes what waits to be announced. The ledger does not know of it: a mark that counts no bytes of records
// keeps the count of what the peer has acknowledged right.
func (w *Worker) announce(c *peerConn) *transport.End {
	w.mu.Lock()
	frames := w.urgent
	w.urgent = nil
	w.mu.Unlock()
	if frames == nil {
		return nil
	}
	return w.write(c, frames, 0)
}
