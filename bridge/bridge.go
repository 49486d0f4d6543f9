package bridge

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/siembridge/siembridge/bridge/admin"
	"github.com/siembridge/siembridge/bridge/buffer/disk/vfs"
	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/delivery"
	"github.com/siembridge/siembridge/bridge/entra"
	"github.com/siembridge/siembridge/bridge/source"
)

// Options are what a bridge gets besides its configuration.
type Options struct {
	Logger  *slog.Logger // all of the bridge's log; nil is not possible
	Version string       // of siembridge, for the status and User-Agent

	// What the bridge meets the world through; nil: the machine's own. For simulations.
	HTTP   http.RoundTripper               // to the APIs and the token endpoints
	Dial   delivery.DialFunc               // to the destinations
	FS     vfs.FS                          // the files of the buffer's log; what is on disk is simulated then
	Commit func(commit func() error) error // surrounds each commit of the buffer's index and quarantine
}

// Bridge is a running siembridge: sources, the buffer and destinations.
type Bridge struct {
	log      *slog.Logger
	version  string
	started  time.Time
	began    *config.Config // of the start: what is read at a start only is in force as it says
	hostname string
	registry *prometheus.Registry
	buffer   Store
	sharing  sharing        // the same; nil: nobody else uses it
	history  *admin.History // for the plots; it may be lost
	admin    *admin.Server  // nil: turned off
	options  Options
	shared   shared

	changing sync.Mutex      // held by who starts or stops units: Run and Reload
	running  context.Context // of Run's sources; nil before
	deliver  context.Context // of Run's destinations, which end after the sources

	reconciling sync.Mutex // held during a reconciliation

	mu           sync.Mutex // guards what follows, briefly
	config       *config.Config
	sources      []*runningSource
	destinations []*runningDestination
	ended        chan struct{} // a token when a source has come to its end, or sources were removed

	reconciliation *admin.Reconciliation // the last; nil: there was none
	full           time.Time             // since when the buffer is full; zero: it is not
}

// shared is what all sources or all destinations have together.
type shared struct {
	delivery    *delivery.Metrics
	quarantined *prometheus.CounterVec
	sources     *source.Metrics
	tokens      *entra.Metrics
	limits      *source.Limits
}

// New opens the buffer and builds everything that a configuration asks for. All that can fail does so here, before
// anything is pulled or sent; Run then only runs. Close gives up a Bridge that is not run.
func New(c *config.Config, o Options) (*Bridge, error) {
	b := &Bridge{config: c, began: c, options: o, log: o.Logger, registry: prometheus.NewRegistry(), version: o.Version, started: time.Now(), ended: make(chan struct{}, 1)}
	b.hostname = thisHost()
	var err error
	if b.buffer, err = openPatiently(c, o, b.registry); err != nil {
		return nil, err
	}
	b.sharing, _ = b.buffer.(sharing)
	b.history = admin.OpenHistory(filepath.Join(c.StateDir, "history.json"), b.log)
	if err := b.build(); err != nil {
		return nil, errors.Join(err, b.buffer.Close())
	}
	return b, nil
}

func (b *Bridge) build() error {
	b.shared = shared{delivery: delivery.NewMetrics(b.registry), sources: source.NewMetrics(b.registry), tokens: entra.NewMetrics(b.registry),
		limits: source.NewLimits(), quarantined: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "siembridge_quarantined_records_total",
			Help: "Records that could not be read and were delivered in a minimal form."}, []string{"source"})}
	b.registry.MustRegister(b.shared.quarantined)
	next, err := b.prepare(b.config)
	if err != nil {
		return err
	}
	// Destinations before sources: a new destination starts at what is pulled from now on.
	for _, d := range next.destinations {
		if err := b.open(d); err != nil {
			return err
		}
	}
	b.sources, b.destinations = next.sources, next.destinations
	b.reconciliation = lastReconciliation(b.buffer)
	for _, left := range b.buffer.Leftovers() {
		b.log.Warn("the buffer holds records for a destination that is not configured any more; they are kept for 7 days",
			"destination", left.Destination, "records", left.Records, "until", left.Until)
	}
	if b.config.Admin.Listen == "" {
		return nil
	}
	events := b.events
	if !b.config.Admin.ShowEvents {
		events = nil
	}
	server, err := admin.Listen(admin.Options{Address: b.config.Admin.Listen, TokenFile: b.config.Admin.TokenFile, Gatherer: b.registry, Status: b.Status,
		History: b.history, Events: events, Logger: b.log})
	if err != nil {
		return err
	}
	b.admin = server
	return nil
}

// Run pulls and delivers until ctx ends, or until all sources have come to their end and everything they brought is
// delivered. It stops sources first, confirms what is under way, and closes the buffer: within 10 seconds. So it does,
// and returns an error, when the buffer has to be opened again, which the next start does.
func (b *Bridge) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var failed error
	delivering, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	b.changing.Lock()
	b.running, b.deliver = ctx, delivering
	for _, d := range b.destinations {
		b.launch(d)
	}
	for _, s := range b.sources {
		s.launch(ctx, b.ended)
	}
	b.changing.Unlock()
	var others sync.WaitGroup
	others.Go(func() { b.notice(ctx) })
	others.Go(func() { b.observe(ctx) })
	others.Go(func() { b.reconcileRegularly(ctx) })
	var serving sync.WaitGroup
	if b.admin != nil {
		serving.Go(func() { b.admin.Serve(ctx) })
	}
	others.Go(func() {
		if b.exhausted(ctx) {
			cancel()
		}
	})
	broken, why := b.buffer.Broken()
	others.Go(func() {
		select {
		case <-broken:
			failed = why
			cancel()
		case <-ctx.Done():
		}
	})
	<-ctx.Done()
	others.Wait() // one of them may be about to look at what changing guards
	b.changing.Lock()
	defer b.changing.Unlock()
	for _, s := range b.sources {
		s.unit.stop()
	}
	b.farewell()
	stop()
	for _, d := range b.destinations {
		d.unit.stop()
	}
	serving.Wait()
	return errors.Join(failed, b.buffer.Close())
}

// Close gives up a bridge that was not run.
func (b *Bridge) Close() error {
	if b.admin != nil {
		b.admin.Close()
	}
	return b.buffer.Close()
}

// thisHost is the HOSTNAME of headers that name no other.
func thisHost() string {
	name, err := os.Hostname()
	if err != nil || name == "" || strings.ContainsAny(name, " :") {
		return "siembridge"
	}
	return name
}
