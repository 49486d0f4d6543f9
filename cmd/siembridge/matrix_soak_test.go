//go:build matrix

package main

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/emulator"
)

var soakTime = flag.Duration("soak", 3*time.Minute, "how long TestSoak lets events flow")

const soakRate = 2000 // events a second

// soakSample is what the sender's process holds at a moment.
type soakSample struct {
	anonymous int // RssAnon in KiB
	files     int // open file descriptors
}

// TestSoak sends 2,000 events a second over TLS for the time given, while faults of all kinds strike the receiver. In
// the end nothing is missing, and the memory and the file descriptors of siembridge are what they were at the
// beginning.
func TestSoak(t *testing.T) {
	dir := t.TempDir()
	ca, err := emulator.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	writeMatrixCertificate(t, ca, dir)
	c := &matrixCell{sender: "siembridge", tls: true, t: t, dir: dir, net: newCellNetwork(t), input: filepath.Join(dir, "detections.ndjson")}
	c.feed = c.open(c.input)
	c.program = matrixReceiver{Log: filepath.Join(dir, "received"), Cert: filepath.Join(dir, "server.pem"), Key: filepath.Join(dir, "server-key.pem")}
	c.log = c.open(c.program.Log)
	c.receiver = c.program.start(t, c.net)
	defer func() { c.kill() }()
	process := c.start(bridgeSender{}.prepare(t, c)())
	defer c.stop(process)

	var faults []matrixFault
	for _, f := range matrixFaults {
		if f.slow == 0 && !f.acknowledge { // those are other receivers, not other faults
			faults = append(faults, f)
		}
	}
	struck := map[string]int{}
	began := time.Now()
	next := began.Add(10 * time.Second)
	var samples []soakSample
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for time.Since(began) < *soakTime {
		<-tick.C
		c.feedTo(int(time.Since(began).Seconds() * soakRate))
		c.count()
		samples = append(samples, sampleProcess(t, process.Process.Pid))
		if time.Now().Before(next) {
			continue
		}
		f := faults[rand.N(len(faults))]
		f.strike(c)
		struck[f.name]++
		if c.dead {
			c.receiver, c.dead = c.program.start(t, c.net), false
		}
		next = time.Now().Add(time.Second + rand.N(9*time.Second))
	}
	c.await(c.fed, false)
	missing, repeats := c.fed-c.received, 0
	for _, n := range c.times {
		repeats += max(0, n-1)
	}
	// The first fifth warms up: the heap finds its size, the caches fill.
	samples = samples[len(samples)/5:]
	third := len(samples) / 3
	if third == 0 {
		t.Fatalf("-soak %v is too short to compare anything", *soakTime)
	}
	first, last := soakMedian(samples[:third]), soakMedian(samples[len(samples)-third:])
	t.Logf("%d events in %v, faults %v: %d lost, %d repeated; RssAnon %d KiB at first, %d KiB at last; file descriptors %d and %d (medians of thirds)",
		c.fed, time.Since(began).Round(time.Second), struck, missing, repeats, first.anonymous, last.anonymous, first.files, last.files)
	if missing > 0 {
		t.Errorf("%d of %d events are missing", missing, c.fed)
	}
	if last.anonymous > first.anonymous*5/4+8<<10 {
		t.Errorf("memory grows: RssAnon %d KiB, then %d KiB", first.anonymous, last.anonymous)
	}
	if last.files > first.files+4 {
		t.Errorf("file descriptors grow: %d, then %d", first.files, last.files)
	}
}

func soakMedian(samples []soakSample) (m soakSample) {
	of := func(value func(soakSample) int) int {
		var all []int
		for _, s := range samples {
			all = append(all, value(s))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	return soakSample{of(func(s soakSample) int { return s.anonymous }), of(func(s soakSample) int { return s.files })}
}

func sampleProcess(t *testing.T, pid int) (s soakSample) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(status) {
		if fields := bytes.Fields(line); len(fields) > 1 && string(fields[0]) == "RssAnon:" {
			s.anonymous, _ = strconv.Atoi(string(fields[1]))
		}
	}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	s.files = len(files)
	return s
}
