//go:build matrix

package main

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/emulator"
)

var backlogRecords = flag.Int("backlog", 1_000_000, "records that wait for the receiver in TestBacklog")

// newBridgeCell is a cell whose sender is siembridge over plain TCP, and whose receiver does not run yet.
func newBridgeCell(t *testing.T) (c *matrixCell, start func() *exec.Cmd) {
	dir := shortDir(t)
	ca, err := emulator.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	writeMatrixCertificate(t, ca, dir)
	c = &matrixCell{sender: "siembridge", t: t, dir: dir, net: newCellNetwork(t), input: filepath.Join(dir, "detections.ndjson"), dead: true}
	c.feed = c.open(c.input)
	c.program = matrixReceiver{Log: filepath.Join(dir, "received")}
	c.log = c.open(c.program.Log)
	command := bridgeSender{}.prepare(t, c)
	return c, func() *exec.Cmd { return c.start(command()) }
}

// said counts the lines of the sender's log that hold a text.
func (c *matrixCell) said(text string) int {
	log, err := os.ReadFile(filepath.Join(c.dir, "sender.log"))
	if err != nil {
		c.t.Fatal(err)
	}
	return bytes.Count(log, []byte(text))
}

// until waits for something.
func (c *matrixCell) until(what string, most time.Duration, is func() bool) {
	for end := time.Now().Add(most); !is(); c.pauseFor(100 * time.Millisecond) {
		if time.Now().After(end) {
			log, _ := os.ReadFile(filepath.Join(c.dir, "sender.log"))
			c.t.Fatalf("not within %v: %s\n%s", most, what, tail(string(log)))
		}
	}
}

// TestDiskFullAndFree lets the disk under the state directory become full by other files while events flow, kills
// siembridge on the full disk, starts it again, and frees the disk: nothing is lost, and the log says what is wrong once
// for each start.
func TestDiskFullAndFree(t *testing.T) {
	c, start := newBridgeCell(t)
	state := filepath.Join(c.dir, "state")
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", state, "tmpfs", 0, "size=64m"); err != nil {
		t.Fatal(err)
	}
	defer syscall.Unmount(state, syscall.MNT_DETACH)
	c.receiver, c.dead = c.program.start(t, c.net), false
	defer func() { c.kill() }()
	process := start()
	defer func() { c.stop(process) }()
	c.feedTo(2000)
	if !c.await(2000, false) {
		t.Fatal("nothing arrives")
	}
	others := filepath.Join(state, "of-others")
	fillDisk(t, others)
	c.feedTo(12_000)
	c.until("it says that there is no space", time.Minute, func() bool { return c.said("no space left for the buffer; free some") > 0 })
	c.pauseFor(20 * time.Second)
	said := c.said("level=ERROR") + c.said("level=WARN")
	t.Logf("20 seconds on the full disk: %d warnings and errors", said)
	if said > 3 {
		t.Errorf("a full disk floods the log: %d lines", said)
	}
	c.stop(process)
	process = start()
	c.pauseFor(5 * time.Second)
	if err := os.Remove(others); err != nil {
		t.Fatal(err)
	}
	if !c.await(c.fed, false) {
		t.Fatalf("%d of %d events are missing: %s", c.fed-c.received, c.fed, c.missing())
	}
	repeats := 0
	for _, n := range c.times {
		repeats += n - 1
	}
	log, err := os.ReadFile(filepath.Join(c.dir, "sender.log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d events, 0 lost, %d repeated; the log:\n%s", c.fed, repeats, log)
}

// fillDisk writes a file until there is no room.
func fillDisk(t *testing.T, path string) {
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 1<<16); len(block) > 0; {
		if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			block = block[:len(block)/2]
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// TestBacklog lets a million small records wait for a receiver that is down: memory stays flat, the log quiet. Then the
// receiver comes, and all of it arrives at full speed, and what is new beside it.
func TestBacklog(t *testing.T) {
	c, start := newBridgeCell(t)
	c.brief = true
	process := start()
	defer func() { c.stop(process) }()
	began := time.Now()
	for c.fed < *backlogRecords {
		c.feedTo(c.fed + 50_000)
		c.pauseFor(50 * time.Millisecond)
	}
	buffered := func() int64 {
		size := int64(0)
		logs, _ := filepath.Glob(filepath.Join(c.dir, "state", "buffer", "log", "*"))
		for _, path := range logs {
			if i, err := os.Stat(path); err == nil {
				size += i.Size()
			}
		}
		return size
	}
	var samples []soakSample
	last, still := int64(0), time.Now()
	c.until("the backlog is in the buffer", 10*time.Minute, func() bool {
		samples = append(samples, sampleProcess(t, process.Process.Pid))
		if n := buffered(); n != last {
			last, still = n, time.Now()
		}
		return last > 0 && time.Since(still) > 5*time.Second
	})
	t.Logf("%d records are in the buffer (%d MiB) after %v; RssAnon at most %d KiB", c.fed, last>>20, time.Since(began).Round(time.Second), peak(samples))
	samples = nil
	for range 100 { // it goes on being down
		samples = append(samples, sampleProcess(t, process.Process.Pid))
		c.pauseFor(200 * time.Millisecond)
	}
	waiting := soakMedian(samples)
	log, _ := os.ReadFile(filepath.Join(c.dir, "sender.log"))
	lines := strings.Count(string(log), "\n")
	t.Logf("down for %v: RssAnon %d KiB, %d files, %d lines in the log", time.Since(began).Round(time.Second), waiting.anonymous, waiting.files, lines)
	if lines > 20 {
		t.Errorf("the log is flooded: %d lines\n%s", lines, tail(string(log)))
	}
	c.receiver, c.dead = c.program.start(t, c.net), false
	defer func() { c.kill() }()
	up, backlog := time.Now(), c.fed
	samples = nil
	for c.received < backlog {
		if time.Since(up) > 10*time.Minute {
			t.Fatalf("%d of %d have arrived after %v", c.received, backlog, time.Since(up))
		}
		c.feedTo(c.fed + 100) // 1,000 a second
		c.pauseFor(100 * time.Millisecond)
		c.count()
		samples = append(samples, sampleProcess(t, process.Process.Pid))
	}
	took := time.Since(up)
	if !c.await(c.fed, false) {
		t.Fatalf("%d of %d events are missing: %s", c.fed-c.received, c.fed, c.missing())
	}
	t.Logf("drained in %v, %.0f events a second, beside %d new ones that had arrived %v later; RssAnon at most %d KiB", took.Round(100*time.Millisecond),
		float64(backlog)/took.Seconds(), c.fed-backlog, (time.Since(up) - took).Round(100*time.Millisecond), peak(samples))
	if most := 512 << 10; peak(samples) > most {
		t.Errorf("RssAnon grows to %d KiB", peak(samples))
	}
}

func peak(samples []soakSample) (most int) {
	for _, s := range samples {
		most = max(most, s.anonymous)
	}
	return most
}
