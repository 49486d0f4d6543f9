package source

import (
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siembridge/siembridge/bridge/emulator"
)

// TestInstantBeyondSkip: of 1,700 Graph alerts that one instant changed and created, the 1,500 that $top and $skip
// reach are read and the rest becomes one hole of a millisecond with its reason; 1,700 whose creation differs are read
// whole; all that lies around them is read, and the requests do not run away.
func TestInstantBeyondSkip(t *testing.T) {
	for _, c := range []struct {
		name     string
		spread   time.Duration // of the creation times
		want     int
		holes    int
		requests int
	}{
		{"one creation time", 0, 1500 + 40, 1, 60},
		{"a creation time each", time.Minute, 1700 + 40, 0, 60},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tenant, generator, to := emulator.NewTenant(1), emulator.NewGenerator(2, false), newStore()
				at := time.Now().Add(-2 * time.Hour).Truncate(time.Second).Add(345 * time.Millisecond)
				for i := range 1700 {
					r := generator.Record("graph-alerts", at)
					r.Created = at.Add(-c.spread * time.Duration(i))
					tenant.Add("graph-alerts", r)
				}
				for i := range 40 { // neighbours, some in the same second
					tenant.Add("graph-alerts", generator.Record("graph-alerts", at.Add(time.Duration(i-20)*50*time.Millisecond+time.Millisecond)))
				}
				s, w := pull(t, tenant, "graph-alerts", to)
				s.o.Start = func(time.Time) time.Time { return at.Add(-5 * time.Second) }
				s.plan.origin, s.plan.width = floor(at.UnixMilli())-5*second, second // spares pages on the way to the instant
				runFor(t, s, time.Hour)
				got := s.Status()
				if len(to.events) != c.want || to.total != c.want || len(got.Holes) != c.holes || got.State != "ok" {
					t.Errorf("%d records, %d events, want %d; %+v", len(to.events), to.total, c.want, got)
				}
				for _, h := range got.Holes {
					if h.From != at.UnixMilli() || h.length() != 1 || !strings.Contains(h.Reason, "1500") {
						t.Errorf("hole %+v", h)
					}
				}
				pages := 0 // beyond the one each poll
				for _, r := range w.requests {
					if r.Method == http.MethodGet {
						pages++
					}
				}
				if pages > 60+c.requests {
					t.Errorf("%d requests in 60 polls", pages)
				}
			})
		})
	}
}

// TestSplit: the parts make up the whole, and an instant at which all lie stands alone.
func TestSplit(t *testing.T) {
	for _, c := range []struct {
		name string
		seen []int64
		want []Interval
	}{
		{"nothing seen", nil, []Interval{{0, 50}, {50, 100}}},
		{"one instant", []int64{7, 7, 7}, []Interval{{0, 7}, {7, 8}, {8, 100}}},
		{"the first instant", []int64{0}, []Interval{{0, 1}, {1, 100}}},
		{"the last instant", []int64{99, 99}, []Interval{{0, 99}, {99, 100}}},
		{"shared out", []int64{9, 1, 5, 3}, []Interval{{0, 5}, {5, 100}}},
		{"most at the first", []int64{1, 1, 1, 1, 8}, []Interval{{0, 8}, {8, 100}}},
		{"others do not count", []int64{-5, 100, 400}, []Interval{{0, 50}, {50, 100}}},
	} {
		if got := split(Interval{0, 100}, c.seen); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestWindowsGrowByRows: an incident with its alerts is one row of the page. Windows grow by rows, not by the records
// that come of them.
func TestWindowsGrowByRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant, generator, to := emulator.NewTenant(1), emulator.NewGenerator(2, false), newStore()
		for i := range 40 {
			r := generator.Record("incidents", time.Now().Add(-time.Duration(i+1)*30*time.Minute))
			tenant.Add("incidents", r)
		}
		s, _ := pull(t, tenant, "incidents", to)
		s.plan.width = 12 * hourInMillis
		s.plan.begin(time.Now().UnixMilli())
		for range growAfter {
			w, _ := s.plan.next()
			if err := s.readWindow(t.Context(), w); err != nil {
				t.Fatal(err)
			}
		}
		if s.plan.width != 24*hourInMillis {
			t.Errorf("windows of %s after %d records of 40 rows in two pages that hold 100 each", time.Duration(s.plan.width)*time.Millisecond, to.total)
		}
	})
}
