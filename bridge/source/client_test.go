package source

import (
	"errors"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siembridge/siembridge/bridge/emulator"
	"github.com/siembridge/siembridge/formats/defender"
)

// scripted answers API requests one after the other by its steps, the last again and again; tokens come from a tenant.
type scripted struct {
	tenant *emulator.Tenant
	steps  []http.HandlerFunc
	at     []time.Time // when each API request came
	tokens int
}

func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
	if strings.HasPrefix(r.URL.Path, "/login/") {
		s.tokens++
		s.tenant.ServeHTTP(w, r)
		return
	}
	s.at = append(s.at, time.Now())
	s.steps[min(len(s.at), len(s.steps))-1](w, r)
}

func respond(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

const empty = `{"value":[]}`

func reset(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// refuseInTime is a request that the transport has given up.
func refuseInTime(http.ResponseWriter, *http.Request) { panic(os.ErrDeadlineExceeded) }

// hang answers nothing until the client gives up.
func hang(_ http.ResponseWriter, r *http.Request) {
	<-r.Context().Done()
	panic(r.Context().Err())
}

// TestManners: what each kind of answer makes a source do: when it asks again, and how often it asks for a token.
func TestManners(t *testing.T) {
	inTwoMinutes := func(w http.ResponseWriter, r *http.Request) {
		respond(429, "", "Retry-After", time.Now().Add(2*time.Minute).UTC().Format(http.TimeFormat))(w, r)
	}
	for name, c := range map[string]struct {
		first    http.HandlerFunc
		from, to time.Duration // until the second request
		tokens   int
		says     string // status after the first answer; "" when all is well by then
	}{
		"Retry-After in seconds":     {respond(429, "", "Retry-After", "77"), 77 * time.Second, 79 * time.Second, 1, "answered 429"},
		"Retry-After as a date":      {inTwoMinutes, 119 * time.Second, 122 * time.Second, 1, "answered 429"},
		"503 with Retry-After":       {respond(503, "", "Retry-After", "600"), 600 * time.Second, 602 * time.Second, 1, "answered 503"},
		"429 without Retry-After":    {respond(429, ""), 3 * time.Second, 6 * time.Second, 1, "answered 429"},
		"500":                        {respond(500, ""), 500 * time.Millisecond, 2 * time.Second, 1, "answered 500"},
		"reset":                      {reset, 500 * time.Millisecond, 2 * time.Second, 1, "connection reset"},
		"given up by the transport":  {refuseInTime, 500 * time.Millisecond, 2 * time.Second, 1, "does not answer in time"},
		"no answer at all":           {hang, bodyTimeout, bodyTimeout + 2*time.Second, 1, ""},
		"HTML for JSON":              {respond(200, "<html>Sign in</html>"), 500 * time.Millisecond, 2 * time.Second, 1, "not JSON"},
		"no page":                    {respond(200, `{"status":"maintenance"}`), 500 * time.Millisecond, 2 * time.Second, 1, "not a page of records"},
		"cut short":                  {respond(200, `{"value":[{"id":"a"},{"i`), 500 * time.Millisecond, 2 * time.Second, 1, "cut short"},
		"partial":                    {respond(206, empty), 500 * time.Millisecond, 2 * time.Second, 1, "partial answer"},
		"401 renews the token once":  {respond(401, ""), 0, 2 * time.Second, 2, ""},
		"403":                        {respond(403, `{"error":{"code":"Forbidden","message":"m"}}`), 45 * time.Second, 61 * time.Second, 1, "SecurityAlert.Read.All"},
		"404":                        {respond(404, ""), 45 * time.Second, 61 * time.Second, 1, "check api, cloud, region and endpoint"},
		"redirect is not followed":   {respond(302, "", "Location", "http://192.0.2.1/"), 45 * time.Second, 61 * time.Second, 1, "redirects"},
		"next link leaves the host":  {respond(200, `{"value":[],"@odata.nextLink":"http://192.0.2.1/x"}`), 45 * time.Second, 61 * time.Second, 1, "leaves 127.0.0.1"},
		"next link with credentials": {respond(200, `{"value":[],"@odata.nextLink":"http://a:b@127.0.0.1/x"}`), 45 * time.Second, 61 * time.Second, 1, "leaves 127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				script := &scripted{tenant: emulator.NewTenant(1), steps: []http.HandlerFunc{c.first, respond(200, empty)}}
				s, w := pull(t, script, "graph-alerts", newStore())
				go runFor(t, s, 2*time.Hour)
				time.Sleep(c.from / 2)
				synctest.Wait()
				if got := s.Status(); c.says != "" && !strings.Contains(got.Error, c.says) {
					t.Errorf("status %q does not say %q", got.Error, c.says)
				}
				time.Sleep(3 * time.Hour)
				synctest.Wait()
				if wait := script.at[1].Sub(script.at[0]); wait < c.from || wait > c.to {
					t.Errorf("asked again after %s, want %s to %s", wait, c.from, c.to)
				}
				// A token lives an hour, and the run goes on for two.
				if script.tokens < c.tokens || script.tokens > c.tokens+3 {
					t.Errorf("%d tokens, want %d and those of two hours", script.tokens, c.tokens)
				}
				if got := s.Status(); got.State != "ok" || got.Error != "" {
					t.Errorf("in the end: %+v", got)
				}
				for _, r := range w.requests {
					if r.URL.Host != "127.0.0.1" {
						t.Errorf("a request, with its token, went to %s", r.URL.Host)
					}
				}
			})
		})
	}
}

