package bridge

import (
	"flag"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siembridge/siembridge/bridge/emulator"
)

var (
	nights = flag.Int("nights", 20, "how many nights of the whole system are simulated")
	night  = flag.Uint64("night", 0, "simulate the night of this seed alone, with a log of what happens")
)

// TestNights lets an emulated tenant, the sources, the buffer, the deliveries and two SIEMs live through nights with
// faults at every joint, each drawn from a seed: what fails did not happen, or it did and is reported as failed.
// Whatever happens, in the end both SIEMs have every record in its last state, but for those that the bridge says it
// has dropped; every frame parses, rate_limit holds, and what came twice is explained by a connection that ended
// uncleanly or by a restart. In some nights files of the buffer are damaged: then anything may come twice.
// The seed of a night that goes wrong is in the test's name; -night plays it again.
func TestNights(t *testing.T) {
	for n := range *nights {
		seed := uint64(n + 1)
		if *night > 0 && seed != *night {
			continue
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) { simulate(t, dir, seed) })
		})
	}
}

func simulate(t *testing.T, dir string, seed uint64) {
	w := newWorld(t, dir, seed)
	defer w.end()
	w.start()
	for range 15 + w.random.IntN(15) {
		w.happen()
		w.pass(w.pick(time.Second, 20*time.Second, 3*time.Minute))
		w.restartIfDead()
	}
	w.heal()
	w.wait(48 * time.Hour)
	w.check()
}

// happen lets records appear and change, and one fault begin or end.
func (w *world) happen() {
	w.appear(w.random.IntN(8))
	w.revise(w.random.IntN(4))
	p := w.hosts[w.random.IntN(len(w.hosts))]
	fault := w.random.IntN(15)
	if w.calm {
		fault = 14
	}
	w.say("fault", fault, p.address)
	switch fault {
	case 0:
		p.Kill()
	case 1, 2:
		p.Start()
	case 3:
		p.Kill()
		w.pass(w.pick(5*time.Millisecond, time.Second))
		p.Start()
	case 4:
		p.Reset()
	case 5:
		p.Stop()
	case 6:
		p.Vanish()
	case 7:
		share := w.random.Float64() / 4
		w.tenant.SetFaults(emulator.Faults{TooMany: share, Unavailable: share / 2, Unauthorized: share / 2, Reset: share / 2, Truncated: share / 2, HTML: share / 2,
			RetryAfter: w.pick(time.Second, time.Minute).Truncate(time.Second), NoRetryAfter: 0.3})
	case 8:
		w.tenant.SetFaults(emulator.Faults{})
	case 9:
		w.set(func() { w.lost = w.random.Float64() / 3 })
	case 10:
		w.set(func() { w.disk = w.random.Float64() / 4 })
	case 11: // it dies at one of the next steps on the disk
		w.set(func() { w.doom = 1 + w.random.IntN(12) })
	case 12:
		w.stop()
		w.start()
	case 13:
		w.set(func() { w.wire = w.random.Float64() / 4 })
	}
}
