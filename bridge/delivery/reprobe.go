package delivery

import (
	"context"
	"errors"

	"github.com/siembridge/siembridge/bridge/transport"
)

// reprobe asks a receiver beside the connection in use whether it answers a half-close. The zero value asks nothing.
type reprobe struct {
	done   chan struct{} // nil: not asking
	cancel context.CancelFunc
	fin    bool // when done
}

func (r *reprobe) start(w *Worker, p *peer) {
	if r.done != nil {
		return
	}
	ctx, cancel := context.WithCancel(w.hard)
	done := make(chan struct{})
	r.done, r.cancel, r.fin = done, cancel, false
	go func() {
		defer close(done)
		c, err := w.dial(ctx, p, "")
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				w.o.Logger.Debug("a receiver cannot be asked again whether it confirms", "destination", w.o.Name, "address", p.address, "error", err)
			}
			return
		}
		end := probe(ctx, c)
		r.fin = end != nil && end.Kind == transport.EndFIN
	}()
}

// answered reports whether the receiver has answered. Asking is over then.
func (r *reprobe) answered() bool {
	if r.done == nil {
		return false
	}
	select {
	case <-r.done:
		r.cancel()
		r.done = nil
		return r.fin
	default:
		return false
	}
}

func (r *reprobe) stop() {
	if r.done != nil {
		r.cancel()
		<-r.done
		r.done = nil
	}
}
