package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"github.com/spf13/cobra"

	"github.com/siembridge/siembridge/bridge"
	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/emulator"
)

// demoOptions are the flags of the demo.
type demoOptions struct {
	count int
	rate  float64
	seed  uint64
	chaos bool
	keep  bool
}

// demoTime is how long the demo waits for the last record.
const demoTime = 2 * time.Minute

func newDemoCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "demo",
		Short: "The whole pipeline on this machine: no tenant, no SIEM, no configuration",
		Long: "demo emulates a Microsoft tenant (paging, throttling, late and repeated records), a QRadar (LEEF over TLS) and an\n" +
			"ArcSight (CEF over TCP) on loopback and runs the real pipeline between them. It shows events as received and\n" +
			"ends with what was pulled and delivered. The exit code is 0 only if every record arrived exactly once and parsed.",
		Example: "  siembridge demo\n  siembridge demo --count 5000 --chaos --seed 7",
		Args:    cobra.NoArgs,
	}
	var o demoOptions
	c.Flags().IntVar(&o.count, "count", 900, "records in the tenant")
	c.Flags().Float64Var(&o.rate, "rate", 0, "records a second that appear while it runs; 0: all are there at the start, a tenth late")
	c.Flags().Uint64Var(&o.seed, "seed", 1, "what the records and faults are drawn from")
	c.Flags().BoolVar(&o.chaos, "chaos", false, "faults at both ends: broken answers, and receivers that are killed; records may arrive twice then, but none is lost")
	c.Flags().BoolVar(&o.keep, "keep", false, "keep the folder with configuration and state, and say where it is")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if o.count < 1 || o.count > 1_000_000 {
			return usageError{fmt.Errorf("--count: from 1 to 1000000, not %d", o.count)}
		}
		if o.rate < 0 {
			return usageError{fmt.Errorf("--rate: at least 0, not %g", o.rate)}
		}
		return runDemo(c.Context(), o, c.OutOrStdout())
	}
	return c
}

// demo is one run of the demo.
type demo struct {
	o      demoOptions
	out    io.Writer
	dir    string
	tenant *emulator.Tenant
	siems  []*demoSIEM
	late   int
	kills  *rand.Rand // which receiver dies next, with --chaos
}

func runDemo(ctx context.Context, o demoOptions, out io.Writer) error {
	dir, err := os.MkdirTemp("", "siembridge-demo-")
	if err != nil {
		return err
	}
	if o.keep {
		fmt.Fprintln(out, "kept:", dir)
	} else {
		defer os.RemoveAll(dir)
	}
	d := &demo{o: o, out: out, dir: dir, tenant: emulator.NewTenant(o.seed), kills: rand.New(rand.NewPCG(o.seed, 0xdead))}
	fmt.Fprintln(out, "An emulated Microsoft tenant, an emulated QRadar (LEEF over TLS) and an emulated ArcSight (CEF over TCP) on this machine.")
	d.fill()
	server, err := d.serve()
	if err != nil {
		return err
	}
	defer server.Close()
	ca, err := emulator.NewCA()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), ca.PEM(), 0o600); err != nil {
		return err
	}
	secure, err := ca.Server()
	if err != nil {
		return err
	}
	for _, s := range []*demoSIEM{{name: "qradar", key: "alertId", tls: secure}, {name: "arcsight", key: "externalId"}} {
		if err := s.listen(); err != nil {
			return err
		}
		defer s.receiver.Close()
		d.siems = append(d.siems, s)
	}
	cfg, err := d.config(server.Addr)
	if err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	b, err := bridge.New(cfg, bridge.Options{Logger: slog.New(slog.NewTextHandler(log, nil)), Version: buildVersion()})
	if err != nil {
		return err
	}
	return d.run(ctx, b)
}

// apis of the demo, each with a third of the records.
var demoAPIs = []string{"graph-alerts", "alerts", "detections"}

// fill puts the records into the tenant: changed within the last 20 minutes, a tenth of them visible late, as
// Microsoft's are: within the lookback.
func (d *demo) fill() {
	random := rand.New(rand.NewPCG(d.o.seed, 0xde30))
	generator := emulator.NewGenerator(d.o.seed, true)
	now := time.Now()
	at := now.Add(-20 * time.Minute)
	for i := range d.o.count {
		if i%7 == 0 { // seven records to one time
			at = at.Add(min(time.Second, 19*time.Minute/time.Duration(d.o.count/7+1)))
		}
		r := generator.Record(demoAPIs[i%len(demoAPIs)], at)
		switch {
		case d.o.rate > 0:
			r.Visible = now.Add(time.Duration(float64(i) / d.o.rate * float64(time.Second)))
		case random.IntN(10) == 0:
			d.late++
			r.Visible = now.Add(time.Duration(random.IntN(2500)) * time.Millisecond)
		}
		d.tenant.Add(demoAPIs[i%len(demoAPIs)], r)
	}
	faults := emulator.Faults{TooMany: 0.05, RetryAfter: time.Second}
	if d.o.chaos {
		faults = emulator.Faults{TooMany: 0.05, Unavailable: 0.05, Unauthorized: 0.03, Reset: 0.03, Truncated: 0.05, HTML: 0.02, RetryAfter: time.Second}
	}
	d.tenant.SetFaults(faults)
}

