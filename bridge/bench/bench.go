// Package bench sizes a machine: generated records through the real daemon, per shape, format and transport, and what
// holds them back.
package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/siembridge/siembridge/bridge/bench/peers"
	"github.com/siembridge/siembridge/bridge/config"
)

// Options say what is measured: every combination of what the lists have.
type Options struct {
	Count        int      // records of the SIEM shape in each run; of others as many as make up the same bytes
	Dir          string   // folder for the buffer; "": the system's for temporary files
	Shapes       []string // kinds of records, by their API
	Formats      []string // of the destination
	Transports   []string // tcp, tls
	Destinations []int    // how many get every event
	Confirm      []string // close, ack
	Peers        []string // other programs that get the same records (package peers)
}

// shapes are the kinds of records that there are.
var shapes = []string{"detections", "alerts", "graph-alerts"}

// Check returns what is wrong with the options.
func (o *Options) Check() error {
	if o.Count < 1 {
		return fmt.Errorf("--count: at least 1, not %d", o.Count)
	}
	if info, err := os.Stat(o.Dir); o.Dir != "" && (err != nil || !info.IsDir()) {
		return fmt.Errorf("--dir: there is no folder %s", o.Dir)
	}
	for _, list := range []struct {
		flag          string
		given, values []string
	}{{"shapes", o.Shapes, shapes}, {"formats", o.Formats, config.Formats()}, {"transports", o.Transports, config.Values("destination.transport")},
		{"confirm", o.Confirm, config.Values("destination.confirm")}, {"peers", o.Peers, peers.Names()}} {
		for _, given := range list.given {
			if !slices.Contains(list.values, given) {
				return fmt.Errorf("--%s: %q is not one of %s", list.flag, given, strings.Join(list.values, ", "))
			}
		}
	}
	for _, n := range o.Destinations {
		if n < 1 {
			return fmt.Errorf("--destinations: at least 1, not %d", n)
		}
	}
	return nil
}

// Run measures, and writes the table to out.
func Run(ctx context.Context, o Options, out io.Writer) error {
	dir, err := os.MkdirTemp(o.Dir, "siembridge-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	disk, err := syncRate(dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d cores, %s/%s; the disk syncs %.0f MB/s in steps of 1 MiB\n\n", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, disk/1e6)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "shape\tformat\ttransport\tconfirm\tdestinations\trecords\tbytes each\tevents/s\tMB/s\tCPU s per 100,000\tpeak MB\tbottleneck\t")
	var compared input            // what the peers are given, too
	rates := map[string]float64{} // by which siembridge sent it as CEF to the first destination, by transport
	for _, shape := range o.Shapes {
		input, err := o.generate(dir, shape)
		if err != nil {
			return err
		}
		for _, run := range o.runs() {
			run.shape, run.input, run.disk = shape, input, disk
			result, err := run.measure(ctx, dir)
			if err != nil {
				return fmt.Errorf("%s, %s, %s: %w", shape, run.format, run.transport, err)
			}
			seconds := result.wall.Seconds()
			if shape == "detections" && strings.HasPrefix(run.format, "cef") && rates[run.transport] == 0 {
				compared, rates[run.transport] = input, float64(input.records)/seconds
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%.0f\t%.1f\t%.2f\t%s\t%s\t\n", shape, run.format, run.transport, run.confirm, run.destinations, input.records,
				input.bytes/input.records, float64(input.records*run.destinations)/seconds, float64(input.bytes)/1e6/seconds,
				result.cpu.Seconds()/float64(input.records*run.destinations)*100_000, result.peak(), run.bottleneck(result))
		}
	}
	if err := w.Flush(); err != nil || len(rates) == 0 || len(o.Peers) == 0 {
		return err
	}
	return o.peerTable(ctx, out, dir, compared, rates)
}

// runs is every combination that was asked for.
func (o *Options) runs() (all []run) {
	for _, format := range o.Formats {
		for _, transport := range o.Transports {
			for _, confirm := range o.Confirm {
				for _, n := range o.Destinations {
					all = append(all, run{format: format, transport: transport, confirm: confirm, destinations: n})
				}
			}
		}
	}
	return all
}

// syncRate tells how many bytes a second the disk takes when each mebibyte is synced.
func syncRate(dir string) (float64, error) {
	f, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	const rounds = 32
	block := bytes.Repeat([]byte("siembridge"), 1<<20/10)
	start := time.Now()
	for range rounds {
		if _, err := f.Write(block); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
	}
	return float64(rounds*len(block)) / time.Since(start).Seconds(), os.Remove(f.Name())
}
