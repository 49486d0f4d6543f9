package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/admin"
	"github.com/siembridge/siembridge/bridge/control"
	"github.com/siembridge/siembridge/bridge/emulator"
)

// command runs the built binary to its end and returns what it printed and its exit code.
func (d *drive) command(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(d.binary, append(args, "--config", d.config)...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// edit replaces text in the configuration.
func (d *drive) edit(t *testing.T, old, new string) {
	t.Helper()
	text, err := os.ReadFile(d.config)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		t.Fatalf("the configuration has no %q", old)
	}
	if err := os.WriteFile(d.config, []byte(strings.Replace(string(text), old, new, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// append adds to the configuration.
func (d *drive) append(t *testing.T, text string) {
	t.Helper()
	old, err := os.ReadFile(d.config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.config, append(old, text...), 0o600); err != nil {
		t.Fatal(err)
	}
}

// one adds a record to the tenant, which Microsoft changed at a time.
func (d *drive) one(seed uint64, at time.Time) string {
	r := emulator.NewGenerator(seed, true).Record("graph-alerts", at)
	d.mu.Lock()
	d.want[sighting{r.ID, "new", ""}] = true
	d.mu.Unlock()
	d.tenant.Add("graph-alerts", r)
	return r.ID
}

// settled waits until a destination has nothing pending.
func (d *drive) settled(t *testing.T, destination int) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		stdout, stderr, _ := d.command(t, "status", "--json")
		var status admin.Status
		if err := json.Unmarshal([]byte(stdout), &status); err != nil {
			t.Fatalf("%v: %s %s", err, stdout, stderr)
		}
		if status.Destinations[destination].Pending == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("records stay pending: %s", stdout)
		}
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	d := newDrive(t, driveOptions{apis: []string{"graph-alerts"}, records: 20})
	if _, stderr, code := d.command(t, "status"); code != exitFailure || !strings.Contains(stderr, "has not run") {
		t.Errorf("before the first start: exit code %d, %q", code, stderr)
	}
	var log watched
	cmd := d.start(t, &log)
	d.wait(t, &log)
	stdout, _, _ := d.command(t, "status", "--json")
	var status admin.Status
	if err := json.Unmarshal([]byte(stdout), &status); err != nil {
		t.Fatalf("%v: %s", err, stdout)
	}
	if len(status.Sources) != 1 || status.Sources[0].Pulled != 20 || len(status.Destinations) != 2 {
		t.Errorf("status --json: %s", stdout)
	}
	stdout, _, _ = d.command(t, "status")
	for _, want := range []string{"graph-alerts", "qradar", "arcsight", "CONFIRMS BY"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("status does not show %q:\n%s", want, stdout)
		}
	}
	socket := filepath.Join(filepath.Dir(d.config), "state", "control.sock")
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the control socket: %v %v", info, err)
	}
	stop(t, cmd, &log)
	stdout, stderr, code := d.command(t, "status")
	if code != exitFailure || !strings.Contains(stderr, "does not run") || !strings.Contains(stdout, "stopped") {
		t.Errorf("after the stop: exit code %d, %q\n%s", code, stderr, stdout)
	}
}

// TestReload: while records flow, destinations come, change and go, by command and by SIGHUP. Nothing is lost, an
// invalid file changes nothing, and what is unchanged is not touched.
func TestReload(t *testing.T) {
	t.Parallel()
	const records = 400
	d := newDrive(t, driveOptions{apis: []string{"graph-alerts"}, records: records, over: 12 * time.Second})
	third := newArcSight(t, d.o.mode)
	var log watched
	cmd := d.start(t, &log)
	d.arcsight.wait(t, func() int { return 50 }, &log)

	d.edit(t, `type = "qradar"`, `type = "quradar"`)
	d.edit(t, `poll_interval = "1s"`, `poll_interval = "never"`)
	_, stderr, code := d.command(t, "reload")
	if code != exitFailure || !strings.Contains(stderr, "quradar") || !strings.Contains(stderr, "poll_interval") {
		t.Errorf("an invalid configuration: exit code %d, %q", code, stderr)
	}
	d.edit(t, `type = "quradar"`, `type = "qradar"`)
	d.edit(t, `poll_interval = "never"`, `poll_interval = "1s"`)
	if stdout, _, code := d.command(t, "reload"); code != exitDone || !strings.Contains(stdout, "no source or destination changed") {
		t.Errorf("an unchanged configuration: exit code %d, %q", code, stdout)
	}

	d.edit(t, "[[destination]]\nname = \"arcsight\"", "[[destination]]\nname = \"third\"\ntype = \"arcsight\"\ntransport = \"tcp\"\naddress = \""+third.receiver.Address()+"\"\n[[destination]]\nname = \"arcsight\"")
	d.edit(t, `confirm_bytes = "64KiB"`, `confirm_bytes = "128KiB"`)
	if stdout, stderr, code := d.command(t, "reload"); code != exitDone || !strings.Contains(stdout, "destination third added") || !strings.Contains(stdout, "destination qradar changed") || strings.Contains(stdout, "arcsight") {
		t.Errorf("a destination more, one changed: exit code %d, %q %q", code, stdout, stderr)
	}
	third.wait(t, func() int { return 20 }, &log)

	// The source changes by SIGHUP, and a destination goes with what it has yet to receive.
	d.edit(t, `poll_interval = "1s"`, `poll_interval = "2s"`)
	third.receiver.Close()
	d.one(12, time.Now())
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	d.wait(t, &log)
	text, err := os.ReadFile(d.config)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.Index(string(text), "[[destination]]\nname = \"third\"")
	to := strings.Index(string(text), "[[destination]]\nname = \"arcsight\"")
	d.edit(t, string(text[at:to]), "")
	stdout, stderr, code := d.command(t, "reload")
	if code != exitDone || !strings.Contains(stdout, "destination third removed") || !strings.Contains(stdout, "third had ") {
		t.Errorf("a destination less: exit code %d, %q %q", code, stdout, stderr)
	}
	stop(t, cmd, &log)
	if !strings.Contains(log.String(), "source graph-alerts changed") {
		t.Error("SIGHUP did not change the source")
	}
	d.check(t, 0)
	d.checkLog(t, log.String())
}

// TestReconcile: a gap by hand at each joint. A record that the polls could not see is named and pulled; one that a
// SIEM has yet to get is pending, and no gap. A SIEM that wants to know of the bridge is told.
func TestReconcile(t *testing.T) {
	t.Parallel()
	d := newDrive(t, driveOptions{apis: []string{"graph-alerts"}, records: 20})
	told := make(chan string, 100)
	watcher, err := emulator.Listen("127.0.0.1:0", nil, func(got emulator.Received) {
		if strings.Contains(string(got.Frame), "SiembridgeRecordsMissing") {
			told <- string(got.Frame)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(watcher.Close)
	d.append(t, fmt.Sprintf("[[destination]]\nname = \"watcher\"\ntype = \"arcsight\"\ntransport = \"tcp\"\nsources = [\"graph-alerts\"]\nheartbeat = \"1h\"\naddress = %q\n", watcher.Address()))
	var log watched
	cmd := d.start(t, &log)
	d.wait(t, &log)
	d.settled(t, 1)
	d.arcsight.receiver.Close()
	waiting := d.one(12, time.Now())
	d.qradar.wait(t, d.sightings, &log)
	d.settled(t, 0)
	gap := d.one(13, time.Now().Add(-90*time.Minute)) // long after that time was read

	reconcile := func(wantCode int) control.SourceReport {
		t.Helper()
		stdout, stderr, code := d.command(t, "reconcile", "--since", "-2h", "--json")
		var report control.Report
		if err := json.Unmarshal([]byte(stdout), &report); err != nil || len(report.Sources) != 1 || len(report.Sources[0].Destinations) != 3 {
			t.Fatalf("%v: %s %s", err, stdout, stderr)
		}
		if code != wantCode {
			t.Errorf("exit code %d, not %d: %s", code, wantCode, stdout)
		}
		return report.Sources[0]
	}
	s := reconcile(exitFailure)
	if s.Has != 22 || s.Missed.Count != 1 || s.Missed.IDs[0] != gap {
		t.Errorf("the gap %s: %+v", gap, s)
	}
	if q := s.Destinations[0]; q.Confirmed != 21 || q.Missing.Count != 0 {
		t.Errorf("qradar: %+v", q)
	}
	if a := s.Destinations[1]; a.Confirmed != 20 || a.Pending != 1 || a.Missing.Count != 0 {
		t.Errorf("arcsight, with %s pending: %+v", waiting, a)
	}
	if stdout, _, code := d.command(t, "status"); code != exitFailure || !strings.Contains(stdout, "! the reconciliation of") || !strings.Contains(stdout, "last reconciliation, ") || !strings.Contains(stdout, ": 1 records missing\n") {
		t.Errorf("status after it: exit code %d\n%s", code, stdout)
	}
	select {
	case e := <-told:
		if !strings.Contains(e, gap) || !strings.Contains(e, "1 records were never pulled") {
			t.Errorf("the SIEM is told %q, without %s", e, gap)
		}
	case <-time.After(time.Minute):
		t.Errorf("the SIEM is not told\n%s", tail(log.String()))
	}
	d.qradar.wait(t, d.sightings, &log)
	d.settled(t, 0)
	s = reconcile(exitDone)
	if s.Missed.Count != 0 || s.Destinations[1].Pending != 2 {
		t.Errorf("the gap was filled: %+v", s)
	}
	if _, stderr, code := d.command(t, "reconcile", "--since", "-201d"); code != exitFailure || !strings.Contains(stderr, "200 days") {
		t.Errorf("beyond what is remembered: exit code %d, %q", code, stderr)
	}
	stop(t, cmd, &log)
	d.checkLog(t, log.String())
}

// TestSystemd: a socket in place of systemd's hears that the daemon is ready, reloads and stops, and its signs of life.
func TestSystemd(t *testing.T) {
	t.Parallel()
	d := newDrive(t, driveOptions{apis: []string{"graph-alerts"}, records: 5})
	address := filepath.Join(t.TempDir(), "notify")
	systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer systemd.Close()
	if err := systemd.SetReadDeadline(time.Now().Add(3 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	hear := func(want string) {
		t.Helper()
		var heard []string
		for message := make([]byte, 4096); ; {
			n, err := systemd.Read(message)
			if err != nil {
				t.Fatalf("%q did not come after %q: %v", want, heard, err)
			}
			if heard = append(heard, string(message[:n])); strings.Contains(heard[len(heard)-1], want) {
				return
			}
		}
	}
	var log watched
	cmd := exec.Command(d.binary, "run", "--config", d.config)
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+address, "WATCHDOG_USEC=300000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	hear("READY=1")
	hear("STATUS=")
	hear("WATCHDOG=1")
	d.wait(t, &log)
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	hear("RELOADING=1\nMONOTONIC_USEC=")
	hear("READY=1")
	if err := cmd.Process.Signal(terminate); err != nil {
		t.Fatal(err)
	}
	hear("STOPPING=1")
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, tail(log.String()))
	}
}
