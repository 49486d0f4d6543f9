// Package demo shows the whole on one machine: an emulated Microsoft tenant, an emulated QRadar and an emulated ArcSight
// on loopback, and the real pipeline between them.
package demo

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/siembridge/siembridge/bridge"
	"github.com/siembridge/siembridge/bridge/emulator"
)

// Options are what a demo is told.
type Options struct {
	Count   int     // records in the tenant, from 1 to 1,000,000
	Rate    float64 // records a second that appear while it runs; 0: all are there at the start, a tenth late
	Seed    uint64  // what the records and faults are drawn from
	Chaos   bool    // faults at both ends: records may arrive twice, and none is lost
	Keep    bool    // keep the folder with configuration and state, and say where it is
	Version string  // of the program
}

// Check returns what is wrong with the options.
func (o *Options) Check() error {
	if o.Count < 1 || o.Count > 1_000_000 {
		return fmt.Errorf("--count: from 1 to 1000000, not %d", o.Count)
	}
	if o.Rate < 0 {
		return fmt.Errorf("--rate: at least 0, not %g", o.Rate)
	}
	return nil
}

// patience is how long the demo waits for the last record.
const patience = 2 * time.Minute

// demo is one run of the demo.
type demo struct {
	o      Options
	out    io.Writer
	dir    string
	tenant *emulator.Tenant
	siems  []*siem
	late   int
	kills  *rand.Rand // which receiver dies next, with --chaos
}

// Run runs the demo and writes to out what it shows. complete: every record arrived, once (with Chaos: at least once), and
// parsed.
func Run(ctx context.Context, o Options, out io.Writer) (complete bool, err error) {
	dir, err := os.MkdirTemp("", "siembridge-demo-")
	if err != nil {
		return false, err
	}
	if o.Keep {
		fmt.Fprintln(out, "kept:", dir)
	} else {
		defer os.RemoveAll(dir)
	}
	d := &demo{o: o, out: out, dir: dir, tenant: emulator.NewTenant(o.Seed), kills: rand.New(rand.NewPCG(o.Seed, 0xdead))}
	fmt.Fprintln(out, "An emulated Microsoft tenant, an emulated QRadar (LEEF over TLS) and an emulated ArcSight (CEF over TCP) on this machine.")
	d.fill()
	server, err := d.serve()
	if err != nil {
		return false, err
	}
	defer server.Close()
	ca, err := emulator.NewCA()
	if err != nil {
		return false, err
	}
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), ca.PEM(), 0o600); err != nil {
		return false, err
	}
	secure, err := ca.Server()
	if err != nil {
		return false, err
	}
	for _, s := range []*siem{{name: "qradar", key: "alertId", tls: secure}, {name: "arcsight", key: "externalId"}} {
		if err := s.listen(); err != nil {
			return false, err
		}
		defer s.receiver.Close()
		d.siems = append(d.siems, s)
	}
	cfg, err := d.config(server.Addr)
	if err != nil {
		return false, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return false, err
	}
	defer log.Close()
	b, err := bridge.New(cfg, bridge.Options{Logger: slog.New(slog.NewTextHandler(log, nil)), Version: o.Version})
	if err != nil {
		return false, err
	}
	return d.run(ctx, b)
}

// apis of the demo, each with a third of the records.
var apis = []string{"graph-alerts", "alerts", "detections"}

// fill puts the records into the tenant: changed within the last 20 minutes, a tenth of them visible late, as
// Microsoft's are: within the lookback.
func (d *demo) fill() {
	random := rand.New(rand.NewPCG(d.o.Seed, 0xde30))
	generator := emulator.NewGenerator(d.o.Seed, true)
	now := time.Now()
	at := now.Add(-20 * time.Minute)
	for i := range d.o.Count {
		if i%7 == 0 { // seven records to one time
			at = at.Add(min(time.Second, 19*time.Minute/time.Duration(d.o.Count/7+1)))
		}
		r := generator.Record(apis[i%len(apis)], at)
		switch {
		case d.o.Rate > 0:
			r.Visible = now.Add(time.Duration(float64(i) / d.o.Rate * float64(time.Second)))
		case random.IntN(10) == 0:
			d.late++
			r.Visible = now.Add(time.Duration(random.IntN(2500)) * time.Millisecond)
		}
		d.tenant.Add(apis[i%len(apis)], r)
	}
	faults := emulator.Faults{TooMany: 0.05, RetryAfter: time.Second}
	if d.o.Chaos {
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
