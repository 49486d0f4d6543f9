//go:build peers

package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/bench"
	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/disk"
	"github.com/siembridge/siembridge/bridge/emulator"
)

var (
	measureIdle    = flag.Duration("idle", 3*time.Minute, "how long TestIdle looks at an idle daemon")
	measureLatency = flag.Duration("latency", 30*time.Second, "how long TestLatency lets 100 alerts a second appear")
)

// measured is a daemon that pulls Graph alerts from an emulated tenant and sends them as CEF over TCP.
type measured struct {
	t      *testing.T
	dir    string
	tenant *emulator.Tenant
	cmd    *exec.Cmd

	mu       sync.Mutex
	asked    time.Time            // first request
	answered map[string]time.Time // alert -> when the answer with it was sent
	read     map[string]time.Time // alert -> when the SIEM had read it
}

var (
	answeredID = regexp.MustCompile(`"id":"(da[^"]+)"`)
	readID     = regexp.MustCompile(`externalId=(\S+)`)
)

func newMeasured(t *testing.T) *measured {
	buildBinary(t)
	return &measured{t: t, dir: t.TempDir(), tenant: emulator.NewTenant(1), answered: map[string]time.Time{}, read: map[string]time.Time{}}
}

// ServeHTTP notes when each alert is first given.
func (m *measured) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	if m.asked.IsZero() {
		m.asked = time.Now()
	}
	m.mu.Unlock()
	answer := httptest.NewRecorder()
	m.tenant.ServeHTTP(answer, r)
	for key, values := range answer.Header() {
		w.Header()[key] = values
	}
	ids := answeredID.FindAllSubmatch(answer.Body.Bytes(), -1)
	now := time.Now()
	m.mu.Lock()
	for _, id := range ids {
		if _, twice := m.answered[string(id[1])]; !twice {
			m.answered[string(id[1])] = now
		}
	}
	m.mu.Unlock()
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// received notes when an alert has been read.
func (m *measured) received(got emulator.Received) {
	if id := readID.FindSubmatch(got.Frame); id != nil {
		m.mu.Lock()
		m.read[string(id[1])] = time.Now()
		m.mu.Unlock()
	}
}

// start runs the daemon; it ends with the test.
func (m *measured) start(poll string) {
	server := httptest.NewServer(m)
	m.t.Cleanup(server.Close)
	siem, err := emulator.Listen("127.0.0.1:0", nil, m.received)
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(siem.Close)
	path := filepath.Join(m.dir, "siembridge.toml")
	text := fmt.Sprintf(`state_dir = %q
[admin]
listen = ""
[[source]]
name = "graph"
api = "graph-alerts"
endpoint = %q
token_url = %q
tenant_id = %q
client_id = %q
client_secret = %q
poll_interval = %q
requests_per_minute = 100000
[[destination]]
name = "siem"
type = "generic"
format = "cef:0"
framing = "newline"
transport = "tcp"
address = %q
`, filepath.Join(m.dir, "state"), server.URL+emulator.Endpoint("graph-alerts"), server.URL+m.tenant.TokenPath("graph-alerts"),
		m.tenant.ID, m.tenant.ClientID, m.tenant.Secret, poll, siem.Address())
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
	log := &bytes.Buffer{}
	m.cmd = exec.Command(buildBinary(m.t), "run", "--config", path)
	m.cmd.Stderr = log
	if err := m.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() {
		_ = m.cmd.Process.Signal(os.Interrupt)
		if err := m.cmd.Wait(); err != nil {
			m.t.Errorf("%v\n%s", err, log.Bytes())
		}
	})
}

// until waits until the SIEM has read so many alerts.
func (m *measured) until(n int) {
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		m.mu.Lock()
		have := len(m.read)
		m.mu.Unlock()
		if have >= n {
			return
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("%d of %d alerts were read", have, n)
		}
	}
}

// cpu returns what a process has used so far.
func cpu(t *testing.T, pid int) time.Duration {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+2:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond // ticks of 1/100 s
}

// TestIdle tells what a daemon takes that polls each minute and finds nothing new.
func TestIdle(t *testing.T) {
	m := newMeasured(t)
	generator := emulator.NewGenerator(1, false)
	for i := range 10 {
		m.tenant.Add("graph-alerts", generator.Record("graph-alerts", time.Now().Add(-time.Duration(i+1)*time.Minute)))
	}
	m.start("1m")
	m.until(10)
	time.Sleep(10 * time.Second)
	before := cpu(t, m.cmd.Process.Pid)
	time.Sleep(*measureIdle)
	used := cpu(t, m.cmd.Process.Pid) - before
	t.Logf("%v of CPU in %v; RssAnon %.1f MB", used, *measureIdle, float64(bench.Memory(m.cmd.Process.Pid))/1e6)
}

