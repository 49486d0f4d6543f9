package delivery

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siembridge/siembridge/bridge/emulator"
)

var (
	nights = flag.Int("nights", 60, "how many nights with faults are simulated")
	night  = flag.Uint64("night", 0, "simulate the night of this seed alone")
)

// TestNights: whatever happens to receivers and bridge in a night, everything is delivered in the end. The seed of a
// night that goes wrong is in the test's name, and -night plays it again, with a log of every
// fault and connection.
func TestNights(t *testing.T) {
	for n := range *nights {
		seed := uint64(n + 1)
		if *night > 0 && seed != *night {
			continue
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { simulate(t, seed) })
		})
	}
}

func simulate(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	pick := func(of ...time.Duration) time.Duration { return of[random.IntN(len(of))] }
	addresses := []string{"one:6514", "two:6514"}[:1+random.IntN(2)]
	r := newRig(t, addresses...)
	r.o.ConfirmBytes = 1 << (14 + random.IntN(7))
	r.o.ConfirmTimeout = pick(2*time.Second, 30*time.Second)
	if random.IntN(4) == 0 {
		r.o.RateLimit = 200 + random.IntN(2000)
	}
	var peers []*emulator.Peer
	for _, a := range addresses {
		o := emulator.PeerOptions{Buffer: 1 << (12 + random.IntN(9)), Slow: pick(0, 0, time.Millisecond, 10*time.Millisecond),
			Storing: pick(0, 0, time.Millisecond, 5*time.Millisecond), OneAtATime: random.IntN(5) == 0, RoundTrip: pick(0, 30*time.Millisecond, 200*time.Millisecond)}
		if random.IntN(6) == 0 {
			o.ClosesAfter = 1 << (12 + random.IntN(8))
		}
		peers = append(peers, r.net.Listen(a, o))
	}
	r.start()
	records := 0
	for range 20 {
		n := random.IntN(400)
		r.store.put(n, 100+random.IntN(2000))
		records += n
		<-time.After(time.Duration(random.Int64N(int64(pick(20*time.Millisecond, 500*time.Millisecond, 5*time.Second, time.Minute)) + 1)))
		p := peers[random.IntN(len(peers))]
		fault := random.IntN(9)
		r.o.Logger.Debug("fault", "number", fault)
		switch fault {
		case 0:
			p.Kill()
		case 1, 2:
			p.Start()
		case 3:
			p.Kill()
			<-time.After(pick(5*time.Millisecond, time.Second))
			p.Start()
		case 4:
			p.Reset()
		case 5:
			p.Stop()
		case 6:
			p.Vanish()
		case 7: // the bridge is stopped and started
			r.stop()
			r.store.reopen()
			r.start()
		}
	}
	for _, p := range peers {
		p.Start()
	}
	r.wait(24 * time.Hour)
	r.all(records, peers...)
	if len(r.store.aside) > 0 {
		t.Errorf("set aside although the receivers take everything: %v", r.store.aside)
	}
}
