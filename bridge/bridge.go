package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/siembridge/siembridge/bridge/admin"
	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/disk"
	"github.com/siembridge/siembridge/bridge/buffer/disk/vfs"
	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/delivery"
)

// Options are what a bridge gets besides its configuration.
type Options struct {
	Logger  *slog.Logger
	Version string

	// What the bridge meets the world through; nil: the machine's own. For simulations.
	HTTP   http.RoundTripper               // to the APIs and the token endpoints
	Dial   delivery.DialFunc               // to the destinations
	FS     vfs.FS                          // the files of the buffer's log
	Commit func(commit func() error) error // surrounds each commit of the buffer's index
}

// Bridge is a running siembridge: sources, the buffer and destinations.
type Bridge struct {
	config   *config.Config
	log      *slog.Logger
	version  string
	started  time.Time
	hostname string
	registry *prometheus.Registry
	buffer   *disk.Buffer

	deliveryMetrics *delivery.Metrics
	quarantined     *prometheus.CounterVec
	sources         []*runningSource
	workers         []*delivery.Worker
	queues          []buffer.Queue // of the workers
	hearts          []*heart       // of the destinations that want events of the bridge itself
	history         *admin.History // for the plots; it may be lost
	admin           *admin.Server  // nil: turned off
}

// New opens the buffer and builds everything that a configuration asks for. All that can fail does so here, before
// anything is pulled or sent; Run then only runs. Close gives up a Bridge that is not run.
func New(c *config.Config, o Options) (*Bridge, error) {
	b := &Bridge{config: c, log: o.Logger, registry: prometheus.NewRegistry(), version: o.Version, started: time.Now()}
	b.hostname = thisHost()
	var err error
	if b.buffer, err = disk.Open(disk.Options{Dir: c.StateDir, MaxSize: int64(c.Buffer.MaxSize), Retain: c.Buffer.Retain, Logger: b.log, Registerer: b.registry,
		FS: o.FS, Transaction: o.Commit}); err != nil {
		return nil, fmt.Errorf("state_dir %s: %w", c.StateDir, err)
	}
	b.history = admin.OpenHistory(filepath.Join(c.StateDir, "history.json"), b.log)
	if err := b.build(o); err != nil {
		return nil, errors.Join(err, b.buffer.Close())
	}
	return b, nil
}

func (b *Bridge) build(o Options) error {
	b.deliveryMetrics = delivery.NewMetrics(b.registry)
	b.quarantined = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "siembridge_quarantined_records_total",
		Help: "Records that could not be read and were delivered in a minimal form."}, []string{"source"})
	b.registry.MustRegister(b.quarantined)
	// Destinations before sources: a new destination starts at what is pulled from now on.
	for i := range b.config.Destinations {
		w, err := b.worker(&b.config.Destinations[i], o.Dial)
		if err != nil {
			return err
		}
		b.workers = append(b.workers, w)
	}
	if err := b.buildSources(o); err != nil {
		return err
	}
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
		return fmt.Errorf("admin.listen %s: %w. Give it another port, or \"\" to do without", b.config.Admin.Listen, err)
	}
	b.admin = server
	return nil
}

// Run pulls and delivers until ctx ends, or until all sources have come to their end and everything they brought is
// delivered. It stops sources first, confirms what is under way, and closes the buffer: within 10 seconds.
func (b *Bridge) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	delivering, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var workers, sources sync.WaitGroup
	for _, w := range b.workers {
		workers.Go(func() { w.Run(delivering) })
	}
	for _, h := range b.hearts {
		sources.Go(func() { b.beat(ctx, h) })
	}
	if len(b.hearts) > 0 {
		sources.Go(func() { b.notice(ctx) })
	}
	sources.Go(func() { b.observe(ctx) })
	for _, s := range b.sources {
		sources.Go(func() { s.run(ctx) })
	}
	if b.admin != nil {
		sources.Go(func() { b.admin.Serve(ctx) })
	}
	go func() { // ends with ctx
		if b.exhausted(ctx) {
			cancel()
		}
	}()
	<-ctx.Done()
	sources.Wait()
	b.farewell()
	stop()
	workers.Wait()
	return b.buffer.Close()
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
