package source

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/emulator"
	"github.com/siembridge/siembridge/bridge/entra"
)

// store is an Appender in memory with the rule of buffer.Appender.
type store struct {
	mu         sync.Mutex
	keys       map[string]buffer.Record
	events     map[string]int // by key: how often it was an event
	total      int
	checkpoint []byte
	fault      func() (applied bool, err error) // what becomes of an Append; nil: all work
}

func newStore() *store { return &store{keys: map[string]buffer.Record{}, events: map[string]int{}} }

func (s *store) Checkpoint(string) ([]byte, error) { return s.checkpoint, nil }

func (s *store) Append(_ context.Context, b buffer.Batch) (out buffer.Outcome, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault != nil {
		applied, failed := s.fault()
		if !applied {
			return out, failed
		}
		defer func() {
			if failed != nil {
				out, err = buffer.Outcome{}, failed
			}
		}()
	}
	for _, r := range b.Records {
		old, seen := s.keys[r.Key]
		switch {
		case !seen:
			out.New++
		case r.Changed.Before(old.Changed), r.Hash == old.Hash:
			out.Known++
		default:
			out.Updated++
		}
		if !seen || !r.Changed.Before(old.Changed) && r.Hash != old.Hash {
			s.events[r.Key]++
			s.total++
		}
		if !seen || r.Changed.After(old.Changed) {
			s.keys[r.Key] = r
		}
	}
	if b.Checkpoint != nil {
		s.checkpoint = b.Checkpoint
	}
	return out, nil
}

// wire carries requests to a handler without a network, and counts them.
type wire struct {
	handler  http.Handler
	requests []*http.Request
}

func (w *wire) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	w.requests = append(w.requests, r)
	rec := httptest.NewRecorder()
	defer func() {
		switch cut := recover().(type) { // the handler cut the connection
		case nil:
		case net.Error: // a time-out
			err = cut
		default:
			err = errors.New("connection reset by peer")
		}
	}()
	w.handler.ServeHTTP(rec, r)
	return rec.Result(), nil
}

// pull makes a source of an emulated tenant without a network.
func pull(t *testing.T, tenant http.Handler, api string, to buffer.Appender) (*Source, *wire) {
	t.Helper()
	w := &wire{handler: tenant}
	e := emulator.NewTenant(1)
	s, err := New(Options{Name: "tenant", API: api, Endpoint: "http://127.0.0.1" + emulator.Endpoint(api), TokenURL: "http://127.0.0.1" + e.TokenPath(api),
		TenantID: e.ID, ClientID: e.ClientID, Secret: func() (string, error) { return e.Secret, nil }, PollInterval: time.Minute, Lookback: 30 * time.Minute,
		Start: func(now time.Time) time.Time { return now.Add(-24 * time.Hour) }, Buffer: to, Limits: NewLimits(),
		Metrics: NewMetrics(prometheus.NewRegistry()), TokenMetrics: entra.NewMetrics(prometheus.NewRegistry()), Logger: slog.New(slog.DiscardHandler), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	s.client.http.Transport = w
	app := entra.App{TokenURL: "http://127.0.0.1" + e.TokenPath(api), ClientID: e.ClientID, Client: &http.Client{Transport: w},
		Scope: audienceOf(api) + "/.default"}
	if api == "detections" {
		app.Scope, app.Resource = "", audienceOf(api)
	}
	s.client.tokens = entra.NewCache(entra.ClientSecret{App: app, Secret: s.o.Secret}, s.log, s.o.TokenMetrics.Expiry("tenant"))
	return s, w
}

func audienceOf(name string) string {
	a, err := findAPI(name)
	if err != nil {
		panic(err)
	}
	return a.places["public"].audience
}

// runFor runs a source for a simulated time.
func runFor(t *testing.T, s *Source, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if err := s.Run(ctx); err != nil {
		t.Error(err)
	}
}

// TestUnchangedIsSentOnceInThirtyDays: the records of every API are an event once, however often they are read and
// touched, by a poll every 10 minutes for 30 days.
func TestUnchangedIsSentOnceInThirtyDays(t *testing.T) {
	for _, api := range []string{"detections", "alerts", "graph-alerts", "graph-incidents", "incidents"} {
		t.Run(api, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tenant, generator, to := emulator.NewTenant(1), emulator.NewGenerator(2, false), newStore()
				want := 0
				var ids []string
				for range 10 {
					r := generator.Record(api, time.Now().Add(-time.Hour))
					want += 1 + len(r.Carried)
					ids = append(ids, r.ID)
					tenant.Add(api, r)
				}
				s, _ := pull(t, tenant, api, to)
				s.o.PollInterval = 10 * time.Minute
				ctx, cancel := context.WithTimeout(t.Context(), 30*24*time.Hour)
				defer cancel()
				done := make(chan error, 1)
				go func() { done <- s.Run(ctx) }()
				for day := range 29 {
					time.Sleep(24 * time.Hour)
					tenant.Touch(api, ids[day%5])
				}
				if err := <-done; err != nil {
					t.Error(err)
				}
				if to.total != want || len(to.events) != want {
					t.Errorf("%d events of %d records, want %d", to.total, len(to.events), want)
				}
				if got := s.Status(); got.State != "ok" || got.Duplicates == 0 || len(got.Holes) > 0 {
					t.Errorf("%+v", got)
				}
			})
		})
	}
}

