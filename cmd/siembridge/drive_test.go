package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/emulator"
)

// The tests in this file drive the built binary as an operator would: a configuration file, an emulated tenant with all
// APIs at one end and emulated SIEMs at the other, with faults, while records change. SIEMBRIDGE_DRIVE=long runs them at
// full length: 2,000 records an API and ten kills.

const terminate = syscall.SIGTERM

// driveSize is the number of records an API and of kills.
func driveSize() (records, kills int) {
	if os.Getenv("SIEMBRIDGE_DRIVE") == "long" {
		return 2000, 10
	}
	return 70, 3
}

// binaryDir is where builtBinary has put siembridge; "" until it is built.
var binaryDir string

// builtBinary builds siembridge once for all tests.
var builtBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "siembridge-test-")
	if err != nil {
		return "", err
	}
	binaryDir = dir
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

// TestEveryRecordArrivesOnce: all APIs through faults of all kinds, over TLS and TCP, with one event per record and per
// piece of evidence, with clocks that agree and clocks that do not: nothing missing, nothing twice, each change sent
// once, nothing sent that was merely touched. The tenant refuses $orderby, as Graph may.
func TestEveryRecordArrivesOnce(t *testing.T) {
	records, _ := driveSize()
	for _, test := range []struct {
		name  string
		clock time.Duration
		mode  eventMode
	}{
		{name: "clocks agree"},
		{name: "server 10 minutes ahead", clock: 10 * time.Minute},
		{name: "server 10 minutes behind", clock: -10 * time.Minute},
		{name: "evidence", mode: eventPerEvidence},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := newDrive(t, driveOptions{apis: everyAPI, records: records, changing: true, clock: test.clock, mode: test.mode})
			log := newWatched()
			cmd := d.start(t, log)
			d.wait(t, log)
			stop(t, cmd, log)
			d.check(t, 0)
			d.checkLog(t, log.String())
			t.Logf("%d sightings of %d records arrived, %d were touched; the tenant answered %v", len(d.want), len(d.api), len(d.touched), d.tenant.Served())
		})
	}
}

// mayRepeat is what kills may send again: each one connection (confirm_bytes) and the last writes of the one before.
func mayRepeat(kills int) int {
	const connection, tailOfTheOneBefore = 64<<10 + 64<<10, 256 << 10
	return kills * (connection + tailOfTheOneBefore)
}

// TestKilledBridgeLosesNothing: the bridge is killed again and again while records flow; nothing is missing, and each
// kill repeats at most one connection and the tail of the one before.
func TestKilledBridgeLosesNothing(t *testing.T) {
	t.Parallel()
	records, kills := driveSize()
	d := newDrive(t, driveOptions{apis: everyAPI, records: records, over: 8 * time.Second, changing: true})
	d.kill(t, kills)
}

// TestKilledBridgeLosesNoEvidence: the same with one event per piece of evidence, of which one alert has several.
func TestKilledBridgeLosesNoEvidence(t *testing.T) {
	t.Parallel()
	records, kills := driveSize()
	d := newDrive(t, driveOptions{apis: []string{"alerts", "graph-alerts", "incidents"}, records: records, over: 8 * time.Second, changing: true, mode: eventPerEvidence})
	d.kill(t, kills)
}

// kill runs the bridge to the end of its work through so many kills.
func (d *drive) kill(t *testing.T, kills int) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	log := newWatched()
	all := d.sightings()
	for k := range kills {
		cmd := d.start(t, log)
		enough := (k+1)*all/(kills+2) + random.IntN(20)
		d.arcsight.wait(t, func() int { return enough }, log)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	cmd := d.start(t, log)
	d.wait(t, log)
	stop(t, cmd, log)
	d.check(t, mayRepeat(kills))
	t.Logf("%d kills: %d sightings, %d and %d bytes of repeats", kills, len(d.want), d.qradar.repeatedBytes, d.arcsight.repeatedBytes)
	d.checkLog(t, log.String())
}

// TestKilledReceiversLoseNothing: both SIEMs drop all connections again and again.
func TestKilledReceiversLoseNothing(t *testing.T) {
	t.Parallel()
	records, kills := driveSize()
	d := newDrive(t, driveOptions{apis: []string{"graph-alerts", "incidents"}, records: records, over: 6 * time.Second})
	log := newWatched()
	cmd := d.start(t, log)
	for k := range kills {
		enough := (k + 1) * d.sightings() / (kills + 2)
		d.arcsight.wait(t, func() int { return enough }, log)
		d.qradar.receiver.Kill()
		d.arcsight.receiver.Kill()
	}
	d.wait(t, log)
	stop(t, cmd, log)
	d.check(t, 1<<30)
}

// TestRefreshTokensSurviveKills: the bridge is killed each time right when a new refresh token has been sent to it. The
// token endpoint honours a token only until its successor has been used; the chain never breaks.
func TestRefreshTokensSurviveKills(t *testing.T) {
	t.Parallel()
	records, kills := driveSize()
	d := newDrive(t, driveOptions{apis: []string{"graph-alerts"}, records: records, over: 8 * time.Second, refresh: true, tokenLife: 2 * time.Second})
	issued := make(chan struct{}, 1)
	d.tenant.OnIssue(func() {
		select {
		case issued <- struct{}{}:
		default:
		}
	})
	log := newWatched()
	random := rand.New(rand.NewPCG(8, 9))
	kills *= 3
	for k := range kills {
		cmd := d.start(t, log)
		for range 1 + k%2 { // the first token of a run, or one that is renewed while it pulls
			select {
			case <-issued:
			case <-time.After(time.Minute):
				t.Fatalf("no token was asked for\n%s", tail(log.String()))
			}
		}
		time.Sleep(time.Duration(random.IntN(4000)) * time.Microsecond) // anywhere between the answer and its storing
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	cmd := d.start(t, log)
	<-issued // it is up
	d.wait(t, log)
	stop(t, cmd, log)
	d.check(t, mayRepeat(kills))
	d.checkLog(t, log.String())
}