// TestSecondRefusalIsNoStorm: a token that is refused again and again is renewed once an attempt, at the operator's pace.
func TestSecondRefusalIsNoStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := &scripted{tenant: emulator.NewTenant(1), steps: []http.HandlerFunc{respond(401, "")}}
		s, _ := pull(t, script, "graph-alerts", newStore())
		runFor(t, s, 10*time.Hour)
		if n := len(script.at); n > 200 || script.tokens > 200 {
			t.Errorf("%d requests and %d tokens in ten hours", n, script.tokens)
		}
		if got := s.Status(); got.State != "failing" || !strings.Contains(got.Error, "does not accept the token") {
			t.Errorf("%+v", got)
		}
	})
}

// TestTokenIsNotRepeated: what a gateway repeats of a request in its answer is said without the token.
func TestTokenIsNotRepeated(t *testing.T) {
	for name, status := range map[string]int{"refused": 403, "an error instead of records": 200} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				repeats := func(w http.ResponseWriter, r *http.Request) {
					respond(status, `{"error":{"code":"Forbidden","message":"you sent `+r.Header.Get("Authorization")+`, which is wrong"}}`)(w, r)
				}
				s, _ := pull(t, &scripted{tenant: emulator.NewTenant(1), steps: []http.HandlerFunc{repeats}}, "graph-alerts", newStore())
				runFor(t, s, time.Minute)
				if got := s.Status().Error; !strings.Contains(got, "you sent Bearer ***, which is wrong") {
					t.Error(got)
				}
			})
		})
	}
}

// TestNoPageIsNotRead: an object that is no page of records leaves nothing behind, and its window is not read.
func TestNoPageIsNotRead(t *testing.T) {
	for _, api := range []string{"graph-alerts", "incidents", "detections"} {
		t.Run(api, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				to := newStore()
				s, _ := pull(t, &scripted{tenant: emulator.NewTenant(1), steps: []http.HandlerFunc{respond(200, `{"status":"maintenance"}`)}}, api, to)
				runFor(t, s, time.Hour)
				if got := s.Status(); got.State != "failing" || to.total != 0 || !got.LastSuccess.IsZero() {
					t.Errorf("%d records, %+v", to.total, got)
				}
			})
		})
	}
}

// TestAnswerThatIsTooLarge: the window is halved until its answer fits.
func TestAnswerThatIsTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant, generator, to := emulator.NewTenant(1), emulator.NewGenerator(2, false), newStore()
		for i := range 300 {
			tenant.Add("detections", generator.Record("detections", time.Now().Add(-time.Hour+time.Duration(i)*time.Second)))
		}
		s, _ := pull(t, tenant, "detections", to)
		s.client.body = 40_000
		runFor(t, s, 10*time.Minute)
		if got := s.Status(); to.total != 300 || got.State != "ok" || len(got.Holes) > 0 {
			t.Errorf("%d of 300 records, %+v", to.total, got)
		}
	})
}

// TestRecordThatIsTooLarge: what is passed over is an error, so that its window is never taken as read.
func TestRecordThatIsTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := `{"value":[{"id":"a","title":"` + strings.Repeat("x", 33<<20) + `"},{"id":"b"}]}`
		s, _ := pull(t, &scripted{tenant: emulator.NewTenant(1), steps: []http.HandlerFunc{respond(200, body)}}, "graph-alerts", newStore())
		records := 0
		_, err := s.client.get(t.Context(), "http://127.0.0.1/x", false, func(defender.Found) error { records++; return nil })
		var e *Error
		if !errors.As(err, &e) || !e.windowed() || records != 1 {
			t.Errorf("%d records, %v", records, err)
		}
	})
}

// TestDenseMillisecond: more records than a page in one instant are all read, page by page with $skip.
func TestDenseMillisecond(t *testing.T) {
	for _, api := range []string{"graph-incidents", "incidents"} {
		synctest.Test(t, func(t *testing.T) {
			tenant, generator, to := emulator.NewTenant(1), emulator.NewGenerator(2, false), newStore()
			a, err := findAPI(api)
			if err != nil {
				t.Fatal(err)
			}
			at, n := time.Now().Add(-time.Hour), a.top+130
			want := 0
			for range n {
				r := generator.Record(api, at)
				want += 1 + len(r.Carried)
				tenant.Add(api, r)
			}
			s, _ := pull(t, tenant, api, to)
			runFor(t, s, 30*time.Minute)
			if got := s.Status(); len(to.events) != want || to.total != want || len(got.Holes) > 0 {
				t.Errorf("%s: %d records of %d, %d events, %+v", api, len(to.events), want, to.total, got)
			}
		})
	}
}

