package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/siembridge/siembridge/bridge/config"
	events "github.com/siembridge/siembridge/formats/parse"
)

// contract are the metrics of the design, with their labels and their type.
var contract = map[string]struct{ labels, kind string }{
	"siembridge_pulled_records_total":           {"source", "COUNTER"},
	"siembridge_duplicate_records_total":        {"source", "COUNTER"},
	"siembridge_poll_errors_total":              {"reason source", "COUNTER"},
	"siembridge_last_success_timestamp_seconds": {"source", "GAUGE"},
	"siembridge_token_expiry_timestamp_seconds": {"source", "GAUGE"},
	"siembridge_buffer_bytes":                   {"", "GAUGE"},
	"siembridge_buffer_records":                 {"destination", "GAUGE"},
	"siembridge_oldest_pending_seconds":         {"destination", "GAUGE"},
	"siembridge_delivered_events_total":         {"destination", "COUNTER"},
	"siembridge_resent_events_total":            {"destination", "COUNTER"},
	"siembridge_unconfirmed_connections_total":  {"destination", "COUNTER"},
	"siembridge_shortened_events_total":         {"destination key", "COUNTER"},
	"siembridge_filtered_events_total":          {"destination", "COUNTER"},
	"siembridge_dropped_records_total":          {"destination", "COUNTER"},
	"siembridge_destination_stalled":            {"destination", "GAUGE"},
	"siembridge_coverage_end_timestamp_seconds": {"source", "GAUGE"},
	"siembridge_coverage_holes":                 {"source", "GAUGE"},
	"siembridge_quarantined_records_total":      {"source", "COUNTER"},
	"siembridge_destination_up":                 {"destination", "GAUGE"},
	"siembridge_delivery_latency_seconds":       {"destination", "HISTOGRAM"},
}

// receiver takes lines and closes when the sender does, as a SIEM that confirms.
type receiver struct {
	net.Listener
	mu    sync.Mutex
	lines []string
}

func newReceiver(t *testing.T) *receiver {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{Listener: l}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				text, _ := io.ReadAll(c)
				r.mu.Lock()
				defer r.mu.Unlock()
				r.lines = append(r.lines, strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")...)
			}()
		}
	}()
	return r
}

func (r *receiver) got(sub string) (found []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, line := range r.lines {
		if strings.Contains(line, sub) {
			found = append(found, line)
		}
	}
	return found
}

// until waits for what happens sooner or later.
func until(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !happened(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s did not happen", what)
		}
	}
}

