package delivery

import (
	"time"

	"golang.org/x/time/rate"

	"github.com/siembridge/siembridge/bridge/transport"
)

// rateLimit waits until so many events may go out.
func (w *Worker) rateLimit(c *peerConn, events int) *transport.End {
	if w.limiter == nil {
		return nil
	}
	if w.o.Share != nil { // what other instances deliver is theirs; who still sends what was its own does so slowly
		w.limiter.SetLimit(rate.Limit(float64(w.o.RateLimit) * max(w.o.Share(), 0.01)))
	}
	for events > 0 {
		n := min(events, w.limiter.Burst())
		events -= n
		if wait := w.limiter.ReserveN(time.Now(), n).Delay(); wait > 0 {
			if end := w.linger(c, wait); end != nil || w.hard.Err() != nil {
				return end
			}
		}
	}
	return nil
}

// linger waits beside a connection, and sees it end or die meanwhile.
func (w *Worker) linger(c *peerConn, wait time.Duration) *transport.End {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return nil
		case e := <-c.Ended():
			return &e
		case <-w.limited.tick():
			if acked, known := c.Acked(); !known || acked >= c.Written() {
				w.limited.moved = time.Now() // nothing is late
			}
			if w.limited.dead() {
				return &transport.End{Kind: transport.EndLost, Err: errDead}
			}
		case <-w.hard.Done():
			return nil
		}
	}
}
