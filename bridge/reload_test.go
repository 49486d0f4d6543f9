package bridge

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer/disk/vfs/faultfs"
	"github.com/siembridge/siembridge/bridge/config"
)

// reloading is a bridge at rest whose destination is qradar. The configuration that more returns has the destinations
// that were kept back, too.
func reloading(t *testing.T, dir string) *world {
	w := newWorld(t, dir, 8)
	kept := w.config
	first := *kept
	first.Destinations = slices.Clone(kept.Destinations[:1])
	w.config = &first
	w.start()
	w.appear(20)
	w.settle()
	w.config = kept
	third := kept.Destinations[1]
	third.Name = "third"
	kept.Destinations = append(kept.Destinations, third)
	return w
}

// settle lets what appeared be pulled, delivered and released, and everything come to rest. A release that comes at the
// end of the hour is committed within a second.
func (w *world) settle() {
	w.pass(time.Hour + 3*time.Second)
	synctest.Wait()
}

// twice runs a test for both ways of a fault: it did not happen; it happened and was reported as failed.
func twice(t *testing.T, test func(t *testing.T, dir string, fault faultfs.Effect)) {
	for name, fault := range map[string]faultfs.Effect{"did not happen": faultfs.Fails, "happened and was reported as failed": faultfs.FailsDone} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) { test(t, dir, fault) })
		})
	}
}

// arrived counts the records from the given one on whose last state a destination has.
func (w *world) arrived(p *siem, from int) (n int) {
	p.look(w.t)
	for _, e := range w.records[from:] {
		n += min(1, p.seen[e.state])
	}
	return n
}

// TestReloadRefused: when the queue of the first or the second new destination cannot be opened, the reload is refused,
// what ran runs on, and nothing of the new ones is left to be seen. The next reload works, and so does the next start.
func TestReloadRefused(t *testing.T) {
	for at, name := range []string{"arcsight", "third"} {
		t.Run(name, func(t *testing.T) {
			twice(t, func(t *testing.T, dir string, fault faultfs.Effect) {
				w := reloading(t, dir)
				defer w.end()
				ran := slices.Clone(w.bridge.destinations)
				w.set(func() { w.commits = append(make([]faultfs.Effect, at), fault) })
				_, err := w.bridge.Reload(w.config)
				if !errors.Is(err, faultfs.ErrFault) || !strings.Contains(err.Error(), "destination "+name) {
					t.Fatalf("the reload: %v", err)
				}
				if !slices.Equal(w.bridge.destinations, ran) || len(w.bridge.config.Destinations) != 1 {
					t.Error("what runs has changed")
				}
				w.wantNothingOf("arcsight", "third")
				w.appear(20)
				w.settle()
				if n := w.arrived(w.peers[0], 0); n != 40 {
					t.Errorf("%d records of 40 were delivered where nothing changed", n)
				}

				changes, err := w.bridge.Reload(w.config)
				if err != nil || !slices.Equal(changes.Destinations.Added, []string{"arcsight", "third"}) {
					t.Fatalf("the second reload: %+v, %v", changes, err)
				}
				w.appear(20)
				w.settle()
				w.stop()
				w.start()
				w.appear(20)
				w.settle()
				for i, want := range []int{80, 40} {
					if n := w.arrived(w.peers[i], 80-want); n != want {
						t.Errorf("%s has %d records of %d", w.peers[i].name, n, want)
					}
				}
				for _, d := range w.bridge.Status().Destinations {
					if d.Pending > 0 {
						t.Errorf("%s has %d records pending", d.Name, d.Pending)
					}
				}
			})
		})
	}
}

// wantNothingOf checks that neither status nor metrics know of destinations.
func (w *world) wantNothingOf(names ...string) {
	w.t.Helper()
	for _, d := range w.bridge.Status().Destinations {
		if slices.Contains(names, d.Name) {
			w.t.Errorf("the status has destination %s", d.Name)
		}
	}
	families, err := w.bridge.registry.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if slices.Contains(names, label.GetValue()) {
					w.t.Errorf("%s has a series of %s", family.GetName(), label.GetValue())
				}
			}
		}
	}
}

// TestReloadOpensAgain: the queue of a destination that changed cannot be opened for three seconds. It is tried until it
// works, and the destination goes on where it was.
func TestReloadOpensAgain(t *testing.T) {
	twice(t, func(t *testing.T, dir string, fault faultfs.Effect) {
		w := reloading(t, dir)
		defer w.end()
		w.config.Destinations = w.config.Destinations[:1]
		w.config.Destinations[0].ConfirmBytes *= 2
		w.set(func() { w.commits = []faultfs.Effect{fault, fault, fault} })
		begun := time.Now()
		changes, err := w.bridge.Reload(w.config)
		if err != nil || !slices.Equal(changes.Destinations.Changed, []string{"qradar"}) {
			t.Fatalf("the reload: %+v, %v", changes, err)
		}
		if took := time.Since(begun); len(w.commits) > 0 || took < 3*time.Second {
			t.Errorf("after %s %d faults are left", took, len(w.commits))
		}
		w.appear(20)
		w.settle()
		p := w.peers[0]
		if n := w.arrived(p, 0); n != 40 {
			t.Errorf("%d records of 40 were delivered", n)
		}
		for state, n := range p.seen {
			if n > 1 {
				t.Errorf("%s came %d times", state, n)
			}
		}
	})
}

// TestStopWhileReloadOpensAgain: the bridge is stopped while the queue of a destination that changed cannot be opened. It
// ends, and its state can be asked for.
func TestStopWhileReloadOpensAgain(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, dir, 8)
		for i := range w.config.Destinations {
			w.config.Destinations[i].Heartbeat = time.Hour
		}
		w.start()
		w.settle()
		next := *w.config
		next.Destinations = slices.Clone(next.Destinations)
		next.Destinations[0].ConfirmBytes *= 2
		w.set(func() { w.commits = slices.Repeat([]faultfs.Effect{faultfs.Fails}, 1000) })
		time.AfterFunc(5*time.Second, w.cancel)
		if _, err := w.bridge.Reload(&next); err != nil {
			t.Error(err)
		}
		<-w.ended
		if s := w.bridge.Status(); len(s.Destinations) != 1 || s.Destinations[0].Name != "arcsight" {
			t.Errorf("what ran: %+v", s.Destinations)
		}
		w.bridge.events()
		w.end()
	})
}

// TestReloadRefusedSource: a new source that cannot be built leaves no series of its own.
func TestReloadRefusedSource(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := reloading(t, dir)
		defer w.end()
		next := *w.config
		other := next.Sources[0]
		other.Name, other.CAFile = "other", dir+"/missing.pem"
		next.Sources = append(slices.Clone(next.Sources), other)
		if _, err := w.bridge.Reload(&next); err == nil {
			t.Fatal("the reload is not refused")
		}
		w.wantNothingOf("other")
	})
}

// TestReloadThatWaitsForAStart: what takes effect at the next start is said for as long as it differs from what runs.
func TestReloadThatWaitsForAStart(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, dir, 8)
		w.start()
		defer w.end()
		w.settle()
		changed := *w.config
		changed.Log.Format = "json"
		for i, step := range []struct {
			config *config.Config
			waits  []string
		}{{&changed, []string{"log.format"}}, {&changed, []string{"log.format"}}, {w.config, nil}} {
			changes, err := w.bridge.Reload(step.config)
			if err != nil || !slices.Equal(changes.Restart, step.waits) {
				t.Errorf("reload %d: %v wait, want %v (%v)", i, changes.Restart, step.waits, err)
			}
		}
	})
}
