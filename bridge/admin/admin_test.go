package admin

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// scenes are the states the page has to tell apart.
var scenes = map[string]func(*Status){
	"healthy": func(*Status) {},
	"siem-down": func(s *Status) {
		d := &s.Destinations[0]
		d.State, d.Since, d.Pending, d.Oldest = "down", time.Now().Add(-time.Hour), 4321, time.Now().Add(-time.Hour)
		d.LastSuccess = d.Since
		d.Error = "qradar.example.org:6514: connection refused. Check that the TLS syslog log source listens"
	},
	"secret-expired": func(s *Status) {
		x := &s.Sources[0]
		x.State, x.LastSuccess, x.Failing, x.CredentialEnds = "failing", time.Now().Add(-3*time.Hour), time.Now().Add(-179*time.Minute), time.Now().Add(-3*time.Hour)
		x.Error = "AADSTS7000222: the client secret has expired. Make a new one in the app registration"
		x.Warning = "the credential has ended: make a new one in the app registration"
	},
	"buffer-full": func(s *Status) {
		s.Buffer.Pending, s.Buffer.Blocked, s.Buffer.Since = s.Buffer.Limit, true, time.Now().Add(-10*time.Minute)
		d := &s.Destinations[0]
		d.State, d.Since, d.Error = "stalled", time.Now().Add(-26*time.Hour), "the receiver has read nothing for 30s. Check its load"
		d.Pending, d.Oldest, d.LastSuccess = 2_400_000, time.Now().Add(-26*time.Hour), time.Now().Add(-26*time.Hour)
	},
	"files": func(s *Status) {
		x := &s.Sources[0]
		x.API, x.CoveredTo, x.Read, x.Total = "file", time.Time{}, 150<<20, 600<<20
	},
	"hole": func(s *Status) {
		at := time.Now().Add(-2 * time.Hour)
		s.Sources[0].Holes, s.Sources[0].Unread = 1, []Unread{{at, at.Add(time.Millisecond), "the API answered 500"}}
	},
	"cluster-away": func(s *Status) {
		s.Sources[0].State = "standby"
		s.Cluster = &Cluster{Away: time.Now().Add(-time.Minute), Cause: "disconnected: EOF", Instances: []Instance{
			{Host: "vm1", This: true, Live: true, Started: time.Now().Add(-48 * time.Hour), Destinations: []string{"qradar 4/8"}},
			{Host: "vm2", Started: time.Now().Add(-48 * time.Hour), Sources: []string{"contoso"}, Destinations: []string{"qradar 4/8"}}}}
	},
	"replay": func(s *Status) {
		s.Destinations[0].Replay = &Replay{Since: time.Now().Add(-30 * time.Hour), Until: time.Now().Add(-6 * time.Hour), Records: 4000, Sent: 1234}
	},
	"missing": func(s *Status) {
		s.Reconciliation.Missing, s.Reconciliation.Errors = 3, []string{"source fabrikam: the token endpoint does not answer"}
	},
	"certificate": func(s *Status) {
		s.Destinations[0].CertificateEnds = time.Now().Add(3 * 24 * time.Hour)
		s.Destinations[0].Warning = "the receiver's certificate ends on 2026-03-15. Renew it there"
	},
}

func sceneStatus(name string) Status {
	now := time.Now()
	s := Status{Version: "test", Started: now.Add(-48 * time.Hour),
		Reconciliation: &Reconciliation{At: now.Add(-5 * time.Hour), Since: now.Add(-53 * time.Hour), Until: now.Add(-5 * time.Hour)},
		Sources: []Source{{Name: "contoso", API: "graph-alerts", State: "ok", LastSuccess: now.Add(-20 * time.Second), CoveredTo: now.Add(-30 * time.Minute),
			TokenEnds: now.Add(50 * time.Minute), Newest: now.Add(-4 * time.Minute), Pulled: 5120, Duplicates: 77, CredentialEnds: now.Add(200 * 24 * time.Hour)}},
		Buffer: Buffer{Bytes: 80 << 20, Pending: 1 << 20, Limit: 10 << 30},
		Destinations: []Destination{{Name: "qradar", State: "up", Since: now.Add(-40 * time.Hour), Address: "qradar.example.org:6514", Confirm: "close", Delivered: 5100, LastSuccess: now.Add(-10 * time.Second),
			CertificateEnds: now.Add(300 * 24 * time.Hour), ClientCertificateEnds: now.Add(100 * 24 * time.Hour)},
			{Name: "arcsight", State: "up", Since: now.Add(-40 * time.Hour), Address: "arcsight.example.org:6514", Confirm: "close", Delivered: 5100, LastSuccess: now.Add(-10 * time.Second)}}}
	scenes[name](&s)
	return s
}

