package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/admin"
	"github.com/siembridge/siembridge/bridge/emulator"
)

// overflowRecords are more than a buffer of 16 MiB holds.
const overflowRecords = 4000

// newOverflow is a drive with a small buffer, whose ArcSight is down.
func newOverflow(t *testing.T) *drive {
	t.Helper()
	d := newDrive(t, driveOptions{apis: []string{"graph-alerts"}})
	d.tenant.SetFaults(emulator.Faults{})
	d.tenant.TokenLife = time.Hour
	generator, at := emulator.NewGenerator(5, false), d.tenant.Now().Add(-90*time.Minute)
	for range overflowRecords {
		at = at.Add(time.Second)
		r := generator.Record("graph-alerts", at)
		d.want[sighting{r.ID, "new", ""}] = true
		d.api[r.ID] = "graph-alerts"
		d.tenant.Add("graph-alerts", r)
	}
	d.edit(t, `listen = ""`, "listen = \"\"\n[buffer]\nmax_size = \"16MiB\"")
	d.edit(t, `level = "debug"`, `level = "info"`)
	d.arcsight.receiver.Close()
	return d
}

// statusUntil asks for the status until it is as wanted.
func (d *drive) statusUntil(t *testing.T, log *watched, is func(s *admin.Status) bool) admin.Status {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		stdout, stderr, _ := d.command(t, "status", "--json")
		var s admin.Status
		err := json.Unmarshal([]byte(stdout), &s)
		if err == nil && is(&s) {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatalf("the status does not become what it should be: %v, %s%s\n%s", err, stdout, stderr, tail(log.String()))
		}
	}
}

// comeBack starts the ArcSight again at its address.
func (d *drive) comeBack(t *testing.T) {
	t.Helper()
	r, err := emulator.Listen(d.arcsight.receiver.Address(), nil, d.arcsight.take)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	d.arcsight.receiver = r
}

// TestOverflowBlock: a destination is down, the buffer is full: pulling waits, and that is said. When the destination
// is back pulling goes on, and both get everything.
func TestOverflowBlock(t *testing.T) {
	t.Parallel()
	d := newOverflow(t)
	log := newWatched()
	cmd := d.start(t, log)
	s := d.statusUntil(t, log, func(s *admin.Status) bool { return s.Buffer.Blocked })
	if s.Buffer.Pending > s.Buffer.Limit || s.Sources[0].Pulled >= overflowRecords {
		t.Errorf("blocked with %+v, %d records pulled", s.Buffer, s.Sources[0].Pulled)
	}
	log.wait(t, "The buffer is full and pulling waits")
	if n := d.qradar.count(); n >= overflowRecords {
		t.Errorf("qradar has all %d records, although pulling waited", n)
	}
	d.comeBack(t)
	d.wait(t, log)
	log.wait(t, "The buffer has room again")
	stop(t, cmd, log)
	d.check(t, 0)
	d.checkLog(t, log.String())
}

var droppedMetric = regexp.MustCompile(`(?m)^siembridge_dropped_records_total\{destination="(\w+)"\} (\S+)$`)

// freeAddress is an address on loopback at which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// dropped reads the metric of each destination.
func dropped(t *testing.T, address string) map[string]string {
	t.Helper()
	answer, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, m := range droppedMetric.FindAllStringSubmatch(string(text), -1) {
		all[m[1]] = m[2]
	}
	return all
}

