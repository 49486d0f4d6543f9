package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/emulator"
)

// The tests in this file drive the built binary as an operator would: a configuration file, an emulated tenant at one
// end and emulated SIEMs at the other, with faults. SIEMBRIDGE_DRIVE=long runs them at full length: 2,000 records an
// API and ten kills.

const terminate = syscall.SIGTERM

// driveSize is the number of records an API and of kills.
func driveSize() (records, kills int) {
	if os.Getenv("SIEMBRIDGE_DRIVE") == "long" {
		return 2000, 10
	}
	return 350, 3
}

// buildBinary builds siembridge once for all tests.
var builtBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "siembridge-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "siembridge")
	out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

func buildBinary(t *testing.T) string {
	path, err := builtBinary()
	if err != nil {
		t.Fatalf("the binary does not build: %v", err)
	}
	return path
}

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := builtBinary(); err == nil && path != "" {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// writeServerCertificate writes ca.pem, server.pem and server-key.pem for localhost.
func writeServerCertificate(t *testing.T, ca *emulator.CA, dir string) {
	cert, key, err := ca.Issue(time.Now().Add(time.Hour), "localhost", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"ca.pem": ca.PEM(), "server.pem": cert, "server-key.pem": key} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// siem counts what arrives by the alert's id.
type siem struct {
	name, key string
	receiver  *emulator.Receiver

	mu            sync.Mutex
	seen          map[string]int
	repeatedBytes int
	malformed     []string
	arrived       chan struct{} // a token whenever something arrives
}

func newSIEM(t *testing.T, name, key string, config *tls.Config) *siem {
	s := &siem{name: name, key: key, seen: map[string]int{}, arrived: make(chan struct{}, 1)}
	r, err := emulator.Listen("127.0.0.1:0", config, s.take)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	s.receiver = r
	return s
}

func (s *siem) take(got emulator.Received) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case got.Partial:
		return // a connection was cut; its event comes again
	case got.Err != nil || got.Event == nil || got.Event.Get(s.key) == "":
		s.malformed = append(s.malformed, fmt.Sprintf("%.300q: %v", got.Frame, got.Err))
	default:
		id := got.Event.Get(s.key)
		if s.seen[id]++; s.seen[id] > 1 {
			s.repeatedBytes += len(got.Frame)
		}
	}
	select {
	case s.arrived <- struct{}{}:
	default:
	}
}

func (s *siem) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seen)
}

// wait waits until n different records have arrived.
func (s *siem) wait(t *testing.T, n int, log *bytes.Buffer) {
	t.Helper()
	timeout := time.After(3 * time.Minute)
	for s.count() < n {
		select {
		case <-s.arrived:
		case <-timeout:
			t.Fatalf("%s: %d of %d records arrived\n%s", s.name, s.count(), n, tail(log.String()))
		}
	}
}

func tail(s string) string { return s[max(0, len(s)-4000):] }

// check holds what arrived against what the tenant has.
func (s *siem) check(t *testing.T, ids []string, mayRepeat int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	missing := 0
	for _, id := range ids {
		if s.seen[id] == 0 {
			missing++
		}
	}
	if missing > 0 || len(s.seen) != len(ids) {
		t.Errorf("%s: %d missing, %d that the tenant does not have", s.name, missing, len(s.seen)-len(ids)+missing)
	}
	if s.repeatedBytes > mayRepeat {
		t.Errorf("%s: %d bytes of repeats, more than %d", s.name, s.repeatedBytes, mayRepeat)
	}
	for i, m := range s.malformed {
		if i == 3 {
			break
		}
		t.Errorf("%s: malformed: %s", s.name, m)
	}
}

// drive is one tenant, two SIEMs and a configuration between them.
type drive struct {
	binary, config, secret string
	tenant                 *emulator.Tenant
	qradar, arcsight       *siem
	ids                    []string
}

