package source

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siembridge/siembridge/bridge/emulator"
)

// TestClockOfTheFirstStart: a clock that is wrong when a source starts for the first time costs no record, whether it
// is set right later or never.
func TestClockOfTheFirstStart(t *testing.T) {
	for name, ahead := range map[string]time.Duration{"right": 0, "two days ahead": 48 * time.Hour, "a month behind": -30 * 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tenant, generator, to := emulator.NewTenant(1), emulator.NewGenerator(2, false), newStore()
				tenant.Now = func() time.Time { return time.Now().Add(-ahead) }
				s, _ := pull(t, tenant, "graph-alerts", to)
				tenant.Add("graph-alerts", generator.Record("graph-alerts", tenant.Now().Add(-23*time.Hour)))
				runFor(t, s, 5*time.Minute)
				for range 3 {
					tenant.Add("graph-alerts", generator.Record("graph-alerts", tenant.Now()))
					runFor(t, s, 4*time.Hour)
				}
				if to.total != 4 {
					t.Errorf("%d records of 4, %+v", to.total, s.Status())
				}
			})
		})
	}
}

// TestClockThatIsSetBack: a source goes on asking, and so finds out the time, when all that it knows of the time says
// that there is nothing to ask for: its clock is set back to before its beginning, or one answer had such a Date.
func TestClockThatIsSetBack(t *testing.T) {
	t.Run("a Date before the beginning", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			tenant, generator, to := emulator.NewTenant(1), emulator.NewGenerator(2, false), newStore()
			wrong := false
			s, _ := pull(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				tenant.ServeHTTP(w, r)
				if wrong {
					w.(*httptest.ResponseRecorder).Result().Header.Set("Date", time.Unix(0, 0).UTC().Format(http.TimeFormat))
				}
			}), "graph-alerts", to)
			runFor(t, s, 10*time.Minute)
			wrong = true
			runFor(t, s, 30*time.Second)
			wrong = false
			tenant.Add("graph-alerts", generator.Record("graph-alerts", time.Now()))
			runFor(t, s, time.Hour)
			if to.total != 1 {
				t.Errorf("%d records of 1, %+v", to.total, s.Status())
			}
		})
	})
	t.Run("a restart with a clock that stands before the beginning", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			tenant, generator, to := emulator.NewTenant(1), emulator.NewGenerator(2, false), newStore()
			const year = 365 * 24 * time.Hour
			tenant.Now = func() time.Time { return time.Now().Add(year) }
			s, _ := pull(t, tenant, "graph-alerts", to)
			s.plan.origin += year.Milliseconds()
			s.keep()
			s, _ = pull(t, tenant, "graph-alerts", to)
			tenant.Add("graph-alerts", generator.Record("graph-alerts", tenant.Now()))
			runFor(t, s, time.Hour)
			if to.total != 1 {
				t.Errorf("%d records of 1, %+v", to.total, s.Status())
			}
		})
	})
}

// TestFailureInALongCatchUp: one answer that failed is over when the next ones succeed, though the poll goes on for
// hours.
func TestFailureInALongCatchUp(t *testing.T) {
	for name, at := range map[string]int64{"the first": 1, "one of many": 400} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				to, n := newStore(), atomic.Int64{}
				tenant := emulator.NewTenant(1)
				s, _ := pull(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Method == http.MethodGet {
						if n.Add(1) == at {
							w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
							w.WriteHeader(http.StatusBadGateway)
							return
						}
					}
					tenant.ServeHTTP(w, r)
				}), "detections", to)
				s.o.Start = func(now time.Time) time.Time { return now.Add(-180 * 24 * time.Hour) }
				s.plan.since(s.o.Start(time.Now()).UnixMilli())
				go runFor(t, s, 25*time.Minute)
				time.Sleep(20 * time.Minute)
				synctest.Wait()
				if got := s.Status(); n.Load() < at || n.Load() > 2000 || got.State == "failing" || time.Since(got.LastSuccess) > time.Minute {
					t.Errorf("after %d requests: %+v", n.Load(), got)
				}
				time.Sleep(time.Hour)
			})
		})
	}
}
