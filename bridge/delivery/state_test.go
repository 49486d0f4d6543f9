package delivery

import (
	"bytes"
	"context"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/emulator"
	"github.com/siembridge/siembridge/bridge/transport"
)

// TestIdleStateByAcknowledgement: with confirm = "ack", too, a destination that nothing is sent to is up while there is a
// connection, from the start on and again after an outage.
func TestIdleStateByAcknowledgement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "siem:6514")
		r.o.Acknowledge = true
		siem := r.net.Listen("siem:6514", emulator.PeerOptions{})
		r.start()
		synctest.Wait()
		if s := r.worker.Status(); s.Confirm != "ack" {
			t.Errorf("at the start: %+v", s)
		}
		<-time.After(time.Minute)
		if s := r.worker.Status(); s.State != StateUp {
			t.Errorf("connected: %+v", s)
		}
		siem.Kill()
		<-time.After(10 * time.Minute)
		if s := r.worker.Status(); s.State != StateDown || s.Error == "" {
			t.Errorf("killed: %+v", s)
		}
		siem.Start()
		<-time.After(10 * time.Minute)
		if s := r.worker.Status(); s.State != StateUp || s.Error != "" {
			t.Errorf("started again: %+v", s)
		}
		if up := testutil.ToFloat64(r.o.Metrics.up.WithLabelValues("siem")); up != 1 {
			t.Errorf("the metric says %v", up)
		}
		r.stop()
	})
}

// sieve keeps every record back.
type sieve struct{}

func (sieve) Render(dst []byte, _ *buffer.Record) ([]byte, int, time.Time) {
	return dst, 0, time.Time{}
}

// TestKeptBackIsNotConfirmed: a record that the filter keeps back does not pass for a confirmation.
func TestKeptBackIsNotConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "siem:6514")
		r.o.Renderer = func() Renderer { return sieve{} }
		r.start()
		r.store.put(10, 100)
		r.wait(time.Minute)
		if s := r.worker.Status(); !s.Last.IsZero() || s.Delivered > 0 {
			t.Errorf("nobody listens: %+v", s)
		}
		if n := testutil.ToFloat64(r.o.Metrics.filtered.WithLabelValues("siem")); n != 10 {
			t.Errorf("%v filtered", n)
		}
		r.stop()
	})
}

// TestSetAsideIsNotFiltered: a record that the receiver refuses was not kept back by the filter.
func TestSetAsideIsNotFiltered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "siem:6514")
		r.net.Listen("siem:6514", emulator.PeerOptions{Reject: "record 7 "})
		r.start()
		r.store.put(100, 200)
		r.wait(time.Hour)
		r.stop()
		if n := testutil.ToFloat64(r.o.Metrics.filtered.WithLabelValues("siem")); n != 0 || len(r.store.aside) != 1 {
			t.Errorf("%v filtered, set aside %v", n, r.store.aside)
		}
	})
}

// TestRefusedAndGone: a record that the receiver refuses and that is not in the buffer any more ends no connection for
// ever.
func TestRefusedAndGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "siem:6514")
		siem := r.net.Listen("siem:6514", emulator.PeerOptions{Reject: "record 7 "})
		r.store.fault = func(what string) (bool, error) {
			if what == "read" {
				return false, buffer.ErrGone
			}
			return true, nil
		}
		r.start()
		for range 5 {
			r.store.put(20, 200)
			<-time.After(time.Hour)
		}
		r.wait(time.Hour)
		r.stop()
		if seen, _ := count(siem); len(seen) != 99 {
			t.Errorf("%d records arrived", len(seen))
		}
		if log := r.log.String(); !strings.Contains(log, "key=7") {
			t.Errorf("the log does not name it:\n%s", log)
		}
	})
}

// TestRefusedForAMoment: a record that was alone while the receiver ended every connection is tried again although nothing
// newer comes that would tell whose fault it was.
func TestRefusedForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "siem:6514")
		siem := r.net.Listen("siem:6514", emulator.PeerOptions{})
		r.start()
		<-time.After(time.Minute)
		siem.Set(func(o *emulator.PeerOptions) { o.Reject = "record" })
		r.store.put(1, 200)
		<-time.After(time.Minute)
		siem.Set(func(o *emulator.PeerOptions) { o.Reject = "" })
		r.wait(time.Hour)
		if len(r.store.aside) > 0 {
			t.Errorf("set aside: %v", r.store.aside)
		}
		r.all(1, siem)
		r.stop()
	})
}