// sceneHistory is a day, in which the SIEM may have been away for its last hour.
func sceneHistory(t *testing.T, name string) *History {
	path := filepath.Join(t.TempDir(), "history.json")
	h := OpenHistory(path, slog.New(slog.DiscardHandler))
	now := time.Now()
	p := func(n, delivered uint64, backlog int64) Point {
		return Point{Sources: map[string]uint64{"contoso": n}, Destinations: map[string]DestinationPoint{
			"qradar": {Delivered: delivered, Backlog: backlog, LatencySum: float64(delivered) * 40, LatencyCount: delivered}}}
	}
	n, delivered := uint64(0), uint64(0)
	for i := range 24*60 + 30 {
		n += uint64(i%17) + 1
		if down := name == "siem-down" && i > 23*60+30; !down {
			delivered = n
		}
		h.Add(now.Add(time.Duration(i-24*60-30)*time.Minute), p(n, delivered, int64(n-delivered)))
	}
	h.Save()
	return OpenHistory(path, slog.New(slog.DiscardHandler)) // as after a restart
}

func serve(t *testing.T, name string, change func(*Options)) *httptest.Server {
	o := Options{Gatherer: prometheus.NewRegistry(), Status: func() Status { return sceneStatus(name) }, History: sceneHistory(t, name), Logger: slog.New(slog.DiscardHandler),
		Events: func() []Event {
			return []Event{{At: time.Now(), Source: "contoso", Destination: "qradar", Text: "<180>LEEF:2.0|Microsoft|<script>alert(1)</script>"}}
		}}
	if change != nil {
		change(&o)
	}
	s := httptest.NewServer(newHandler(o))
	t.Cleanup(s.Close)
	return s
}

func get(t *testing.T, url string) (int, http.Header, string) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, r.Header, string(text)
}

func TestPage(t *testing.T) {
	says := map[string]string{"healthy": "All is well.", "siem-down": "connection refused", "secret-expired": "AADSTS7000222", "buffer-full": "full, pulling waits", "hole": "ok, with holes",
		"replay": "1,234 of 4,000 records", "missing": "3 records missing", "certificate": "the receiver&#39;s certificate ends", "files": "150 MiB of 600 MiB read (25 %)"}
	well := map[string]bool{"healthy": true, "replay": true, "certificate": true, "files": true}
	for name, want := range says {
		s := serve(t, name, nil)
		code, header, text := get(t, s.URL)
		if code != 200 || !strings.Contains(text, want) {
			t.Errorf("%s: %d without %q", name, code, want)
		}
		if strings.Contains(text, "<script>alert") || strings.Contains(text, "<style") || strings.Contains(text, " style=") || strings.Contains(text, "http://") {
			t.Errorf("%s: something is inline, not escaped or from elsewhere", name)
		}
		if p := header.Get("Content-Security-Policy"); strings.Contains(p, "unsafe") || !strings.Contains(p, "default-src 'none'") {
			t.Errorf("%s: policy %q", name, p)
		}
		if code, _, text := get(t, s.URL+"/readyz"); (code == 200) != well[name] {
			t.Errorf("%s: /readyz says %d %s", name, code, text)
		}
		if code, _, _ := get(t, s.URL+"/healthz"); code != 200 {
			t.Errorf("%s: degraded is not dead, but /healthz says %d", name, code)
		}
		for _, path := range []string{"/static/uplot.js", "/static/uplot.css", "/static/uplot.LICENSE", "/static/page.js", "/static/page.css", "/history.json"} {
			if code, _, text := get(t, s.URL+path); code != 200 || len(text) < 500 {
				t.Errorf("%s: %d, %d bytes", path, code, len(text))
			}
		}
	}
}

func TestPageWithholdsEvents(t *testing.T) {
	_, _, text := get(t, serve(t, "healthy", func(o *Options) { o.Events = nil }).URL)
	if strings.Contains(text, "LEEF:2.0") || !strings.Contains(text, "admin.show_events is false") {
		t.Error("events are shown all the same")
	}
}

func TestHistoryKeepsADay(t *testing.T) {
	minutes := sceneHistory(t, "siem-down").Minutes()
	if n := len(minutes); n < 24*60-1 || n > 24*60+1 {
		t.Errorf("%d minutes", n)
	}
	last := minutes[len(minutes)-1]
	if last.Backlog == 0 || last.Delivered != 0 || last.Latency != nil || last.Pulled == 0 {
		t.Errorf("the last minute of a SIEM that is down: %+v", last)
	}
	if m := minutes[0]; m.Latency == nil || *m.Latency < 39.9 || *m.Latency > 40.1 || m.Delivered != m.Pulled {
		t.Errorf("a minute of a SIEM that was up: %+v", m)
	}
}

// TestListenMistakes: the error names the key that is wrong.
func TestListenMistakes(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for want, o := range map[string]Options{
		"admin.token_file: open ":                   {Address: "127.0.0.1:0", TokenFile: empty + ".missing"},
		"admin.token_file " + empty + " is empty; ": {Address: "127.0.0.1:0", TokenFile: empty},
		"admin.listen " + taken.Addr().String():     {Address: taken.Addr().String()},
	} {
		if _, err := Listen(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
