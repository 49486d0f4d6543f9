package bench

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/siembridge/siembridge/bridge/bench/peers"
)

// peerTable runs the programs that are installed over the same detections and holds them against siembridge, which got
// so many events a second over each transport.
func (o *Options) peerTable(ctx context.Context, out io.Writer, dir string, in input, own map[string]float64) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(out, "\nwhat else would do it, with the same %d detections as CEF:\n\n", in.records)
	fmt.Fprintln(w, "program\ttransport\tarrived\tevents/s\tCPU s per 100,000\tpeak MB\tsiembridge's rate to its\t")
	notes := ""
	for _, p := range peers.Programs {
		binary := p.Installed()
		switch {
		case !slices.Contains(o.Peers, p.Name):
			continue
		case binary == "":
			notes += fmt.Sprintf("%s: not installed\n", p.Name)
			continue
		}
		for _, transport := range o.Transports {
			r := run{format: "cef:0", transport: transport, input: in}
			got, arrived, err := r.measurePeer(ctx, dir, p, binary)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				notes += fmt.Sprintf("%s, %s: %v\n", p.Name, transport, err)
				continue
			}
			rate := float64(arrived) / got.wall.Seconds()
			fmt.Fprintf(w, "%s\t%s\t%d\t%.0f\t%.2f\t%s\t%.2f\t\n", p.Name, transport, arrived, rate,
				got.cpu.Seconds()/float64(in.records)*100_000, got.peak(), own[transport]/cmp.Or(rate, 1))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprint(out, notes)
	return err
}

// patience is for how long nothing more arrives when a program that does not end by itself has done all that it will.
const patience = 30 * time.Second

// measurePeer runs a program until all events have arrived, or no more do.
func (r *run) measurePeer(ctx context.Context, dir string, p peers.Program, binary string) (got result, arrived int64, err error) {
	s := peers.Setup{Dir: filepath.Join(dir, "state"), Input: r.input.path}
	if err := os.Mkdir(s.Dir, 0o700); err != nil {
		return got, 0, err
	}
	defer os.RemoveAll(s.Dir)
	tlsConfig, caFile, err := r.certificates(dir)
	if err != nil {
		return got, 0, err
	}
	receiver, err := listen(tlsConfig)
	if err != nil {
		return got, 0, err
	}
	defer receiver.Close()
	s.CA = caFile
	if _, s.Port, err = net.SplitHostPort(receiver.address()); err != nil {
		return got, 0, err
	}
	cmd, err := p.Command(s, binary)
	if err != nil {
		return got, 0, err
	}
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return got, 0, err
	}
	memory := WatchMemory(cmd.Process.Pid)
	enough := int64(r.input.records)
	if p.Ends {
		enough = math.MaxInt64
	}
	arrived, last, err := await(ctx, cmd, receiver, enough)
	got.memory, got.cpu = memory(), cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()
	if err != nil {
		return got, 0, fmt.Errorf("%w\n%s", err, log.Bytes())
	}
	receiver.Close() // what is under way
	if n := receiver.Frames(); n != arrived {
		arrived, last = n, time.Now()
	}
	got.wall = last.Sub(start)
	return got, arrived, nil
}

// await waits until a program ends, and stops it when enough has arrived or nothing more does. It returns how much there
// was and when the last of it was seen; the error is that of a program that ended by itself.
func await(ctx context.Context, cmd *exec.Cmd, receiver *Receiver, enough int64) (arrived int64, last time.Time, err error) {
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	last = time.Now()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err = <-ended:
			return arrived, last, err
		case <-tick.C:
			if n := receiver.Frames(); n != arrived {
				arrived, last = n, time.Now()
			}
			if arrived >= enough || time.Since(last) > patience || ctx.Err() != nil {
				_ = cmd.Process.Signal(syscall.SIGTERM)
				kill := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
				<-ended
				kill.Stop()
				return arrived, last, nil
			}
		}
	}
}