// TestStopIsNotTheReceiversFault: a connection that the bridge gives up when it stops was not ended by the receiver.
func TestStopIsNotTheReceiversFault(t *testing.T) {
	for name, ack := range map[string]bool{"close": false, "ack": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, "siem:6514")
				r.o.Acknowledge = ack
				siem := r.net.Listen("siem:6514", emulator.PeerOptions{})
				r.start()
				<-time.After(time.Minute)
				siem.Stop()
				r.store.put(1000, 900)
				<-time.After(10 * time.Second)
				r.stop()
				if n := testutil.ToFloat64(r.o.Metrics.unconfirmed.WithLabelValues("siem")); n > 0 || bytes.Contains(r.log.Bytes(), []byte("the receiver ended")) {
					t.Errorf("%v ended before they were confirmed\n%s", n, r.log.String())
				}
			})
		})
	}
}

// TestStopsAtOnce: nothing was sent, so nothing is waited for, neither a machine that does not answer nor a receiver that
// is being asked how it confirms.
func TestStopsAtOnce(t *testing.T) {
	for name, fault := range map[string]func(*emulator.Peer){"no answer": (*emulator.Peer).Vanish, "silent": (*emulator.Peer).Stop} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, "siem:6514")
				fault(r.net.Listen("siem:6514", emulator.PeerOptions{}))
				r.store.put(10, 100)
				r.start()
				<-time.After(time.Second)
				begun := time.Now()
				r.stop()
				if took := time.Since(begun); took > 0 {
					t.Errorf("stopped after %s", took)
				}
			})
		})
	}
}

// TestRunLeavesNothingBehind: when Run has ended, no timer holds on to it.
func TestRunLeavesNothingBehind(t *testing.T) {
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		held := func() weak.Pointer[[64]byte] {
			value := new([64]byte)
			ctx, cancel := context.WithCancel(context.WithValue(context.Background(), key{}, value))
			cancel()
			New(newRig(t, "siem:6514").o).Run(ctx)
			return weak.Make(value)
		}()
		synctest.Wait()
		runtime.GC()
		if held.Value() != nil {
			t.Error("something of it is still there")
		}
	})
}

// TestLatencyIsNotNegative: Microsoft's clock may be ahead of ours.
func TestLatencyIsNotNegative(t *testing.T) {
	m := NewMetrics(prometheus.NewRegistry())
	m.delivered("siem", []item{{events: 1, since: time.Now().Add(time.Hour)}})
	if l := m.Latency()["siem"]; l.Count != 1 || l.Sum != 0 {
		t.Errorf("%+v", l)
	}
}

// TestIdleStopsAtOnce: a receiver that is looked at while nothing was sent, and does not close its side, is not waited for
// when the bridge stops.
func TestIdleStopsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "siem:6514")
		siem := r.net.Listen("siem:6514", emulator.PeerOptions{})
		r.start()
		<-time.After(time.Minute)
		siem.Stop()
		<-time.After(time.Hour)
		begun := time.Now()
		r.stop()
		if took := time.Since(begun); took > 0 {
			t.Errorf("stopped after %s", took)
		}
	})
}

// TestClosesEarlyAlways: a receiver that closes every connection before it has read a record is said to, as one that resets
// them is.
func TestClosesEarlyAlways(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "siem:6514")
		r.net.Listen("siem:6514", emulator.PeerOptions{})
		dial := r.o.Dial
		r.o.Dial = func(ctx context.Context, address, resolved string) (Conn, error) {
			c, err := dial(ctx, address, resolved)
			if err != nil {
				return nil, err
			}
			return &earlyConn{Conn: c, ended: make(chan transport.End, 1)}, nil
		}
		r.start()
		r.store.put(5, 900)
		<-time.After(time.Hour)
		r.stop()
		if n := strings.Count(r.log.String(), "ends every connection before it has read"); n == 0 || r.worker.Status().Delivered > 0 {
			t.Errorf("said %d times; %+v\n%s", n, r.worker.Status(), r.log.String())
		}
	})
}

// earlyConn is one whose peer closes when something is written, before it has acknowledged that. An empty one is answered.
type earlyConn struct {
	Conn
	ended chan transport.End
	wrote atomic.Bool
}

func (c *earlyConn) Write(b []byte) (int, error) {
	if !c.wrote.Swap(true) {
		c.ended <- transport.End{Kind: transport.EndFIN}
	}
	return len(b), nil
}

func (c *earlyConn) Written() int64       { return 1 << 20 }
func (c *earlyConn) Acked() (int64, bool) { return 0, true }

func (c *earlyConn) Ended() <-chan transport.End {
	if c.wrote.Load() {
		return c.ended
	}
	return c.Conn.Ended()
}