// TestStart tells how long it takes from the start of the process to its first request, with -count records in the
// buffer that wait for a SIEM.
func TestStart(t *testing.T) {
	m := newMeasured(t)
	b, err := disk.Open(disk.Options{Dir: filepath.Join(m.dir, "state"), MaxSize: 64 << 30})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Queue(buffer.Destination{Name: "siem"}); err != nil {
		t.Fatal(err)
	}
	generator, began := emulator.NewGenerator(1, false), time.Now()
	var raws [][]byte
	for range 1000 {
		raws = append(raws, generator.Record("detections", began).JSON())
	}
	for done := 0; done < *peersCount; {
		batch := buffer.Batch{Source: "graph"}
		for range min(1000, *peersCount-done) {
			batch.Records = append(batch.Records, buffer.Record{Source: "graph", API: "detections", Key: strconv.Itoa(done), Pulled: began,
				Raw: raws[done%len(raws)]})
			done++
		}
		if _, err := b.Append(context.Background(), batch); err != nil {
			t.Fatal(err)
		}
	}
	usage := b.Usage()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	m.start("1m")
	for m.mu.Lock(); m.asked.IsZero(); m.mu.Lock() {
		m.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
	took := m.asked.Sub(began)
	m.mu.Unlock()
	t.Logf("%d records, %d MB: first request after %v; RssAnon %.1f MB", *peersCount, usage.Bytes/1e6, took.Round(time.Millisecond), float64(bench.Memory(m.cmd.Process.Pid))/1e6)
}

// TestLatency tells how long an alert takes from the API's answer to the SIEM, while 100 of them appear each second.
func TestLatency(t *testing.T) {
	m := newMeasured(t)
	generator, now, n := emulator.NewGenerator(1, false), time.Now().Add(3*time.Second), int(measureLatency.Seconds()*100)
	for i := range n {
		at := now.Add(time.Duration(i) * 10 * time.Millisecond)
		r := generator.Record("graph-alerts", at)
		r.Visible = at
		m.tenant.Add("graph-alerts", r)
	}
	m.start("1s")
	m.until(n)
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []time.Duration
	for id, at := range m.answered {
		all = append(all, m.read[id].Sub(at))
	}
	slices.Sort(all)
	t.Logf("%d alerts: median %v, p99 %v, most %v", len(all), all[len(all)/2], all[len(all)*99/100], all[len(all)-1])
}

// TestCatchUp tells how fast -count alerts of the last day come from an API that does not throttle, against the same
// from a file.
func TestCatchUp(t *testing.T) {
	m := newMeasured(t)
	generator, start := emulator.NewGenerator(1, false), time.Now().Add(-20*time.Hour)
	input, err := os.Create(filepath.Join(m.dir, "alerts.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	defer input.Close()
	for i := range *peersCount {
		r := generator.Record("graph-alerts", start.Add(time.Duration(i)*19*time.Hour/time.Duration(*peersCount)))
		m.tenant.Add("graph-alerts", r)
		if _, err := input.Write(append(r.JSON(), '\n')); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	m.start("1m")
	m.until(*peersCount)
	api := time.Since(began)
	siem, err := emulator.Listen("127.0.0.1:0", nil, m.received)
	if err != nil {
		t.Fatal(err)
	}
	defer siem.Close()
	m.read = map[string]time.Time{}
	path := filepath.Join(m.dir, "file.toml")
	text := fmt.Sprintf("state_dir = %q\n[admin]\nlisten = \"\"\n[[source]]\nname = \"graph\"\napi = \"file\"\npath = \"-\"\n[[destination]]\nname = \"siem\"\ntype = \"generic\"\nformat = \"cef:0\"\nframing = \"newline\"\ntransport = \"tcp\"\naddress = %q\n",
		filepath.Join(m.dir, "file"), siem.Address())
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(buildBinary(t), "run", "--config", path)
	if cmd.Stdin, err = os.Open(input.Name()); err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	file := time.Since(began)
	n := float64(*peersCount)
	t.Logf("%.0f alerts a second from the API, %.0f from a file: %.2f", n/api.Seconds(), n/file.Seconds(), file.Seconds()/api.Seconds())
}
