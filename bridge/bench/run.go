package bench

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/siembridge/siembridge/bridge"
	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/delivery"
	"github.com/siembridge/siembridge/bridge/emulator"
	"github.com/siembridge/siembridge/formats/defender"
)

// run is one combination that is measured.
type run struct {
	shape, format, transport, confirm string
	destinations                      int
	input                             input
	disk                              float64 // bytes a second that it syncs
}

// measure runs the daemon over the input, from its start to its end, and counts what arrives.
func (r *run) measure(ctx context.Context, dir string) (got result, err error) {
	state := filepath.Join(dir, "state")
	defer os.RemoveAll(state)
	tlsConfig, caFile, err := r.certificates(dir)
	if err != nil {
		return got, err
	}
	receiver, err := listen(tlsConfig)
	if err != nil {
		return got, err
	}
	defer receiver.Close()
	path := filepath.Join(dir, "siembridge.toml")
	if err := os.WriteFile(path, r.config(state, receiver.address(), caFile), 0o600); err != nil {
		return got, err
	}
	cfg, err := config.Load(path)
	if err != nil {
		return got, err
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
	memory := WatchMemory(daemon.Process.Pid)
	err = daemon.Wait()
	got.wall, got.memory = time.Since(start), memory()
	if err != nil {
		return got, fmt.Errorf("the daemon: %w\n%s", err, log.Bytes())
	}
	got.cpu = daemon.ProcessState.UserTime() + daemon.ProcessState.SystemTime()
	if n, want := receiver.Frames(), int64(r.input.records*r.destinations); n != want {
		return got, fmt.Errorf("%d events arrived of %d", n, want)
	}
	return got, nil
}

func (r *run) certificates(dir string) (server *tls.Config, caFile string, err error) {
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

func (r *run) config(state, address, caFile string) []byte {
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
func (r *run) stages(cfg *config.Config) ([]stage, error) {
	pipeline, err := bridge.NewPipeline(&cfg.Destinations[0], cfg.Sources, "bench")
	if err != nil {
		return nil, err
	}
	pipeline.Metrics = delivery.NewMetrics(prometheus.NewRegistry())
	records := make([]buffer.Record, len(r.input.sample))
	api := defender.Unknown
	read := timePer(len(records)*r.destinations, func() {
		for i, raw := range r.input.sample {
			var id defender.Identity
			api, id, _ = defender.Recognize(api, raw)
			records[i] = buffer.Record{Source: "bench", API: string(api), Key: id.Key, Changed: id.Changed, Pulled: time.Now(), Raw: raw}
		}
	})
	var frames []byte
	renderer := pipeline.Renderer()
	encode := timePer(len(records), func() {
		frames = frames[:0]
		for i := range records {
			frames, _, _ = renderer.Render(frames, &records[i])
		}
	})
	return []stage{{"reading and identifying", read}, {"decoding and encoding", encode}}, nil
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
