//go:build cluster && unix

package main

import (
	"bytes"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/emulator"
)

var clusterRate = flag.Int("cluster-rate", 0, "records for the measurement of the rate; 0: it is left out")

var rateInstances = flag.String("cluster-instances", "1,2,4", "how many instances the rate is measured with")

// sink is a receiver that counts lines.
type sink struct {
	listener net.Listener
	lines    atomic.Int64
	running  sync.WaitGroup
}

func newSink(t *testing.T) *sink {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{listener: l}
	s.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.running.Go(func() {
				defer c.Close()
				block := make([]byte, 256<<10)
				for {
					n, err := c.Read(block)
					s.lines.Add(int64(bytes.Count(block[:n], []byte{'\n'})))
					if err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); s.running.Wait() })
	return s
}

// TestRate measures how many events a second 1, 2 and 4 instances deliver, in one run on one cluster of three servers:
// the same records from four file sources to one destination.
func TestRate(t *testing.T) {
	if *clusterRate == 0 {
		return // it needs the machine for itself
	}
	t.Logf("| instances | events/s | CPU s of siembridge per 100,000 events |\n| --- | --- | --- |")
	for _, text := range strings.Split(*rateInstances, ",") {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		measureRate(t, n)
	}
}

func measureRate(t *testing.T, instances int) {
	nats, into, dir := startNATS(t), newSink(t), t.TempDir()
	var running []*instance
	for n := range instances {
		i := &instance{name: fmt.Sprint("instance ", n), config: filepath.Join(dir, fmt.Sprintf("siembridge%d.toml", n))}
		text := fmt.Sprintf("state_dir = %q\n[log]\nlevel = \"info\"\n[admin]\nlisten = \"\"\n[buffer]\ntype = \"jetstream\"\n[buffer.jetstream]\nurls = [", filepath.Join(dir, fmt.Sprint("state", n)))
		for _, u := range nats.urls() {
			text += fmt.Sprintf("%q,", u)
		}
		text += "]\n"
		for s := range 4 {
			text += fmt.Sprintf("[[source]]\nname = \"file%d\"\napi = \"file\"\npath = %q\npoll_interval = \"1s\"\n", s, filepath.Join(dir, fmt.Sprintf("in%d-*.ndjson", s)))
		}
		text += fmt.Sprintf("[[destination]]\nname = \"siem\"\ntype = \"arcsight\"\ntransport = \"tcp\"\naddress = %q\n", into.listener.Addr().String())
		if err := os.WriteFile(i.config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		running = append(running, i)
		i.start(t, buildBinary(t))
	}
	time.Sleep(8 * time.Second) // all have their share
	generator := emulator.NewGenerator(11, false)
	for s := range 4 {
		var all bytes.Buffer
		for range *clusterRate / 4 {
			all.Write(generator.Record("graph-alerts", time.Now()).JSON())
			all.WriteByte('\n')
		}
		hidden := filepath.Join(dir, fmt.Sprint("hidden", s))
		if err := os.WriteFile(hidden, all.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	begun := time.Now()
	for s := range 4 {
		if err := os.Rename(filepath.Join(dir, fmt.Sprint("hidden", s)), filepath.Join(dir, fmt.Sprintf("in%d-a.ndjson", s))); err != nil {
			t.Fatal(err)
		}
	}
	for want := int64(*clusterRate / 4 * 4); into.lines.Load() < want; time.Sleep(5 * time.Millisecond) {
		if time.Since(begun) > 3*time.Minute {
			t.Fatalf("%d of %d arrived\n%s", into.lines.Load(), want, tail(running[0].log.String()))
		}
	}
	took := time.Since(begun).Seconds()
	var cpu time.Duration
	for _, i := range running {
		i.signal(t, terminate)
		i.end(t)
		cpu += i.cmd.ProcessState.UserTime() + i.cmd.ProcessState.SystemTime()
	}
	for i := range nats.servers {
		nats.kill(i)
	}
	t.Logf("| %d | %.0f | %.1f |", instances, float64(*clusterRate)/took, cpu.Seconds()*100_000/float64(*clusterRate))
}
