package source

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siembridge/siembridge/bridge/emulator"
)

// TestNextLinkThatIsRefused: an API that gives next links and refuses to be asked by them, as Graph's security APIs did
// for weeks in 2024, is read by windows that need none.
func TestNextLinkThatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant, generator, to := emulator.NewTenant(1), emulator.NewGenerator(2, false), newStore()
		for i := range 100 {
			tenant.Add("graph-alerts", generator.Record("graph-alerts", time.Now().Add(-time.Hour+time.Duration(i)*time.Second)))
		}
		s, _ := pull(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			q := r.URL.Query()
			if q.Has("$skip") {
				respond(400, `{"error":{"code":"BadRequest","message":"Query option 'SkipToken' is not allowed."}}`, "Date", time.Now().UTC().Format(http.TimeFormat))(w, r)
				return
			}
			if q.Has("$filter") {
				q.Set("$top", "20")
				r.URL.RawQuery = q.Encode()
			}
			tenant.ServeHTTP(w, r)
		}), "graph-alerts", to)
		runFor(t, s, 2*time.Hour)
		if got := s.Status(); to.total != 100 || got.State != "ok" || len(got.Holes) > 0 {
			t.Errorf("%d records of 100, %+v", to.total, got)
		}
	})
}

// TestDetectionAlone: a detection that stands alone, as Microsoft's first page of the API printed it, is a record.
func TestDetectionAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := newStore()
		s, _ := pull(t, &scripted{tenant: emulator.NewTenant(1), steps: []http.HandlerFunc{
			respond(200, `{"AlertTime":"1999-12-31T23:00:00Z","AlertTitle":"t","FullId":"636_1:x","LastProcessedTimeUtc":"1999-12-31T23:00:00Z"}`)}}, "detections", to)
		runFor(t, s, time.Hour)
		if got := s.Status(); to.total != 1 || got.State != "ok" || len(got.Holes) > 0 {
			t.Errorf("%d records, %+v", to.total, got)
		}
	})
}

// TestProbeThatIsThrottled: what the API asks to wait is kept to, too, when it says so in answer to the question whether
// it works at all.
func TestProbeThatIsThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var probed, next time.Time
		script := &scripted{tenant: emulator.NewTenant(1), steps: []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
			switch {
			case !probed.IsZero() && next.IsZero():
				next = time.Now()
			case probed.IsZero() && r.URL.Query().Get("$top") == "1":
				probed = time.Now()
				respond(429, "", "Retry-After", "7200")(w, r)
				return
			}
			respond(500, "")(w, r)
		}}}
		s, _ := pull(t, script, "graph-alerts", newStore())
		runFor(t, s, 12*time.Hour)
		if wait := next.Sub(probed); probed.IsZero() || wait < 2*time.Hour || wait > 2*time.Hour+time.Minute {
			t.Errorf("asked again after %s", wait)
		}
	})
}