// TestOverflowDropOldest: the same with drop-oldest: the other destination gets everything and pulling does not wait;
// what is dropped is the oldest, is counted and said, and the rest arrives when the destination is back.
func TestOverflowDropOldest(t *testing.T) {
	t.Parallel()
	d := newOverflow(t)
	var ids []string // in the order of the buffer
	d.qradar.first = func(id string) { ids = append(ids, id) }
	address := freeAddress(t)
	d.edit(t, `listen = ""`, fmt.Sprintf("listen = %q", address))
	d.edit(t, `type = "arcsight"`, "type = \"arcsight\"\noverflow = \"drop-oldest\"")
	log := newWatched()
	cmd := d.start(t, log)
	d.qradar.wait(t, d.sightings, log)
	s := d.statusUntil(t, log, func(s *admin.Status) bool {
		return s.Sources[0].Pulled == overflowRecords && s.Destinations[0].Pending == 0
	})
	arcsight := s.Destinations[1]
	if arcsight.Dropped == 0 || arcsight.Pending+int64(arcsight.Dropped) != overflowRecords || s.Destinations[0].Dropped != 0 {
		t.Errorf("%+v", s.Destinations)
	}
	if m := dropped(t, address); m["arcsight"] != fmt.Sprint(arcsight.Dropped) || m["qradar"] != "0" {
		t.Errorf("dropped %d, the metrics say %v", arcsight.Dropped, m)
	}
	log.wait(t, "Records for destination arcsight are dropped", "overflow is drop-oldest")
	d.comeBack(t)
	d.arcsight.wait(t, func() int { return int(arcsight.Pending) }, log)
	d.statusUntil(t, log, func(s *admin.Status) bool { return s.Destinations[1].Pending == 0 })
	stop(t, cmd, log)
	d.qradar.receiver.Drain()
	d.arcsight.receiver.Drain()
	d.qradar.check(t, d.want, 0)
	// What the destination had taken before it was dropped may still arrive. What does not is the oldest of the rest.
	missing := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return d.arcsight.has(sighting{id, "new", ""}) })
	first := slices.Index(ids, missing[0])
	if len(missing) > int(arcsight.Dropped) || !slices.Equal(missing, ids[first:first+len(missing)]) || first+len(missing) > int(arcsight.Dropped) {
		t.Errorf("%d are missing from number %d on, %d were dropped", len(missing), first, arcsight.Dropped)
	}
	d.arcsight.check(t, without(d.want, missing), 0)
}

func without(all map[sighting]bool, records []string) map[sighting]bool {
	rest := map[sighting]bool{}
	for v := range all {
		if !slices.Contains(records, v.record) {
			rest[v] = true
		}
	}
	return rest
}

// TestTwoProcesses: a second daemon on the same state directory is refused and told which process has it; the first
// does not notice.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	d := newDrive(t, driveOptions{apis: []string{"graph-alerts"}, records: 20})
	log := newWatched()
	cmd := d.start(t, log)
	d.statusUntil(t, log, func(*admin.Status) bool { return true })
	_, stderr, code := d.command(t, "run")
	for _, want := range []string{"in use by another process", fmt.Sprintf("process %d holds", cmd.Process.Pid), "another state_dir"} {
		if code != exitFailure || !strings.Contains(stderr, want) {
			t.Errorf("the second: exit code %d, no %q in %q", code, want, stderr)
		}
	}
	d.wait(t, log)
	d.statusUntil(t, log, func(*admin.Status) bool { return true }) // the control socket is still the first's
	stop(t, cmd, log)
	d.check(t, 0)
	if cmd = d.start(t, log); cmd.Process == nil {
		t.Fatal("it does not start again")
	}
	d.statusUntil(t, log, func(*admin.Status) bool { return true })
	stop(t, cmd, log)
}

// TestRenamedDestination: what is pending for a destination that is renamed waits for its old name; the new name
// starts behind it. Under the old name it is delivered.
func TestRenamedDestination(t *testing.T) {
	t.Parallel()
	d := newDrive(t, driveOptions{apis: []string{"graph-alerts"}, records: 20})
	d.arcsight.receiver.Close()
	log := newWatched()
	cmd := d.start(t, log)
	d.qradar.wait(t, d.sightings, log)
	stop(t, cmd, log)

	d.edit(t, `name = "arcsight"`, `name = "renamed"`)
	d.comeBack(t)
	log = newWatched()
	cmd = d.start(t, log)
	log.wait(t, "destination that is not configured any more", "kept for 7 days", "destination=arcsight", "records=20")
	later := d.one(31, time.Now())
	d.qradar.wait(t, d.sightings, log)
	d.arcsight.wait(t, func() int { return 1 }, log)
	stop(t, cmd, log)
	if !d.arcsight.has(sighting{later, "new", ""}) || d.arcsight.count() != 1 {
		t.Errorf("under the new name %d records arrive, not the one that came later", d.arcsight.count())
	}

	d.edit(t, `name = "renamed"`, `name = "arcsight"`)
	log = newWatched()
	cmd = d.start(t, log)
	d.wait(t, log)
	d.settled(t, 1)
	stop(t, cmd, log)
	d.qradar.check(t, d.want, 0)
	d.arcsight.check(t, d.want, 1<<20) // the later one was pending for the old name, too
}