func newDrive(t *testing.T, api string, records int, over time.Duration) *drive {
	d := &drive{binary: buildBinary(t), tenant: emulator.NewTenant(7)}
	d.secret = d.tenant.Secret
	server := httptest.NewServer(d.tenant)
	t.Cleanup(server.Close)
	ca, err := emulator.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	writeServerCertificate(t, ca, dir)
	secure, err := ca.Server()
	if err != nil {
		t.Fatal(err)
	}
	d.qradar = newSIEM(t, "qradar", "alertId", secure)
	d.arcsight = newSIEM(t, "arcsight", "externalId", nil)
	d.fill(api, records, over)
	d.config = filepath.Join(dir, "siembridge.toml")
	text := fmt.Sprintf(`state_dir = %q
[log]
level = "debug"
[admin]
listen = ""
[[source]]
name = "tenant"
api = %q
endpoint = %q
token_url = %q
tenant_id = %q
client_id = %q
client_secret = %q
start = "-2h"
poll_interval = "1s"
requests_per_minute = 6000
[[destination]]
name = "qradar"
type = "qradar"
address = %q
confirm_bytes = "64KiB"
[destination.tls]
ca_file = %q
[[destination]]
name = "arcsight"
type = "arcsight"
address = %q
transport = "tcp"
confirm_bytes = "64KiB"
`, filepath.Join(dir, "state"), api, server.URL+emulator.Endpoint(api), server.URL+d.tenant.TokenPath(api), d.tenant.ID, d.tenant.ClientID, d.secret,
		d.qradar.receiver.Address(), filepath.Join(dir, "ca.pem"), d.arcsight.receiver.Address())
	if err := os.WriteFile(d.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return d
}

// fill puts records into the tenant: seven to one time, hostile titles, one in ten late, all visible within over.
func (d *drive) fill(api string, records int, over time.Duration) {
	generator := emulator.NewGenerator(11, true)
	random := rand.New(rand.NewPCG(3, 5))
	now := time.Now()
	at := now.Add(-20 * time.Minute)
	for i := range records {
		if i%7 == 0 {
			at = at.Add(time.Second)
		}
		r := generator.Record(api, at)
		switch {
		case over > 0:
			r.Visible = now.Add(time.Duration(i) * over / time.Duration(records))
		case random.IntN(10) == 0:
			r.Visible = now.Add(time.Duration(random.IntN(5000)) * time.Millisecond)
		}
		d.ids = append(d.ids, r.ID)
		d.tenant.Add(api, r)
	}
	d.tenant.TokenLife = 20 * time.Second
	d.tenant.SetFaults(emulator.Faults{TooMany: 0.05, Unavailable: 0.05, Unauthorized: 0.02, Reset: 0.02, Truncated: 0.02, RetryAfter: time.Second})
}

// start runs the binary; log gets what it prints.
func (d *drive) start(t *testing.T, log *bytes.Buffer) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(d.binary, "run", "--config", d.config)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd
}

func (d *drive) checkLog(t *testing.T, log string) {
	t.Helper()
	if strings.Contains(log, d.secret) {
		t.Error("the client secret is in the log")
	}
	if strings.Contains(log, "Bearer ") || strings.Contains(log, "access_token") {
		t.Error("a token is in the log")
	}
}

// TestEveryRecordArrivesOnce: each API through faults of all kinds, over TLS and TCP, nothing missing, nothing twice.
func TestEveryRecordArrivesOnce(t *testing.T) {
	records, _ := driveSize()
	for _, api := range []string{"detections", "alerts", "graph-alerts"} {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			d := newDrive(t, api, records, 0)
			var log bytes.Buffer
			cmd := d.start(t, &log)
			d.qradar.wait(t, records, &log)
			d.arcsight.wait(t, records, &log)
			if err := cmd.Process.Signal(terminate); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("SIGTERM does not end it cleanly: %v\n%s", err, tail(log.String()))
			}
			d.qradar.check(t, d.ids, 0)
			d.arcsight.check(t, d.ids, 0)
			d.checkLog(t, log.String())
		})
	}
}

// TestKilledBridgeLosesNothing: the bridge is killed again and again while records flow; nothing is missing, and each
// kill repeats at most one connection and the tail of the one before.
func TestKilledBridgeLosesNothing(t *testing.T) {
	records, kills := driveSize()
	for _, api := range []string{"detections", "alerts", "graph-alerts"} {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			d := newDrive(t, api, records, 8*time.Second)
			random := rand.New(rand.NewPCG(1, 2))
			var all bytes.Buffer
			for k := range kills {
				var log bytes.Buffer
				cmd := d.start(t, &log)
				d.arcsight.wait(t, min(records, (k+1)*records/(kills+2)+random.IntN(20)), &log)
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
				all.Write(log.Bytes())
			}
			var log bytes.Buffer
			cmd := d.start(t, &log)
			d.qradar.wait(t, records, &log)
			d.arcsight.wait(t, records, &log)
			_ = cmd.Process.Signal(terminate)
			if err := cmd.Wait(); err != nil {
				t.Errorf("SIGTERM does not end it cleanly: %v", err)
			}
			all.Write(log.Bytes())
			const connection, tailOfTheOneBefore = 64<<10 + 64<<10, 256 << 10 // confirm_bytes and the last write
			d.qradar.check(t, d.ids, kills*(connection+tailOfTheOneBefore))
			d.arcsight.check(t, d.ids, kills*(connection+tailOfTheOneBefore))
			t.Logf("%d kills: %d and %d bytes of repeats", kills, d.qradar.repeatedBytes, d.arcsight.repeatedBytes)
			d.checkLog(t, all.String())
		})
	}
}

// TestKilledReceiversLoseNothing: both SIEMs drop all connections again and again.
func TestKilledReceiversLoseNothing(t *testing.T) {
	records, kills := driveSize()
	d := newDrive(t, "graph-alerts", records, 6*time.Second)
	var log bytes.Buffer
	cmd := d.start(t, &log)
	for k := range kills {
		d.arcsight.wait(t, (k+1)*records/(kills+2), &log)
		d.qradar.receiver.Kill()
		d.arcsight.receiver.Kill()
	}
	d.qradar.wait(t, records, &log)
	d.arcsight.wait(t, records, &log)
	_ = cmd.Process.Signal(terminate)
	if err := cmd.Wait(); err != nil {
		t.Errorf("SIGTERM does not end it cleanly: %v", err)
	}
	d.qradar.check(t, d.ids, 1<<30)
	d.arcsight.check(t, d.ids, 1<<30)
}