// TestCarriedAlertChangesAlone: a change of an alert that an incident carries is one update, of the alert; a change of
// the incident is one of the incident.
func TestCarriedAlertChangesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant, to := emulator.NewTenant(1), newStore()
		r := emulator.NewGenerator(2, false).Record("incidents", time.Now().Add(-time.Hour))
		tenant.Add("incidents", r)
		s, _ := pull(t, tenant, "incidents", to)
		runFor(t, s, 5*time.Minute)
		tenant.Change("incidents", r.Carried[0])
		runFor(t, s, 5*time.Minute)
		if to.events[r.Carried[0]] != 2 || to.events["incident:"+r.ID] != 1 || to.total != 2+len(r.Carried) {
			t.Errorf("the alert changed: %v", to.events)
		}
		tenant.Change("incidents", r.ID)
		runFor(t, s, 5*time.Minute)
		if to.events[r.Carried[0]] != 2 || to.events["incident:"+r.ID] != 2 || to.total != 3+len(r.Carried) {
			t.Errorf("the incident changed: %v", to.events)
		}
	})
}

// TestOutageIsWaitedOut: a day of errors gives neither a storm of requests nor a hole, and afterwards nothing is missing.
func TestOutageIsWaitedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant, generator, to := emulator.NewTenant(1), emulator.NewGenerator(2, false), newStore()
		s, w := pull(t, tenant, "graph-alerts", to)
		runFor(t, s, time.Hour)
		tenant.SetFaults(emulator.Faults{Unavailable: 1})
		before := len(w.requests)
		for range 24 {
			tenant.Add("graph-alerts", generator.Record("graph-alerts", time.Now()))
			runFor(t, s, time.Hour)
		}
		// Each of the 24 runs begins with a few quick attempts and then asks every five minutes, twice: window and probe.
		if n := len(w.requests) - before; n < 24 || n > 24*45 {
			t.Errorf("%d requests in a day's outage", n)
		}
		if got := s.Status(); len(got.Holes) > 0 || got.State != "failing" {
			t.Errorf("in the outage: %+v", got)
		}
		tenant.SetFaults(emulator.Faults{})
		runFor(t, s, time.Hour)
		if got := s.Status(); to.total != 24 || got.State != "ok" || len(got.Holes) > 0 {
			t.Errorf("%d of 24 records after the outage: %+v", to.total, got)
		}
	})
}

// poisoned fails every window in which one record is, until it is mended.
type poisoned struct {
	http.Handler
	at   time.Time
	cure bool
}

func (p *poisoned) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if filter := r.URL.Query().Get("$filter"); filter != "" && !p.cure {
		var from, to time.Time
		for i, text := range timesIn(filter) {
			if i == 0 {
				from = text
			} else {
				to = text
			}
		}
		if !p.at.Before(from) && p.at.Before(to) {
			w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
	}
	p.Handler.ServeHTTP(w, r)
}

