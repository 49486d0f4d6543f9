package delivery

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siembridge/siembridge/bridge/emulator"
)

// Every fault is tried twice: the step did not happen, or it happened and was reported as failed.

var errFault = errors.New("input/output error")

// twice runs a test for both.
func twice(t *testing.T, name string, test func(t *testing.T, applied bool)) {
	t.Helper()
	for how, applied := range map[string]bool{"did not happen": false, "happened and was reported as failed": true} {
		t.Run(name+" "+how, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { test(t, applied) }) })
	}
}

// TestFaultsOfTheStore: what is stored about a delivery fails three times and then works. Nothing is lost or sent twice,
// every event counts as delivered once, and the log says what could not be stored.
func TestFaultsOfTheStore(t *testing.T) {
	for what, said := range map[string]string{
		"release":   "a confirmation cannot be stored",
		"note":      "cannot be stored",
		"set aside": "a record cannot be set aside",
		"read":      "a record cannot be set aside",
	} {
		twice(t, what, func(t *testing.T, applied bool) {
			r := newRig(t, "siem:6514")
			siem := r.net.Listen("siem:6514", emulator.PeerOptions{Reject: "record 77 "})
			if what == "note" {
				r.o.Acknowledge = true // a note precedes the first release
				siem.Set(func(o *emulator.PeerOptions) { o.Reject = "" })
			}
			left := 3
			r.store.fault = func(step string) (bool, error) {
				if step != what || left == 0 {
					return true, nil
				}
				left--
				return applied, errFault
			}
			r.start()
			for range 5 { // a record is set aside when others are confirmed behind it
				r.store.put(60, 900)
				<-time.After(time.Hour)
			}
			r.wait(time.Hour)
			repeated := r.all(300, siem)
			r.stop()
			if left > 0 {
				t.Errorf("the fault was met %d times of 3", 3-left)
			}
			want := uint64(300)
			if what != "note" {
				want--
				if aside := slices.Compact(r.store.aside); !slices.Equal(aside, []string{"77"}) {
					t.Errorf("set aside: %v", aside)
				}
			}
			if s := r.worker.Status(); s.Delivered != want {
				t.Errorf("%d delivered, not %d", s.Delivered, want)
			}
			if what == "note" && repeated > 0 {
				t.Errorf("%d bytes twice", repeated)
			}
			if log := r.log.String(); !strings.Contains(log, said) || !strings.Contains(log, errFault.Error()) {
				t.Errorf("the log does not say %q:\n%s", said, log)
			}
		})
	}
}

// faultyConn fails steps. A connection is over when a write has failed, as with TCP.
type faultyConn struct {
	Conn
	fail func(step string) (applied bool, err error)
}

func (c faultyConn) Write(b []byte) (int, error) {
	applied, err := c.fail("write")
	if err == nil {
		return c.Conn.Write(b)
	}
	if applied {
		_, _ = c.Conn.Write(b)
	}
	c.Conn.Close()
	return 0, err
}

func (c faultyConn) HalfClose() error {
	applied, err := c.fail("half-close")
	if applied {
		return errors.Join(c.Conn.HalfClose(), err)
	}
	return err
}

// TestFaultsOfTheWire: a dial, a write or a half-close fails now and then, for a while. Nothing is lost, and what is sent
// again is what a connection may carry.
func TestFaultsOfTheWire(t *testing.T) {
	for _, what := range []string{"dial", "write", "half-close"} {
		twice(t, what, func(t *testing.T, applied bool) {
			r := newRig(t, "siem:6514")
			siem := r.net.Listen("siem:6514", emulator.PeerOptions{})
			met := 0
			fail := func(step string) (bool, error) {
				if step != what || met == 3 {
					return true, nil
				}
				met++
				return applied, errFault
			}
			dial := r.o.Dial
			r.o.Dial = func(ctx context.Context, address, resolved string) (Conn, error) {
				applied, fault := fail("dial")
				if !applied {
					return nil, fault
				}
				c, err := dial(ctx, address, resolved)
				if err != nil {
					return nil, err
				}
				if fault != nil { // the receiver has seen the connection come and go
					c.Close()
					return nil, fault
				}
				return faultyConn{c, fail}, nil
			}
			r.start()
			r.store.put(300, 900)
			r.wait(time.Hour)
			repeated := r.all(300, siem)
			r.stop()
			if met != 3 {
				t.Errorf("the fault was met %d times", met)
			}
			if most := 3 * r.o.ConfirmBytes; repeated > most {
				t.Errorf("%d bytes twice, %d are possible", repeated, most)
			}
			if s := r.worker.Status(); s.Delivered != 300 {
				t.Errorf("%d delivered", s.Delivered)
			}
		})
	}
}