// serve answers as the tenant on loopback.
func (d *demo) serve() (*http.Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &http.Server{Handler: d.tenant, Addr: l.Addr().String(), ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	go func() { _ = s.Serve(l) }() // ended by Close
	return s, nil
}

var demoConfig = template.Must(template.New("demo").Parse(`state_dir = {{printf "%q" .Dir}}

[admin]
listen = ""
{{range .APIs}}
[[source]]
name          = "{{.Name}}"
api           = "{{.Name}}"
endpoint      = "{{.Endpoint}}"
token_url     = "{{.TokenURL}}"
tenant_id     = "{{.Tenant}}"
client_id     = "{{.Client}}"
client_secret = {{printf "%q" .Secret}}
start         = "-2h"
poll_interval = "1s"
requests_per_minute = 6000
{{end}}
[[destination]]
name    = "qradar"
type    = "qradar"
address = "{{.QRadar}}"
  [destination.tls]
  ca_file = {{printf "%q" .CA}}

[[destination]]
name      = "arcsight"
type      = "arcsight"
address   = "{{.ArcSight}}"
transport = "tcp"
`))

// config writes the demo's configuration and reads it as any other.
func (d *demo) config(address string) (*config.Config, error) {
	type api struct{ Name, Endpoint, TokenURL, Tenant, Client, Secret string }
	values := struct {
		Dir, QRadar, ArcSight, CA string
		APIs                      []api
	}{filepath.Join(d.dir, "state"), d.siems[0].receiver.Address(), d.siems[1].receiver.Address(), filepath.Join(d.dir, "ca.pem"), nil}
	for _, name := range demoAPIs {
		values.APIs = append(values.APIs, api{name, "http://" + address + emulator.Endpoint(name), "http://" + address + d.tenant.TokenPath(name),
			d.tenant.ID, d.tenant.ClientID, d.tenant.Secret})
	}
	var text bytes.Buffer
	if err := demoConfig.Execute(&text, values); err != nil {
		return nil, err
	}
	path := filepath.Join(d.dir, "siembridge.toml")
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		return nil, err
	}
	return config.Load(path)
}

// run runs the pipeline until everything arrived, or time is up.
func (d *demo) run(ctx context.Context, b *bridge.Bridge) error {
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- b.Run(running) }()

	progress := newProgress(d.out)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(demoTime)
	begun := time.Now()
	kill := time.Now().Add(time.Second)
wait:
	for {
		select {
		case <-tick.C:
			progress.show(fmt.Sprintf("%d records: %d at qradar, %d at arcsight, %s", d.o.count, d.siems[0].arrived(), d.siems[1].arrived(),
				time.Since(begun).Round(100*time.Millisecond)))
			if d.o.chaos && time.Now().After(kill) {
				s := d.siems[d.kills.IntN(len(d.siems))]
				s.receiver.Kill()
				s.killed++
				kill = time.Now().Add(700 * time.Millisecond)
			}
			if d.siems[0].arrived() >= d.o.count && d.siems[1].arrived() >= d.o.count {
				break wait
			}
		case <-deadline:
			break wait
		case <-ctx.Done():
			break wait
		case err := <-ended:
			progress.clear()
			return fmt.Errorf("the bridge ended before everything arrived: %w", err)
		}
	}
	stop()
	err := <-ended
	progress.clear()
	if err != nil {
		return err
	}
	return d.report(b)
}

// report shows events as received and the counts.
func (d *demo) report(b *bridge.Bridge) error {
	for _, s := range d.siems {
		s.show(d.out)
	}
	pulled := uint64(0)
	for _, s := range b.Status().Sources {
		pulled += s.Pulled
	}
	fmt.Fprintf(d.out, "\n%d of the records appeared late, one title in three was made to break parsers.", d.late)
	fmt.Fprintf(d.out, " The tenant answered: %s.\n", answers(d.tenant.Served()))
	if d.o.chaos {
		fmt.Fprintf(d.out, "Receivers killed: qradar %d times, arcsight %d times. What they may not have read was sent again, so records may arrive twice.\n",
			d.siems[0].killed, d.siems[1].killed)
	}
	failed := pulled != uint64(d.o.count)
	for _, s := range d.siems {
		missing, repeated := d.o.count-s.arrived(), s.repeated
		if missing > 0 || s.malformed > 0 || repeated > 0 {
			fmt.Fprintf(d.out, "%s: %d missing, %d repeated, %d malformed\n", s.name, missing, repeated, s.malformed)
		}
		failed = failed || missing != 0 || s.malformed > 0 || repeated > 0 && !d.o.chaos
	}
	fmt.Fprintf(d.out, "pulled %d, delivered %d to qradar, %d to arcsight\n", pulled, d.siems[0].arrived(), d.siems[1].arrived())
	if failed {
		return quietFailure{}
	}
	return nil
}

func answers(served map[int]int) string {
	var parts []string
	for _, status := range []int{200, 400, 401, 429, 503} {
		if n := served[status]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d times %d", n, status))
		}
	}
	return strings.Join(parts, ", ")
}