// TestOneBadRecordBecomesAHole: all others are read, the source goes on, and the hole is filled by itself once it can
// be read.
func TestOneBadRecordBecomesAHole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant, generator, to := emulator.NewTenant(1), emulator.NewGenerator(2, false), newStore()
		bad := time.Now().Add(-2 * time.Hour).Truncate(time.Second).Add(345 * time.Millisecond)
		for i := range 200 {
			tenant.Add("graph-alerts", generator.Record("graph-alerts", bad.Add(time.Duration(i-100)*time.Second)))
		}
		p := &poisoned{Handler: tenant, at: bad}
		s, w := pull(t, p, "graph-alerts", to)
		runFor(t, s, 4*time.Hour)
		got := s.Status()
		if to.total != 199 || len(got.Holes) != 1 || got.Holes[0].From != bad.UnixMilli() || got.Holes[0].length() != 1 || got.State != "ok" {
			t.Fatalf("%d records, %+v", to.total, got)
		}
		if len(w.requests) > 1000 {
			t.Errorf("%d requests in four hours", len(w.requests))
		}
		p.cure = true
		s, _ = pull(t, p, "graph-alerts", to) // a restart remembers the hole
		runFor(t, s, 7*time.Hour)
		if got := s.Status(); to.total != 200 || len(got.Holes) != 0 {
			t.Errorf("after the cure: %d records, %+v", to.total, got)
		}
	})
}

// TestCoverageNeverRunsAheadOfRecords: while the buffer takes nothing, nothing counts as read.
func TestCoverageNeverRunsAheadOfRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant, to := emulator.NewTenant(1), newStore()
		tenant.Add("alerts", emulator.NewGenerator(2, false).Record("alerts", time.Now().Add(-2*time.Hour)))
		s, _ := pull(t, tenant, "alerts", to)
		var log bytes.Buffer
		s.log = slog.New(slog.NewTextHandler(&log, nil))
		to.fault = func() (bool, error) { return false, buffer.ErrNoSpace }
		runFor(t, s, time.Hour)
		if to.checkpoint != nil || len(s.plan.covered) > 0 || s.Status().State == "ok" {
			t.Errorf("coverage %v without a record on disk", s.plan.covered)
		}
		to.fault = nil
		runFor(t, s, time.Hour)
		if to.total != 1 || len(s.plan.covered) == 0 {
			t.Errorf("%d records, coverage %v", to.total, s.plan.covered)
		}
		if failed, again := strings.Count(log.String(), "a request brought nothing"), strings.Count(log.String(), "the source works again"); failed != 1 || again != 1 {
			t.Errorf("the log says %d times that it fails and %d times that it works again:\n%s", failed, again, &log)
		}
	})
}

// TestAppendThatIsReportedAsFailed: the buffer has stored a window, its records and its coverage, and says that it has
// not. The window is read again, every record is recognised, and it counts as pulled once.
func TestAppendThatIsReportedAsFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant, to := emulator.NewTenant(1), newStore()
		generator := emulator.NewGenerator(2, false)
		for i := range 5 {
			tenant.Add("alerts", generator.Record("alerts", time.Now().Add(-2*time.Hour-time.Duration(i)*time.Minute)))
		}
		s, _ := pull(t, tenant, "alerts", to)
		left := 3
		to.fault = func() (bool, error) {
			if left == 0 {
				return true, nil
			}
			left--
			return true, errors.New("input/output error")
		}
		runFor(t, s, time.Hour)
		if left > 0 || to.total != 5 || s.Status().State != "ok" {
			t.Errorf("the fault was met %d times of 3; %d events of 5, status %+v", 3-left, to.total, s.Status())
		}
		for key, n := range to.events {
			if n != 1 {
				t.Errorf("%s was an event %d times", key, n)
			}
		}
		covered, _, err := ReadCheckpoint(to.checkpoint)
		if err != nil || time.Since(covered) > time.Hour {
			t.Errorf("covered to %s, %v", covered, err)
		}
	})
}

// timesIn returns the date literals of a filter.
func timesIn(filter string) (times []time.Time) {
	for word := range strings.FieldsSeq(filter) {
		if t, err := time.Parse(time.RFC3339Nano, word); err == nil {
			times = append(times, t)
		}
	}
	return times
}