// TestLimitsAreShared: sources of one tenant and app share the allowance of an API, catch-up takes half of it, and
// another tenant has its own.
func TestLimitsAreShared(t *testing.T) {
	requests := func(l *Limits, tenants []string, catchUp bool) (n int) {
		synctest.Test(t, func(t *testing.T) {
			count := make(chan int)
			for _, tenant := range tenants {
				m := l.of(tenant, "app", &graphAlerts)
				go func() {
					sent := 0
					for begun := time.Now(); time.Since(begun) < time.Minute; sent++ {
						if err := m.wait(t.Context(), catchUp); err != nil {
							t.Error(err)
						}
					}
					count <- sent
				}()
			}
			for range tenants {
				n += <-count
			}
		})
		return n
	}
	for _, c := range []struct {
		name     string
		tenants  []string
		catchUp  bool
		from, to int
	}{
		{"one", []string{"a"}, false, 120, 151},
		{"three of one tenant", []string{"a", "a", "a"}, false, 120, 154},
		{"three that catch up", []string{"a", "a", "a"}, true, 60, 79},
		{"two tenants", []string{"a", "b"}, false, 240, 302},
	} {
		if n := requests(NewLimits(), c.tenants, c.catchUp); n < c.from || n > c.to {
			t.Errorf("%s: %d requests in the first minute, want %d to %d", c.name, n, c.from, c.to)
		}
	}
	l := NewLimits()
	if l.of("a", "app", &graphAlerts) != l.of("a", "app", &graphIncidents) {
		t.Error("Graph counts alerts and incidents together")
	}
	if l.of("a", "app", &graphAlerts) == l.of("a", "other", &graphAlerts) {
		t.Error("Microsoft counts by app")
	}
}

// TestLimitOverride: a source's own limit holds while it runs, the lowest of several counts, and a changed one takes the
// place of the one before.
func TestLimitOverride(t *testing.T) {
	minute := func(m *limiter) (n int) {
		synctest.Test(t, func(t *testing.T) {
			m.build() // with the bubble's clock
			for begun := time.Now(); time.Since(begun) < time.Minute; n++ {
				if err := m.wait(t.Context(), false); err != nil {
					t.Fatal(err)
				}
			}
		})
		return n
	}
	m := newLimiter(150, 0)
	for _, step := range []struct {
		source             string
		perMinute, at, max int
	}{{"a", 40, 32, 41}, {"b", 20, 16, 21}, {"a", 10, 8, 11}, {"a", 60, 16, 21}, {"b", 0, 48, 61}, {"a", 0, 120, 151}} {
		m.override(step.source, step.perMinute)
		if n := minute(m); n < step.at || n > step.max {
			t.Errorf("after %s asked for %d: %d requests in a minute, want %d to %d", step.source, step.perMinute, n, step.at, step.max)
		}
	}
}

// FuzzNextLink: no link that leaves scheme and host is ever followed.
func FuzzNextLink(f *testing.F) {
	for _, link := range []string{"https://graph.microsoft.com/v1.0/x?$skip=5", "https://graph.microsoft.com@evil.example/", "//evil.example/", "https://graph.microsoft.com.evil.example/",
		"http://graph.microsoft.com/", "https://graph.microsoft.com:444/", "/v1.0/x", `https:\\evil`, "https://graph.microsoft.com\\@evil.example/"} {
		f.Add(link)
	}
	c := &client{base: "https://graph.microsoft.com"}
	f.Fuzz(func(t *testing.T, link string) {
		if !c.sameHost(link) {
			return
		}
		r, err := http.NewRequest(http.MethodGet, link, nil)
		if err != nil {
			return
		}
		if want := (&url.URL{Scheme: "https", Host: "graph.microsoft.com"}); r.URL.Scheme != want.Scheme || r.URL.Host != want.Host || r.URL.User != nil {
			t.Errorf("%q leads to %s", link, r.URL)
		}
	})
}

// FuzzCheckpoint: what a damaged checkpoint says is refused, or is a plan that works.
func FuzzCheckpoint(f *testing.F) {
	f.Add([]byte(`{"v":1,"origin":1000,"covered":[{"From":1000,"To":5000}],"holes":[{"From":2000,"To":2001,"Reason":"x","Since":1,"Retry":2}]}`))
	f.Add([]byte(`{"v":2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p := newPlan(0, 1000, 60_000, 10)
		if err := p.restore(data); err != nil {
			return
		}
		p.begin(p.origin + hourInMillis)
		if w, more := p.next(); more && (w.length() == 0 || w.length() > hourInMillis && !p.isHole(w.Interval)) {
			t.Errorf("window %v", w)
		}
		again, err := p.encode()
		if err == nil {
			err = newPlan(0, 1000, 60_000, 10).restore(again)
		}
		if err != nil && !errors.Is(err, errTooLarge) {
			t.Errorf("what was written cannot be read: %v", err)
		}
	})
}
