package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/siembridge/siembridge/bridge"
	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/delivery"
	"github.com/siembridge/siembridge/bridge/emulator"
	"github.com/siembridge/siembridge/bridge/syslog"
	"github.com/siembridge/siembridge/formats/defender"
)

// benchRun is one combination that is measured.
type benchRun struct {
	shape, format, transport, confirm string
	destinations                      int
	input                             benchInput
	disk                              float64 // bytes a second that it syncs
}

// measure runs the daemon over the input, from its start to its end, and counts what arrives.
func (r *benchRun) measure(ctx context.Context, dir string) (got benchResult, err error) {
	state := filepath.Join(dir, "state")
	defer os.RemoveAll(state)
	tlsConfig, caFile, err := r.certificates(dir)
	if err != nil {
		return got, err
	}
	receiver, err := countFrames(tlsConfig)
	if err != nil {
		return got, err
	}
	defer receiver.close()
	path := filepath.Join(dir, "siembridge.toml")
	if err := os.WriteFile(path, r.config(state, receiver.address(), caFile), 0o600); err != nil {
		return got, err
	}
	cfg, err := config.Load(path)
	if err != nil {
		return got, usageError{err}
	}
	if got.stages, err = r.stages(cfg); err != nil {
		return got, err
	}
	self, err := os.Executable()
	if err != nil {
		return got, err
	}
	in, err := os.Open(r.input.path)
	if err != nil {
		return got, err
	}
	defer in.Close()
	var log bytes.Buffer
	daemon := exec.CommandContext(ctx, self, "run", "--config", path)
	daemon.Stdin, daemon.Stderr = in, &log
	start := time.Now()
	if err := daemon.Start(); err != nil {
		return got, err
	}
	memory := watchMemory(daemon.Process.Pid)
	err = daemon.Wait()
	got.wall, got.memory = time.Since(start), memory()
	if err != nil {
		return got, fmt.Errorf("the daemon: %w\n%s", err, log.Bytes())
	}
	got.cpu = daemon.ProcessState.UserTime() + daemon.ProcessState.SystemTime()
	if n, want := receiver.frames.Load(), int64(r.input.records*r.destinations); n != want {
		return got, fmt.Errorf("%d events arrived of %d", n, want)
	}
	return got, nil
}

func (r *benchRun) certificates(dir string) (server *tls.Config, caFile string, err error) {
	if r.transport != "tls" {
		return nil, "", nil
	}
	ca, err := emulator.NewCA()
	if err != nil {
		return nil, "", err
	}
	caFile = filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(caFile, ca.PEM(), 0o600); err != nil {
		return nil, "", err
	}
	server, err = ca.Server()
	return server, caFile, err
}

func (r *benchRun) config(state, address, caFile string) []byte {
	var text bytes.Buffer
	fmt.Fprintf(&text, "state_dir = %q\n[log]\nlevel = \"warn\"\n[admin]\nlisten = \"\"\n[[source]]\nname = \"bench\"\napi = \"file\"\npath = \"-\"\n", state)
	for i := range r.destinations {
		fmt.Fprintf(&text, "[[destination]]\nname = %q\ntype = \"generic\"\naddress = %q\nformat = %q\ntransport = %q\nheader = \"rfc3164\"\nframing = \"newline\"\nconfirm = %q\n",
			"siem"+strconv.Itoa(i+1), address, r.format, r.transport, r.confirm)
		if caFile != "" {
			fmt.Fprintf(&text, "[destination.tls]\nca_file = %q\nserver_name = \"localhost\"\n", caFile)
		}
	}
	return text.Bytes()
}

// stages times what a record goes through on one core: reading it from a line, and making a frame of it.
func (r *benchRun) stages(cfg *config.Config) ([]benchStage, error) {
	pipeline, err := bridge.NewPipeline(&cfg.Destinations[0], cfg.Sources, "bench")
	if err != nil {
		return nil, err
	}
	pipeline.Metrics = delivery.NewMetrics(prometheus.NewRegistry())
	records := make([]buffer.Record, len(r.input.sample))
	read := timePer(len(records)*r.destinations, func() {
		for i, raw := range r.input.sample {
			api, _, _ := defender.Detect(raw)
			id, _ := defender.Identify(api, raw)
			records[i] = buffer.Record{Source: "bench", API: string(api), Key: id.Key, Changed: id.Changed, Pulled: time.Now(), Raw: raw}
		}
	})
	var frames []byte
	encode := timePer(len(records), func() {
		frames = frames[:0]
		for i := range records {
			frames, _, _ = pipeline.Render(frames, &records[i])
		}
	})
	return []benchStage{{"reading and identifying", read}, {"decoding and encoding", encode}}, nil
}

// timePer returns what each of n parts of f takes at best: others may use the machine meanwhile.
func timePer(n int, f func()) time.Duration {
	best := time.Duration(math.MaxInt64)
	for began := time.Now(); time.Since(began) < 100*time.Millisecond; {
		start := time.Now()
		f()
		best = min(best, time.Since(start))
	}
	return best / time.Duration(n)
}

// frameCounter is a receiver that counts frames, and closes when the sender has.
type frameCounter struct {
	listener net.Listener
	frames   atomic.Int64
	conns    sync.WaitGroup
}

func countFrames(config *tls.Config) (*frameCounter, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	if config != nil {
		l = tls.NewListener(l, config)
	}
	return countFramesOf(l), nil
}

func countFramesOf(l net.Listener) *frameCounter {
	c := &frameCounter{listener: l}
	c.conns.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.conns.Go(func() { c.count(conn) })
		}
	})
	return c
}

func (c *frameCounter) count(conn net.Conn) {
	defer conn.Close()
	block := make([]byte, 256<<10)
	n, err := conn.Read(block)
	if n > 0 && block[0] >= '1' && block[0] <= '9' { // octet counts; siembridge itself sends lines
		c.scan(io.MultiReader(bytes.NewReader(block[:n]), conn))
		return
	}
	for {
		c.frames.Add(int64(bytes.Count(block[:n], []byte{'\n'})))
		if err != nil {
			return
		}
		n, err = conn.Read(block)
	}
}

func (c *frameCounter) scan(r io.Reader) {
	for frames := syslog.NewScanner(r, 0); ; c.frames.Add(1) {
		if _, err := frames.Next(); err != nil {
			return
		}
	}
}

func (c *frameCounter) address() string { return c.listener.Addr().String() }

// close ends the receiver; the senders have ended before.
func (c *frameCounter) close() {
	c.listener.Close()
	c.conns.Wait()
}

// watchMemory looks at a process's anonymous memory until the returned function is called, which tells the most it had.
func watchMemory(pid int) (most func() int64) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	var peak int64
	go func() {
		defer close(stopped)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			peak = max(peak, anonymous(pid))
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	}()
	return func() int64 {
		close(stop)
		<-stopped
		return peak
	}
}

// anonymous returns the bytes of a process that are neither of a file nor shared; 0 where the system does not tell.
func anonymous(pid int) int64 {
	f, err := os.Open("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "RssAnon:")
	value, _, _ := strings.Cut(rest, "kB")
	n, _ := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
	return n * 1024
}