// TestBridgeSpeaksOfItself: the heartbeat goes past the filter and, like the start and the stop, reaches each format;
// a destination without heartbeat gets none of it. The metrics are those of the contract.
func TestBridgeSpeaksOfItself(t *testing.T) {
	dir := t.TempDir()
	alert, err := os.ReadFile("emulator/payloads/alerts/execution.json")
	if err != nil {
		t.Fatal(err)
	}
	input := filepath.Join(dir, "alerts.json")
	if err := os.WriteFile(input, alert, 0o600); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("state_dir = %q\n[admin]\nlisten = \"\"\n[[source]]\nname = \"s\"\napi = \"file\"\npoll_interval = \"1s\"\npath = %q\n", filepath.Join(dir, "state"), input)
	text += "[[source]]\nname = \"away\"\napi = \"graph-alerts\"\ntenant_id = \"00000000-0000-0000-0000-000000000000\"\nclient_id = \"00000000-0000-0000-0000-000000000000\"\nclient_secret = \"x\"\nendpoint = \"http://127.0.0.1:1\"\ntoken_url = \"http://127.0.0.1:1\"\n"
	tenant := tenantFor(t, func(*http.Request) bool { return true })
	text += fmt.Sprintf("[[source]]\nname = \"there\"\ntenant_id = \"00000000-0000-0000-0000-000000000000\"\nclient_id = \"00000000-0000-0000-0000-000000000000\"\nclient_secret = \"x\"\ncredential_expires = \"2099-01-01\"\nendpoint = %q\ntoken_url = %q\n", tenant.URL, tenant.URL+"/token")
	receivers := map[string]*receiver{}
	for _, format := range []string{"leef:2.0", "cef:0", "json", "quiet"} {
		receivers[format] = newReceiver(t)
		name := regexp.MustCompile(`\W`).ReplaceAllString(format, "-")
		text += fmt.Sprintf("[[destination]]\nname = %q\ntransport = \"tcp\"\nframing = \"newline\"\naddress = %q\nmax_length = 8192\n", name, receivers[format].Addr().String())
		if format == "quiet" {
			text += "type = \"generic\"\n"
			continue
		}
		text += fmt.Sprintf("type = \"generic\"\nformat = %q\nheartbeat = \"10s\"\nsources = [\"s\"]\n", format)
		if format == "cef:0" {
			text += "filter = 'category == \"nothing has it\"'\n"
		}
	}
	path := filepath.Join(dir, "c.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := New(c, Options{Logger: slog.New(slog.DiscardHandler), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()

	for _, format := range []string{"leef:2.0", "cef:0", "json"} {
		until(t, "a heartbeat in "+format, func() bool { return len(receivers[format].got("SiembridgeHeartbeat")) > 0 })
	}
	for _, format := range []string{"leef:2.0", "json"} {
		until(t, "started in "+format, func() bool { return len(receivers[format].got("SiembridgeStarted")) > 0 })
	}
	until(t, "the alert", func() bool { return len(receivers["quiet"].got("alert")) > 0 })
	_, event, _ := strings.Cut(receivers["leef:2.0"].got("SiembridgeHeartbeat")[0], "LEEF:")
	read, err := events.LEEF("LEEF:" + event)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"pulledRecords", "deliveredEvents", "pendingRecords", "lagSeconds", "failingSources", "bufferBytes"} {
		if read.Get(key) == "" {
			t.Errorf("the heartbeat has no %s: %s", key, event)
		}
	}
	until(t, "the failure of a poll", func() bool { return b.Status().Sources[1].Error != "" })
	until(t, "a poll to its end", func() bool { return b.Status().Sources[2].State == "ok" })
	b.shared.delivery.Shortened("json", []string{"description"}) // the only metric that may not exist yet
	checkMetrics(t, b)

	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	until(t, "stopped", func() bool { return len(receivers["leef:2.0"].got("SiembridgeStopped")) > 0 })
	if got := receivers["quiet"].got("Siembridge"); len(got) > 0 {
		t.Errorf("a destination without heartbeat got %q", got)
	}
	if got := receivers["cef:0"].got("SiembridgeStarted"); len(got) > 0 {
		t.Errorf("past the filter went %q", got)
	}
}

func checkMetrics(t *testing.T, b *Bridge) {
	t.Helper()
	families, err := b.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, f := range families {
		seen[f.GetName()] = true
		if want, ok := contract[f.GetName()]; ok {
			var labels []string
			for _, l := range f.GetMetric()[0].GetLabel() {
				labels = append(labels, l.GetName())
			}
			slices.Sort(labels)
			if got := strings.Join(labels, " "); got != want.labels || f.GetType().String() != want.kind {
				t.Errorf("%s has the labels %q and is a %s, want %q and %s", f.GetName(), got, f.GetType(), want.labels, want.kind)
			}
		}
	}
	for name := range contract {
		if !seen[name] {
			t.Errorf("there is no metric %s", name)
		}
	}
	checkOperatorFiles(t, seen)
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// checkOperatorFiles holds the alert rules and the dashboard to the metrics that exist.
func checkOperatorFiles(t *testing.T, exist map[string]bool) {
	t.Helper()
	for _, name := range []string{"alerts.yml", "grafana-dashboard.json"} {
		text, err := os.ReadFile(filepath.Join("..", "docs", name))
		if err != nil {
			t.Fatal(err)
		}
		if name == "grafana-dashboard.json" && !json.Valid(text) {
			t.Errorf("docs/%s is no JSON", name)
		}
		used := regexp.MustCompile(`siembridge_\w+`).FindAllString(string(text), -1)
		if len(used) < 10 {
			t.Errorf("docs/%s uses only %q", name, used)
		}
		for _, metric := range used {
			if !exist[strings.TrimSuffix(metric, "_bucket")] {
				t.Errorf("docs/%s uses %s, which does not exist", name, metric)
			}
		}
	}
}
