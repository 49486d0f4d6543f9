//go:build matrix

package main

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/emulator"
)

var (
	matrixCycles = flag.Int("cycles", 30, "faults in each cell of the matrix")
	matrixNames  = flag.String("senders", "siembridge", "programs that send, separated by commas: siembridge, rsyslog, syslog-ng")
	matrixTable  = flag.String("table", "", "file that the matrix's table is written to")
)

// matrixFault is what happens to the receiver, again and again, while events flow at full rate.
type matrixFault struct {
	name        string
	slow        time.Duration
	buffer      int
	acknowledge bool // the receiver never closes its side, so it is served by TCP's acknowledgement
	strike      func(*matrixCell)
}

var matrixFaults = []matrixFault{
	{name: "kill -9", strike: (*matrixCell).kill},
	{name: "SIGTERM", strike: func(c *matrixCell) { c.end(syscall.SIGTERM) }},
	{name: "SIGSTOP, kill -9", strike: func(c *matrixCell) {
		_ = c.receiver.Process.Signal(syscall.SIGSTOP)
		c.pause(500 * time.Millisecond)
		c.kill()
	}},
	{name: "black hole", strike: func(c *matrixCell) {
		c.net.forward(false)
		c.pauseFor(2500 * time.Millisecond) // longer than confirm_timeout
		c.net.forward(true)
	}},
	{name: "slow reader, kill -9", slow: 1500 * time.Microsecond, strike: (*matrixCell).kill},
	{name: "slow reader with 4 MiB, kill -9", slow: 1500 * time.Microsecond, buffer: 4 << 20, strike: (*matrixCell).kill},
	{name: "reset by a middlebox", strike: func(c *matrixCell) {
		c.net.resetting(true)
		c.pause(100 * time.Millisecond)
		c.net.resetting(false)
	}},
	{name: "half-open after a reboot", strike: func(c *matrixCell) {
		c.net.forward(false)
		c.net.unplug()
		c.kill()
		c.net.boot()
		c.net.forward(true)
	}},
	{name: "never closes, kill -9", buffer: 128 << 10, acknowledge: true, strike: (*matrixCell).kill},
}

