//go:build peers

package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/siembridge/siembridge/bridge/bench"
	"github.com/siembridge/siembridge/bridge/bench/peers"
	"github.com/siembridge/siembridge/bridge/emulator"
)

var (
	peersCount     = flag.Int("count", 200_000, "records that each program is given")
	peersRounds    = flag.Int("rounds", 1, "turns that each program gets")
	peersNames     = flag.String("programs", "siembridge,siembridge-ack,siembridge-same,syslog-ng,rsyslog-disk,rsyslog-assisted,script", "programs to compare, separated by commas")
	peersTransport = flag.String("transport", "tcp", "tcp or tls")
	peersOutage    = flag.Bool("outage", false, "the receiver is away until everything is buffered; only the drain counts")
	peersDir       = flag.String("dir", "", "folder for queues and input; default: the system's for temporary files")
)

// peer is a program that sends a file of detections as CEF over syslog.
type peer struct {
	command func(r *peerRun) *exec.Cmd
	fields  peerFields
	ends    bool // by itself, when all is sent
}

// compared are siembridge in its two ways of confirming and with the attributes of the others' mapping alone, and what
// bench compares it with.
var compared = func() map[string]peer {
	all := map[string]peer{
		"siembridge":      {func(r *peerRun) *exec.Cmd { return r.bridge("close", "") }, ownFields, true},
		"siembridge-ack":  {func(r *peerRun) *exec.Cmd { return r.bridge("ack", "") }, ownFields, true},
		"siembridge-same": {func(r *peerRun) *exec.Cmd { return r.bridge("close", sameMapping) }, sameAttributes, true},
	}
	for _, p := range peers.Programs {
		all[p.Name] = peer{func(r *peerRun) *exec.Cmd { return r.peer(p) }, mappedFields, p.Ends}
	}
	return all
}()

// TestPeers gives the same detections to siembridge and to what a user would run in its place, in turns, and compares
// what each delivers with its input, value by value. It asserts that siembridge delivers every event exactly; the
// figures of all are printed.
func TestPeers(t *testing.T) {
	base, err := os.MkdirTemp(*peersDir, "siembridge-peers-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(base)
	input := writePeerInput(t, filepath.Join(base, "detections.ndjson"), *peersCount)
	memory := newBlocks(*peersCount * 3000)
	names, rates := strings.Split(*peersNames, ","), map[string]float64{}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "%d records, %s, outage %v\nround\tprogram\texact\trepeated\tevents/s\tCPU s per 100,000\tpeak RssAnon MB\tagainst syslog-ng\t\n", *peersCount, *peersTransport, *peersOutage)
	for round := range *peersRounds {
		type row struct {
			name string
			peerResult
		}
		var rows []row
		for _, name := range names {
			p, ok := compared[name]
			if !ok {
				t.Fatalf("-programs: there is no %q", name)
			}
			r := &peerRun{t: t, memory: memory, setup: peers.Setup{Dir: filepath.Join(base, "state"), Input: input}}
			got := r.run(p)
			rows = append(rows, row{name, got})
			rates[name] = float64(got.events) / got.wall.Seconds()
			if strings.HasPrefix(name, "siembridge") && got.exact != *peersCount {
				t.Errorf("%s: %d of %d events are exact; %s", name, got.exact, *peersCount, got.first)
			}
		}
		for _, row := range rows {
			ratio := "-"
			if other := rates["syslog-ng"]; other > 0 {
				ratio = fmt.Sprintf("%.2f", rates[row.name]/other)
			}
			fmt.Fprintf(w, "%d\t%s\t%d\t%d\t%.0f\t%.2f\t%.0f\t%s\t\n", round+1, row.name, row.exact, row.events-row.distinct, rates[row.name],
				row.cpu.Seconds()*100_000/float64(*peersCount), float64(row.memory)/1e6, ratio)
			if row.first != "" {
				fmt.Fprintf(os.Stderr, "%s: %s\n", row.name, row.first)
			}
		}
		w.Flush()
	}
}

// writePeerInput writes records of the SIEM shape, one a line.
func writePeerInput(t *testing.T, path string, count int) string {
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	generator, start := emulator.NewGenerator(1, false), time.Now().Add(-time.Hour)
	var text []byte
	for i := range count {
		text = append(append(text, generator.Record("detections", start.Add(time.Duration(i)*time.Millisecond)).JSON()...), '\n')
		if len(text) > 1<<20 || i == count-1 {
			if _, err := f.Write(text); err != nil {
				t.Fatal(err)
			}
			text = text[:0]
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// peerRun is one turn of a program.
type peerRun struct {
	t      *testing.T
	memory *blocks
	setup  peers.Setup
}

// peerResult is what a turn took and brought.
type peerResult struct {
	wall, cpu               time.Duration
	memory                  int64 // bytes of anonymous memory at most
	events, distinct, exact int
	first                   string // what the first event that is not exact lacks
}

// quiet is how long nothing arrives when a program that does not end by itself has done all that it will.
const quiet = 8 * time.Second

func (r *peerRun) run(p peer) (got peerResult) {
	if err := os.MkdirAll(r.setup.Dir, 0o700); err != nil {
		r.t.Fatal(err)
	}
	defer os.RemoveAll(r.setup.Dir)
	receiver := newPeerReceiver(r)
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // what an earlier turn left
	runtime.GC()
	syscall.Sync()
	if !*peersOutage {
		receiver.listen()
	}
	cmd := p.command(r)
	log, err := os.Create(filepath.Join(r.setup.Dir, "log"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	start := time.Now()
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	memory := bench.WatchMemory(cmd.Process.Pid)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	if *peersOutage {
		awaitIdle(cmd.Process.Pid)
		receiver.listen()
	}
	over := false
	for !over {
		select {
		case err := <-ended:
			if err != nil {
				text, _ := os.ReadFile(log.Name())
				r.t.Errorf("%s: %v\n%s", cmd.Path, err, text)
			}
			over = true
		case <-receiver.quiet():
			_ = cmd.Process.Signal(syscall.SIGTERM)
			kill := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
			<-ended
			kill.Stop()
			over = true
		}
	}
	ending := time.Now()
	got.memory, got.cpu = memory(), cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()
	receiver.close()
	began, last := receiver.times()
	if p.ends {
		last = ending // for siembridge that includes the confirmation
	}
	if *peersOutage {
		start = began
	}
	got.wall = last.Sub(start)
	receiver.compare(p.fields, &got)
	return got
}

// awaitIdle returns when a process has used no CPU to speak of for three seconds.
func awaitIdle(pid int) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last, still := processorTime(pid), 0
	for still < 3 {
		<-tick.C
		now := processorTime(pid)
		if still++; now-last > 3 {
			still = 0
		}
		last = now
	}
}

// processorTime returns the ticks of CPU (of 10 ms) that a process has used; Linux only.
func processorTime(pid int) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return user + system
}
