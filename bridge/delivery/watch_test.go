package delivery

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siembridge/siembridge/bridge/emulator"
)

// busyConn always has something under way, as one over a long or narrow line that is never idle.
type busyConn struct{ Conn }

func (busyConn) Unanswered() (unanswered, ok bool) { return true, true }

// TestBusyIsNotDead: a receiver of which something is unanswered whenever that is looked at, while its TCP acknowledges
// what was sent before, is alive.
func TestBusyIsNotDead(t *testing.T) {
	for _, acknowledge := range []bool{false, true} {
		for _, limit := range []int{0, 10} {
			t.Run(fmt.Sprintf("ack=%v/rate_limit=%d", acknowledge, limit), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, "siem:6514")
					r.o.Acknowledge, r.o.RateLimit, r.o.ConfirmInterval = acknowledge, limit, time.Hour
					dial := r.o.Dial
					r.o.Dial = func(ctx context.Context, address, resolved string) (Conn, error) {
						c, err := dial(ctx, address, resolved)
						if err != nil {
							return nil, err
						}
						return busyConn{c}, nil
					}
					siem := r.net.Listen("siem:6514", emulator.PeerOptions{Buffer: 4096, Slow: 2 * time.Second})
					r.start()
					for range 10 {
						r.store.put(100, 900)
						<-time.After(time.Minute)
					}
					r.wait(time.Hour)
					r.stop()
					if repeated := r.all(1000, siem); repeated > 0 {
						t.Errorf("%d bytes twice", repeated)
					}
					if log := r.log.String(); strings.Contains(log, errDead.Error()) {
						t.Errorf("called dead:\n%s", log)
					}
				})
			})
		}
	}
}