// TestMatrix runs senders through every fault over TCP and TLS, with and without kill -9 of the sender itself. Nothing
// that siembridge has pulled may be missing at the end; of the others it is counted. Repeats are printed.
func TestMatrix(t *testing.T) {
	dir := t.TempDir()
	ca, err := emulator.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	writeMatrixCertificate(t, ca, dir)
	var results matrixResults
	t.Run("cells", func(t *testing.T) {
		for _, name := range strings.Split(*matrixNames, ",") {
			sender := matrixSenders()[name]
			if sender == nil {
				t.Fatalf("-senders: %q is not one of siembridge, rsyslog, syslog-ng", name)
			}
			for _, fault := range matrixFaults {
				for _, secure := range []bool{false, true} {
					for _, kill := range []bool{false, true} {
						c := &matrixCell{sender: name, fault: fault, tls: secure, killSender: kill}
						t.Run(c.name(), func(t *testing.T) {
							t.Parallel()
							c.t, c.dir = t, shortDir(t)
							for _, file := range []string{"ca.pem", "server.pem", "server-key.pem"} {
								if err := os.Link(filepath.Join(dir, file), filepath.Join(c.dir, file)); err != nil {
									t.Fatal(err)
								}
							}
							results.add(c.run(sender))
						})
					}
				}
			}
		}
	})
	table := results.table()
	fmt.Print(table)
	if *matrixTable != "" {
		if err := os.WriteFile(*matrixTable, []byte(table), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// shortDir is a folder whose path leaves room for a socket's, unlike one that bears the test's name.
func shortDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "cell")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func writeMatrixCertificate(t *testing.T, ca *emulator.CA, dir string) {
	cert, key, err := ca.Issue(time.Now().Add(24*time.Hour), receiverAddress)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"ca.pem": ca.PEM(), "server.pem": cert, "server-key.pem": key} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// matrixCell is one sender, one kind of fault, over one transport.
type matrixCell struct {
	sender          string
	fault           matrixFault
	tls, killSender bool

	t        *testing.T
	dir      string
	input    string // the file of detections that the sender follows
	net      *cellNetwork
	program  matrixReceiver
	receiver *exec.Cmd
	dead     bool // the receiver has to be started again

	brief    bool // detections have next to no description
	feed     *os.File
	fed      int
	log      *os.File // of the receiver
	rest     []byte   // of a line that is not complete
	times    []int    // each event was received so often
	received int      // different events
}

func (c *matrixCell) name() string {
	kill := "sender stays"
	if c.killSender {
		kill = "sender killed"
	}
	return strings.Join([]string{c.sender, c.fault.name, c.transport(), kill}, "/")
}

func (c *matrixCell) transport() string {
	if c.tls {
		return "tls"
	}
	return "tcp"
}

// matrixResult is what came of a cell.
type matrixResult struct {
	cell    *matrixCell
	cycles  int
	events  int
	lost    int // missing although later ones arrived
	waiting int // missing at the end, behind the last that arrived: the sender had stopped sending
	repeats int
	took    time.Duration
}

// Bounds of a cell.
const (
	aheadEvents = 20000 // so many more are in the file than have arrived
	cycleEvents = 1000  // so many arrive between two faults
)

// settleTime: nothing arrives for so long, so what is missing is lost. siembridge asks a receiver that never closes for
// a minute whether it confirms.
func (c *matrixCell) settleTime() time.Duration {
	if c.sender == "siembridge" {
		return 3 * time.Minute
	}
	return time.Minute
}

func (c *matrixCell) run(sender matrixSender) matrixResult {
	began := time.Now()
	c.net = newCellNetwork(c.t)
	c.input = filepath.Join(c.dir, "detections.ndjson")
	c.feed = c.open(c.input)
	c.program = matrixReceiver{Log: filepath.Join(c.dir, "received"), Slow: c.fault.slow, Buffer: c.fault.buffer, NeverCloses: c.fault.acknowledge}
	if c.tls {
		c.program.Cert, c.program.Key = filepath.Join(c.dir, "server.pem"), filepath.Join(c.dir, "server-key.pem")
	}
	c.log = c.open(c.program.Log)
	c.receiver = c.program.start(c.t, c.net)
	defer func() { c.kill() }()
	command := sender.prepare(c.t, c)
	c.more()
	process := c.start(command())
	defer func() { c.stop(process) }()

	r := matrixResult{cell: c}
	for r.cycles < *matrixCycles && c.await(c.received+cycleEvents, true) {
		c.pause(200 * time.Millisecond)
		before := c.killSender && rand.N(2) == 0
		if before {
			c.stop(process)
		}
		c.fault.strike(c)
		if c.killSender && !before {
			c.pause(20 * time.Millisecond)
			c.stop(process)
		}
		if c.dead {
			c.receiver, c.dead = c.program.start(c.t, c.net), false
		}
		if c.killSender {
			process = c.start(command())
		}
		r.cycles++
	}
	if r.cycles < *matrixCycles && c.sender == "siembridge" { // of the others it stands in the table
		c.t.Errorf("nothing arrived for %v after %d faults", c.settleTime(), r.cycles)
	}
	c.await(c.fed, false)
	r.events, r.lost, r.waiting, r.took = c.fed, len(c.times)-c.received, c.fed-len(c.times), time.Since(began)
	for _, n := range c.times {
		r.repeats += max(0, n-1)
	}
	c.t.Logf("%d faults, %d events: %d lost, %d not sent, %d repeated, in %v", r.cycles, r.events, r.lost, r.waiting, r.repeats, r.took.Round(time.Second))
	if missing := r.lost + r.waiting; missing > 0 && c.sender == "siembridge" {
		c.t.Errorf("%d of %d events are missing: %s", missing, r.events, c.missing())
	}
	return r
}

// missing names the events that did not arrive.
func (c *matrixCell) missing() string {
	var all []string
	for n := 0; n < c.fed; n++ {
		if n < len(c.times) && c.times[n] > 0 {
			continue
		}
		first := n
		for n+1 < c.fed && (n+1 >= len(c.times) || c.times[n+1] == 0) {
			n++
		}
		all = append(all, fmt.Sprintf("%d to %d", first, n))
	}
	return strings.Join(all, ", ")
}

func (c *matrixCell) open(path string) *os.File {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { f.Close() })
	return f
}

func (c *matrixCell) write(name, text string) (path string) {
	path = filepath.Join(c.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return path
}

// start runs the sender; what it says is kept beside its configuration.
func (c *matrixCell) start(cmd *exec.Cmd) *exec.Cmd {
	out := c.open(filepath.Join(c.dir, "sender.log"))
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	return cmd
}

func (c *matrixCell) stop(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

func (c *matrixCell) kill() { c.end(syscall.SIGKILL) }

func (c *matrixCell) end(s syscall.Signal) {
	if !c.dead {
		_ = c.receiver.Process.Signal(s)
		_ = c.receiver.Wait()
		c.dead = true
	}
}

// pause waits at most so long, at random: faults come at any moment.
func (c *matrixCell) pause(most time.Duration) { c.pauseFor(rand.N(most)) }

func (c *matrixCell) pauseFor(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}

// await waits until so many different events have arrived, and keeps the sender busy meanwhile if feed. It returns
// false when nothing arrives any more.
func (c *matrixCell) await(n int, feed bool) bool {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	last := time.Now()
	for {
		before := c.received
		c.count()
		if c.received >= n {
			return true
		}
		if feed {
			c.more()
		}
		if c.received > before {
			last = time.Now()
		} else if time.Since(last) > c.settleTime() {
			return false
		}
		<-tick.C
	}
}

// more keeps the file ahead of what has arrived.
func (c *matrixCell) more() { c.feedTo(c.received + aheadEvents) }

// feedTo appends detections to the file until it holds n.
func (c *matrixCell) feedTo(n int) {
	var b bytes.Buffer
	sentences := 25
	if c.brief {
		sentences = 1
	}
	for c.fed < n {
		fmt.Fprintf(&b, `{"AlertTime":"2026-11-24T10:00:00.0000000Z","MachineName":"host-%d","AlertTitle":"Suspicious activity","Category":"Malware","Severity":"High","AlertId":"a%09d","Description":"%s"}`+"\n",
			c.fed%50, c.fed, strings.Repeat("What was seen on this machine. ", sentences))
		c.fed++
	}
	if _, err := c.feed.Write(b.Bytes()); err != nil {
		c.t.Fatal(err)
	}
}

// count reads what the receiver has stored since.
func (c *matrixCell) count() {
	text, err := io.ReadAll(c.log)
	if err != nil {
		c.t.Fatal(err)
	}
	c.rest = append(c.rest, text...)
	for {
		line, rest, ok := bytes.Cut(c.rest, []byte("\n"))
		if !ok {
			return
		}
		c.rest = rest
		line = line[max(0, bytes.LastIndexByte(line, 'a')):] // a receiver that was killed while it wrote leaves a piece before it
		n, err := strconv.Atoi(strings.TrimPrefix(string(line), "a"))
		if err != nil || n >= c.fed {
			c.t.Errorf("received %q, which was never sent", line)
			continue
		}
		for len(c.times) <= n {
			c.times = append(c.times, 0)
		}
		if c.times[n]++; c.times[n] == 1 {
			c.received++
		}
	}
}

// matrixResults collects the cells' results.
type matrixResults struct {
	mu  sync.Mutex
	all []matrixResult
}

func (r *matrixResults) add(one matrixResult) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, one)
}

// table is Markdown: a row a fault and transport, for each sender what was lost and repeated.
func (r *matrixResults) table() string {
	names := strings.Split(*matrixNames, ",")
	var b strings.Builder
	b.WriteString("| fault | transport | sender killed too |")
	for _, name := range names {
		b.WriteString(" " + name + ": faults, events | lost | not sent | repeated |")
	}
	b.WriteString("\n|---|---|---|" + strings.Repeat("---|---|---|---|", len(names)) + "\n")
	for _, fault := range matrixFaults {
		for _, secure := range []bool{false, true} {
			for _, kill := range []bool{false, true} {
				cells := slices.DeleteFunc(slices.Clone(r.all), func(x matrixResult) bool {
					return x.cell.fault.name != fault.name || x.cell.tls != secure || x.cell.killSender != kill
				})
				if len(cells) == 0 {
					continue
				}
				slices.SortFunc(cells, func(a, b matrixResult) int {
					return cmp.Compare(slices.Index(names, a.cell.sender), slices.Index(names, b.cell.sender))
				})
				fmt.Fprintf(&b, "| %s | %s | %s |", fault.name, cells[0].cell.transport(), map[bool]string{true: "yes", false: "no"}[kill])
				for _, name := range names {
					i := slices.IndexFunc(cells, func(x matrixResult) bool { return x.cell.sender == name })
					if i < 0 {
						b.WriteString(" | | | |")
						continue
					}
					fmt.Fprintf(&b, " %d, %d | %d | %d | %d |", cells[i].cycles, cells[i].events, cells[i].lost, cells[i].waiting, cells[i].repeats)
				}
				b.WriteString("\n")
			}
		}
	}
	return b.String()
}
