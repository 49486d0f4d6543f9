//go:build peers

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/bench"
	"github.com/siembridge/siembridge/bridge/emulator"
)

// TestGrowthRecords tells what a backlog costs by the records in it, from 10^4 by tens up to -count: storing them while
// the SIEM is away, and then starting anew and draining them. Records are of the SIEM shape, each a key of its own, and
// are made while they are stored. 10^7 take 20 GB of disk; give -dir a folder on the disk that is meant.
func TestGrowthRecords(t *testing.T) {
	t.Logf("| records | store: CPU s per 100,000, rate, peak RssAnon MB | log, index: bytes a record | start to first event | drain: CPU s per 100,000, rate, peak RssAnon MB |")
	for n := 10_000; n <= *peersCount; n *= 10 {
		g := newGrowth(t)
		stored := g.store(n)
		log, index := g.disk("log"), g.disk("index.db")
		drained, first := g.drain(n)
		t.Logf("| %d | %s | %d, %d | %v | %s |", n, stored.row(n), log/int64(n), index/int64(n), first.Round(time.Millisecond), drained.row(n))
		if err := os.RemoveAll(g.dir); err != nil {
			t.Fatal(err)
		}
	}
}

// TestGrowthSize tells what a record costs by its length: read, stored, sent and confirmed, 128 MB of each length. What is
// long is one value, of which an event takes as much as its key may have.
func TestGrowthSize(t *testing.T) {
	const total = 128 << 20
	t.Logf("| bytes of a record | CPU ms per MB, MB/s | CPU us per record, records/s | peak RssAnon MB |")
	for size := 1 << 10; size <= 1<<20; size *= 4 {
		g, n := newGrowth(t), total/size
		receiver := g.listen()
		u := g.run(g.pipe(func(w io.Writer) { writeSized(w, n, size) }), func(*os.Process, time.Time, <-chan struct{}) {})
		receiver.Close()
		if got := receiver.Frames(); got != int64(n) {
			t.Fatalf("%d events arrived of %d", got, n)
		}
		t.Logf("| %d | %.2f, %.0f | %.1f, %.0f | %.0f |", size, u.cpu.Seconds()*1e3/total*1e6, total/1e6/u.wall.Seconds(),
			u.cpu.Seconds()*1e6/float64(n), float64(n)/u.wall.Seconds(), float64(u.memory)/1e6)
		if err := os.RemoveAll(g.dir); err != nil {
			t.Fatal(err)
		}
	}
}

// writeSized writes n detections of a length.
func writeSized(w io.Writer, n, size int) {
	const text = `{"AlertId":"da%018d_1000000000","FullId":"da%018d_1000000000:1","AlertTime":"2026-01-02T03:04:05.6789Z","LastProcessedTimeUtc":"2026-01-02T03:04:05.6789Z",` +
		`"AlertTitle":"A suspicious file was observed","Category":"Malware","Severity":"Medium","MachineName":"ws-0001","ComputerDnsName":"ws-0001.corp.example.org",` +
		`"LinkToWDATP":"https://securitycenter.windows.com/alert/da1","FileName":"invoice.exe","Sha1":"3ea7cc066317ac45f963c2227c4c7c50aa16eb7c","CommandLine":"%s"}`
	out := bufio.NewWriterSize(w, 64<<10)
	rest := strings.Repeat("powershell.exe -c x ", size/20+1)[:size-len(fmt.Sprintf(text, 0, 0, ""))-1]
	for i := range n {
		fmt.Fprintf(out, text+"\n", i, i, rest)
	}
	_ = out.Flush() // the daemon may have failed
}

