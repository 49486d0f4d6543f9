package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/disk"
	"github.com/siembridge/siembridge/bridge/control"
	"github.com/siembridge/siembridge/bridge/emulator"
)

// events is how many events have arrived, repeats among them.
func (s *siem) events() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, times := range s.seen {
		n += times
	}
	return n
}

// waitEvents waits until as many events have arrived, repeats among them.
func (s *siem) waitEvents(t *testing.T, want int, log *watched) {
	t.Helper()
	for s.events() < want {
		select {
		case <-s.arrived:
		case <-time.After(time.Minute):
			t.Fatalf("%s: %d of %d events arrived\n%s", s.name, s.events(), want, tail(log.String()))
		}
	}
}

// TestReplay: what was delivered is sent to one destination again, beside what is new, and a restart of the daemon in
// between takes nothing of it away.
func TestReplay(t *testing.T) {
	t.Parallel()
	const records = 300
	d := newDrive(t, driveOptions{apis: []string{"graph-alerts"}, records: records})
	d.edit(t, "type = \"arcsight\"", "type = \"arcsight\"\nrate_limit = 100")
	var log watched
	cmd := d.start(t, &log)
	d.wait(t, &log)
	d.settled(t, 0)
	d.settled(t, 1)

	if _, stderr, code := d.command(t, "replay", "--destination", "nowhere", "--since", "-1h"); code != exitFailure || !strings.Contains(stderr, `no destination is named "nowhere"`) {
		t.Errorf("an unknown destination: exit code %d, %q", code, stderr)
	}
	if stdout, _, code := d.command(t, "replay", "--destination", "arcsight", "--since", "-3h", "--until", "-2h"); code != exitFailure || !strings.Contains(stdout, "no record") {
		t.Errorf("an empty period: exit code %d, %q", code, stdout)
	}
	stdout, stderr, code := d.command(t, "replay", "--destination", "arcsight", "--since", "-1h")
	if code != exitDone || !strings.Contains(stdout, fmt.Sprintf("%d records", records)) {
		t.Fatalf("replay: exit code %d, %q %q", code, stdout, stderr)
	}
	d.one(12, time.Now())
	if stdout, _, _ := d.command(t, "status"); !strings.Contains(stdout, "replay to arcsight") {
		t.Errorf("status while it runs:\n%s", stdout)
	}
	d.arcsight.waitEvents(t, records+50, &log)
	stop(t, cmd, &log)
	cmd = d.start(t, &log)
	d.arcsight.waitEvents(t, 2*records+1, &log)
	d.wait(t, &log)
	d.settled(t, 1)
	stop(t, cmd, &log)
	if n := d.qradar.events(); n != records+1 {
		t.Errorf("qradar got %d events, not %d", n, records+1)
	}
	// What a stop could not confirm in time may come once more; the 50 that were confirmed before it may not.
	if n := d.arcsight.events(); n > 2*records+1+30 {
		t.Errorf("arcsight got %d events, not %d", n, 2*records+1)
	}
	if !strings.Contains(log.String(), "the replay is done") {
		t.Error("the log does not say that the replay is done")
	}
	d.checkLog(t, log.String())
}

// TestQuarantine: records that were set aside are listed and shown with and without a daemon, and sent again.
func TestQuarantine(t *testing.T) {
	t.Parallel()
	d := newDrive(t, driveOptions{apis: []string{"graph-alerts"}, records: 5})
	var log watched
	cmd := d.start(t, &log)
	d.wait(t, &log)
	stop(t, cmd, &log)

	b, err := disk.Open(disk.Options{Dir: filepath.Join(filepath.Dir(d.config), "state"), MaxSize: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	good := emulator.NewGenerator(99, true).Record("graph-alerts", time.Now())
	put := func(reason string, raw []byte) {
		if _, err := b.Quarantine().Put(buffer.Record{Source: "graph-alerts", API: "graph-alerts", Key: good.ID, Pulled: time.Now(), Raw: raw}, reason); err != nil {
			t.Fatal(err)
		}
	}
	put("arcsight: an older version could not read this", good.JSON())
	put("arcsight: no JSON", []byte("{no JSON"))
	put("gone: whatever", good.JSON())
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}

	look := func(running bool) {
		t.Helper()
		stdout, stderr, code := d.command(t, "quarantine", "list", "--json")
		var list control.Quarantine
		if err := json.Unmarshal([]byte(stdout), &list); err != nil || code != exitDone || len(list.Records) != 3 || list.Records[1].Reason != "arcsight: no JSON" {
			t.Errorf("list --json: %v, exit code %d, %s %s", err, code, stdout, stderr)
		}
		if strings.Contains(stderr, "does not run") == running {
			t.Errorf("list: %q", stderr)
		}
		stdout, stderr, code = d.command(t, "quarantine", "show", "2")
		if code != exitDone || stdout != "{no JSON\n" || !strings.Contains(stderr, "arcsight: no JSON") {
			t.Errorf("show: exit code %d, %q %q", code, stdout, stderr)
		}
		if stdout, _, _ := d.command(t, "quarantine", "list"); !strings.Contains(stdout, "an older version could not read this") {
			t.Errorf("list:\n%s", stdout)
		}
	}
	look(false)
	if _, stderr, code := d.command(t, "quarantine", "retry", "1"); code != exitFailure || !strings.Contains(stderr, "no siembridge runs") {
		t.Errorf("retry without a daemon: exit code %d, %q", code, stderr)
	}
	cmd = d.start(t, &log)
	for deadline := time.Now().Add(3 * time.Minute); strings.Count(log.String(), "msg=started") < 2; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the daemon does not start again:\n%s", tail(log.String()))
		}
	}
	d.settled(t, 1)
	look(true)
	before := d.arcsight.events()
	stdout, _, code := d.command(t, "quarantine", "retry", "--all")
	if code != exitFailure || !strings.Contains(stdout, "1 is sent to arcsight") || !strings.Contains(stdout, "! 2 stays") || !strings.Contains(stdout, "! 3 stays") {
		t.Errorf("retry --all: exit code %d, %q", code, stdout)
	}
	d.arcsight.waitEvents(t, before+1, &log)
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if stdout, _, _ := d.command(t, "quarantine", "list"); !strings.Contains(stdout, "an older version") {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("it stays in quarantine:\n%s", stdout)
		}
	}
	if _, stderr, code := d.command(t, "quarantine", "show", "1"); code != exitFailure || !strings.Contains(stderr, "the id 1") {
		t.Errorf("show what is gone: exit code %d, %q", code, stderr)
	}
	stop(t, cmd, &log)
	if n := d.qradar.events(); n != 5 {
		t.Errorf("qradar got %d events", n)
	}
}
