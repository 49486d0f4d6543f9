package delivery

import (
	"context"
	"time"

	"github.com/siembridge/siembridge/bridge/transport"
)

// Proof is what CheckAddress found out about a receiver.
type Proof struct {
	Confirms bool  // it answers a half-close, so it can confirm by close
	Err      error // no connection, with the remedy
}

// CheckAddress connects to a receiver, sends payload if there is any, and finds out whether it answers a half-close
// within 5 seconds.
func CheckAddress(ctx context.Context, dial DialFunc, address string, payload []byte) Proof {
	c, err := dial(ctx, address, "")
	if err != nil {
		return Proof{Err: err}
	}
	defer c.Close()
	if len(payload) > 0 {
		if _, err := c.Write(payload); err != nil {
			end := <-c.Ended()
			return Proof{Err: endError(&peer{address: address}, &end)}
		}
	}
	_ = c.HalfClose() // where that fails the connection has ended, and its reader knows how
	timer := time.NewTimer(5 * time.Second)
	defer timer.Stop()
	select {
	case end := <-c.Ended():
		if end.Kind == transport.EndFIN {
			return Proof{Confirms: true}
		}
		return Proof{Err: endError(&peer{address: address}, &end)}
	case <-timer.C:
		return Proof{}
	case <-ctx.Done():
		return Proof{Err: ctx.Err()}
	}
}
