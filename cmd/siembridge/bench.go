package main

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

	"github.com/spf13/cobra"

	"github.com/siembridge/siembridge/bridge/emulator"
)

func newBenchCommand() *cobra.Command {
	b := &bench{}
	c := &cobra.Command{
		Use:   "bench",
		Short: "Sizes this machine: generated detections through the real pipeline",
		Long: "bench generates detections and runs the daemon over them: read from a file, stored in the buffer (synced), mapped,\n" +
			"delivered to a receiver on this machine and confirmed by its close. For each shape of record, format and transport it\n" +
			"says how many events a second that makes, what they cost and what holds them back. Other programs that would do the job\n" +
			"get the same, where they are installed. The receiver only counts, but it shares the machine. Give --dir a folder on the\n" +
			"disk that state_dir will be on.",
		Example: "  siembridge bench\n  siembridge bench --dir /var/lib/siembridge --formats leef:2.0 --transports tls --count 200000",
		Args:    cobra.NoArgs,
	}
	c.Flags().IntVar(&b.count, "count", 50_000, "records of the SIEM shape in each run; Graph alerts are as many as make up the same bytes")
	c.Flags().StringVar(&b.dir, "dir", "", "folder for the buffer; default: the system's for temporary files")
	c.Flags().StringSliceVar(&b.shapes, "shapes", []string{"detections", "graph-alerts"}, "kinds of records: detections, alerts, graph-alerts")
	c.Flags().StringSliceVar(&b.formats, "formats", []string{"leef:2.0", "cef:0", "json"}, "formats of the destination")
	c.Flags().StringSliceVar(&b.transports, "transports", []string{"tcp", "tls"}, "tcp, tls")
	c.Flags().IntSliceVar(&b.destinations, "destinations", []int{1}, "how many destinations get every event")
	c.Flags().StringSliceVar(&b.confirm, "confirm", []string{"close"}, "close, ack")
	c.Flags().StringSliceVar(&b.peers, "peers", peerNames(), "other programs that get the same detections, where CEF is among the formats and they are installed; \"\": none")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if b.count < 1 {
			return usageError{fmt.Errorf("--count: at least 1, not %d", b.count)}
		}
		for _, name := range b.peers {
			if !slices.Contains(peerNames(), name) {
				return usageError{fmt.Errorf("--peers: %q is not one of %s", name, strings.Join(peerNames(), ", "))}
			}
		}
		return b.run(c.Context(), c.OutOrStdout())
	}
	return c
}

// bench is one call of the command.
type bench struct {
	count        int
	dir          string
	shapes       []string
	formats      []string
	transports   []string
	destinations []int
	confirm      []string
	peers        []string
}

func (b *bench) run(ctx context.Context, out io.Writer) (err error) {
	dir, err := os.MkdirTemp(b.dir, "siembridge-bench-")
	if err != nil {
		return usageError{err}
	}
	defer os.RemoveAll(dir)
	disk, err := syncRate(dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d cores, %s/%s; the disk syncs %.0f MB/s in steps of 1 MiB\n\n", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, disk/1e6)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "shape\tformat\ttransport\tconfirm\tdestinations\trecords\tbytes each\tevents/s\tMB/s\tCPU s per 100,000\tpeak MB\tbottleneck\t")
	var compared benchInput       // what the peers are given, too
	rates := map[string]float64{} // by which siembridge sent it as CEF to the first destination, by transport
	for _, shape := range b.shapes {
		input, err := b.generate(dir, shape)
		if err != nil {
			return err
		}
		for _, run := range b.runs() {
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
	if err := w.Flush(); err != nil || len(rates) == 0 || len(b.peers) == 0 {
		return err
	}
	return b.peerTable(ctx, out, dir, compared, rates)
}

// runs is every combination that was asked for.
func (b *bench) runs() (all []benchRun) {
	for _, format := range b.formats {
		for _, transport := range b.transports {
			for _, confirm := range b.confirm {
				for _, n := range b.destinations {
					all = append(all, benchRun{format: format, transport: transport, confirm: confirm, destinations: n})
				}
			}
		}
	}
	return all
}

// benchInput is a file of records, one a line.
type benchInput struct {
	path           string
	records, bytes int
	sample         [][]byte // some of them
}

// typicalSIEM is about how long a record of the SIEM shape is.
const typicalSIEM = 1700

// generate writes the records of a shape.
func (b *bench) generate(dir, shape string) (in benchInput, err error) {
	if shape != "detections" && shape != "alerts" && shape != "graph-alerts" {
		return in, usageError{fmt.Errorf("--shapes: %q is not one of detections, alerts, graph-alerts", shape)}
	}
	in.path = filepath.Join(dir, shape+".ndjson")
	f, err := os.Create(in.path)
	if err != nil {
		return in, err
	}
	generator, start := emulator.NewGenerator(1, false), time.Now().Add(-time.Hour)
	var text bytes.Buffer
	for in.records < b.count && in.bytes < b.count*typicalSIEM {
		record := generator.Record(shape, start.Add(time.Duration(in.records)*time.Millisecond)).JSON()
		if in.records < 200 {
			in.sample = append(in.sample, record)
		}
		text.Write(record)
		text.WriteByte('\n')
		in.records++
		in.bytes += len(record)
		if text.Len() > 1<<20 {
			if _, err := text.WriteTo(f); err != nil {
				return in, err
			}
		}
	}
	if _, err := text.WriteTo(f); err != nil {
		return in, err
	}
	return in, f.Close()
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

// benchResult is what one run took.
type benchResult struct {
	wall, cpu time.Duration
	memory    int64 // bytes of anonymous memory at most; 0: the system does not tell
	stages    []benchStage
}

func (r *benchResult) peak() string {
	if r.memory == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f", float64(r.memory)/1e6)
}

// benchStage is what one stage takes of a core for one event.
type benchStage struct {
	name string
	time time.Duration
}

// bottleneck names what holds a run back.
func (r *benchRun) bottleneck(got benchResult) string {
	events := float64(r.input.records * r.destinations)
	cores := got.cpu.Seconds() / got.wall.Seconds()
	if written := float64(r.input.bytes) / got.wall.Seconds(); written > r.disk/2 {
		return fmt.Sprintf("disk: %.0f%% of what it can sync", 100*written/r.disk)
	}
	rest := benchStage{"buffer and network", got.cpu / time.Duration(events)}
	most := benchStage{}
	for _, s := range got.stages {
		rest.time -= s.time
		if s.time > most.time {
			most = s
		}
	}
	if rest.time > most.time {
		most = rest
	}
	// A stage is timed by the clock: where others use the machine, it may seem to take more than there was.
	most.time = min(most.time, time.Duration(float64(got.cpu)/events))
	what := fmt.Sprintf("%s (%.1f of %.1f us CPU an event)", most.name, float64(most.time.Nanoseconds())/1e3, got.cpu.Seconds()*1e6/events)
	if cores > 0.6*float64(runtime.NumCPU()) {
		return "CPU: " + what
	}
	return fmt.Sprintf("waiting (%.1f cores busy); then %s", cores, what)
}