// TestGrowthEvidence tells what a piece of evidence costs by how many an alert has, 50,000 of them each time, with an event
// for each alert and with one for each piece.
func TestGrowthEvidence(t *testing.T) {
	const total = 50_000
	t.Logf("| events | pieces of an alert | bytes a piece | CPU us per piece, pieces/s | peak RssAnon MB |")
	for _, mode := range []string{"alert", "evidence"} {
		for pieces := 1; pieces <= 1000; pieces *= 10 {
			g, n := newGrowth(t), total/pieces
			g.set("api = \"file\"", fmt.Sprintf("api = \"file\"\nevents = %q", mode))
			want, written := int64(n), &counted{}
			if mode == "evidence" {
				want = total
			}
			receiver := g.listen()
			u := g.run(g.pipe(func(w io.Writer) { written.Writer = w; writeEvidence(written, n, pieces) }), func(*os.Process, time.Time, <-chan struct{}) {})
			receiver.Close()
			if got := receiver.Frames(); got != want {
				t.Fatalf("%d events arrived of %d", got, want)
			}
			t.Logf("| %s | %d | %d | %.1f, %.0f | %.0f |", mode, pieces, written.bytes/total, u.cpu.Seconds()*1e6/total, total/u.wall.Seconds(), float64(u.memory)/1e6)
			if err := os.RemoveAll(g.dir); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// counted counts what is written.
type counted struct {
	io.Writer
	bytes int
}

func (c *counted) Write(b []byte) (int, error) {
	c.bytes += len(b)
	return c.Writer.Write(b)
}

// writeEvidence writes n alerts that have so many pieces of evidence each, no two of them alike.
func writeEvidence(w io.Writer, n, pieces int) {
	out := bufio.NewWriterSize(w, 64<<10)
	for i := range n {
		fmt.Fprintf(out, `{"id":"da%018d_1000000000","incidentId":7,"severity":"Medium","status":"New","category":"Malware","title":"A suspicious file was observed",`+
			`"alertCreationTime":"2026-01-02T03:04:05.6789Z","lastUpdateTime":"2026-01-02T03:04:05.6789Z","machineId":"m1","computerDnsName":"ws-0001.corp.example.org","evidence":[`, i)
		for j := range pieces {
			if j > 0 {
				out.WriteByte(',')
			}
			fmt.Fprintf(out, `{"entityType":"File","evidenceCreationTime":"2026-01-02T03:04:05.6789Z","sha1":"%040x","sha256":null,"fileName":"invoice%04d.exe",`+
				`"filePath":"C:\\Users\\Public\\Downloads","processId":null,"processCommandLine":null,"ipAddress":null,"url":null,"accountName":null,"detectionStatus":"Detected"}`, j, j)
		}
		out.WriteString("]}\n")
	}
	_ = out.Flush() // the daemon may have failed
}

// growth is a daemon that reads records from standard input.
type growth struct {
	t             *testing.T
	dir, config   string
	siem, metrics string // addresses
}

func newGrowth(t *testing.T) *growth {
	dir, err := os.MkdirTemp(*peersDir, "siembridge-growth-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	g := &growth{t: t, dir: dir, config: filepath.Join(dir, "siembridge.toml"), siem: freeAddress(t), metrics: freeAddress(t)}
	text := fmt.Sprintf("state_dir = %q\n[log]\nlevel = \"error\"\n[admin]\nlisten = %q\n[buffer]\nmax_size = \"100GiB\"\n[[source]]\nname = \"file\"\napi = \"file\"\npath = \"-\"\n"+
		"[[destination]]\nname = \"siem\"\ntype = \"generic\"\nformat = \"cef:0\"\nheader = \"rfc3164\"\nframing = \"newline\"\ntransport = \"tcp\"\naddress = %q\n",
		filepath.Join(dir, "state"), g.metrics, g.siem)
	if err := os.WriteFile(g.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return g
}

// set replaces a part of the configuration.
func (g *growth) set(old, with string) {
	text, err := os.ReadFile(g.config)
	if err != nil {
		g.t.Fatal(err)
	}
	if err := os.WriteFile(g.config, bytes.Replace(text, []byte(old), []byte(with), 1), 0o600); err != nil {
		g.t.Fatal(err)
	}
}

// turn is what one run of the daemon took.
type turn struct {
	cpu, wall time.Duration
	memory    int64
}

func (u turn) row(n int) string {
	return fmt.Sprintf("%.2f, %.0f/s, %.0f", u.cpu.Seconds()*100_000/float64(n), float64(n)/u.wall.Seconds(), float64(u.memory)/1e6)
}

// run runs the daemon over what is written, until it ends or is ended by during. Its log says nothing but errors, of
// which the SIEM that is away is none.
func (g *growth) run(in *os.File, during func(p *os.Process, start time.Time, ended <-chan struct{})) (u turn) {
	cmd := exec.CommandContext(g.t.Context(), buildBinary(g.t), "run", "--config", g.config)
	var log bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, &log, &log
	start := time.Now()
	if err := cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	memory := bench.WatchMemory(cmd.Process.Pid)
	var err error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err = cmd.Wait()
	}()
	during(cmd.Process, start, ended)
	<-ended
	u = turn{cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), wall: time.Since(start), memory: memory()}
	if err != nil {
		g.t.Fatalf("%v\n%s", err, log.Bytes())
	}
	return u
}

var pendingMetric = regexp.MustCompile(`(?m)^siembridge_buffer_records\{destination="siem"\} (\S+)$`)

// pipe is an input that is written while it is read.
func (g *growth) pipe(write func(w io.Writer)) *os.File {
	r, w, err := os.Pipe()
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { r.Close() })
	go func() {
		defer w.Close()
		write(w)
	}()
	return r
}

// listen is the SIEM, which only counts.
func (g *growth) listen() *bench.Receiver {
	l, err := net.Listen("tcp", g.siem)
	if err != nil {
		g.t.Fatal(err)
	}
	return bench.Receive(l)
}

// store has n records stored; nobody listens.
func (g *growth) store(n int) turn {
	var stored time.Duration
	u := g.run(g.pipe(func(w io.Writer) { writeDetections(w, n) }), func(p *os.Process, start time.Time, ended <-chan struct{}) {
		for done := false; !done; {
			select {
			case <-ended:
				return // with an error
			case <-time.After(max(10*time.Millisecond, time.Since(start)/50)): // more often it would take a good part of the CPU
			}
			answer, err := http.Get("http://" + g.metrics + "/metrics")
			if err != nil {
				continue // not up yet
			}
			text, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			m := pendingMetric.FindSubmatch(text)
			done = m != nil && string(m[1]) == fmt.Sprintf("%g", float64(n))
		}
		stored = time.Since(start)
		_ = p.Signal(syscall.SIGTERM)
	})
	u.wall = stored
	return u
}

// drain starts the daemon anew, with a SIEM that listens and nothing to pull.
func (g *growth) drain(n int) (u turn, first time.Duration) {
	receiver := g.listen()
	defer receiver.Close()
	none, err := os.Open(os.DevNull)
	if err != nil {
		g.t.Fatal(err)
	}
	defer none.Close()
	u = g.run(none, func(_ *os.Process, start time.Time, _ <-chan struct{}) {
		ctx, cancel := context.WithTimeout(g.t.Context(), time.Minute)
		defer cancel()
		for receiver.Frames() == 0 && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		first = time.Since(start)
	})
	if got := receiver.Frames(); got != int64(n) {
		g.t.Fatalf("%d events arrived of %d", got, n)
	}
	return u, first
}

// disk returns the bytes of a file or folder of the buffer.
func (g *growth) disk(name string) (size int64) {
	err := filepath.WalkDir(filepath.Join(g.dir, "state", "buffer", name), func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	if err != nil {
		g.t.Fatal(err)
	}
	return size
}

// writeDetections writes n records of the SIEM shape that differ in their ids; a thousand differ in the rest.
func writeDetections(w io.Writer, n int) {
	generator, out := emulator.NewGenerator(1, false), bufio.NewWriterSize(w, 64<<10)
	var pieces [][]string
	for range 1000 {
		r := generator.Record("detections", time.Now().Add(-time.Hour))
		pieces = append(pieces, strings.Split(string(r.JSON())+"\n", r.ID))
	}
	for i := range n {
		id := fmt.Sprintf("da%018d_%d", i, 1_000_000_000+i)
		for j, piece := range pieces[i%len(pieces)] {
			if j > 0 {
				out.WriteString(id)
			}
			out.WriteString(piece)
		}
	}
	_ = out.Flush() // the daemon may have failed
}
