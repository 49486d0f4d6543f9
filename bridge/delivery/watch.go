package delivery

import (
	"errors"
	"time"
)

// errDead: the peer's machine or the way to it is gone.
var errDead = errors.New("its TCP has not answered for confirm_timeout")

// watch looks at a connection that makes no progress. Time alone decides nothing while the peer's TCP answers: then the
// destination is stalled, which is said, and waited for. Dead is a peer whose TCP leaves something unanswered for
// confirm_timeout without a break.
type watch struct {
	w          *Worker
	c          *peerConn
	timer      *time.Ticker
	moved      time.Time // last progress
	acked      int64
	written    int64
	unanswered time.Time // since when without a break; zero: it answers
	said       bool
}

func (w *Worker) watch(c *peerConn) *watch {
	return &watch{w: w, c: c, moved: time.Now(), acked: -1}
}

// tick is when to look again. The ticker starts with the first call.
func (x *watch) tick() <-chan time.Time {
	if x.timer == nil {
		x.timer = time.NewTicker(max(10*time.Millisecond, x.w.o.ConfirmTimeout/10))
	}
	return x.timer.C
}

func (x *watch) stop() {
	if x.timer != nil {
		x.timer.Stop()
	}
}

// dead looks at the connection once.
func (x *watch) dead() bool {
	now := time.Now()
	acked, known := x.c.Acked()
	written := x.c.Written()
	if acked != x.acked || !known && written != x.written { // what our own system takes is no progress of the peer
		x.acked, x.written, x.moved = acked, written, now
		x.unanswered = time.Time{} // what is unanswered now is not what was before
		if x.said {
			x.said = false
			x.w.failover.unstalled(x.c.peer)
			x.w.recovered()
		}
	}
	if !x.said && now.Sub(x.moved) >= x.w.o.ConfirmTimeout {
		x.said = true
		x.w.stalled(x.c)
	}
	unanswered, _ := x.c.Unanswered()
	switch {
	case !known || !unanswered:
		x.unanswered = time.Time{}
	case x.unanswered.IsZero():
		x.unanswered = now
	case now.Sub(x.unanswered) >= x.w.o.ConfirmTimeout:
		return true
	}
	return false
}
