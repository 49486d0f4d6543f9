package bridge

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/siembridge/siembridge/bridge/admin"
	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/entra"
	"github.com/siembridge/siembridge/bridge/source"
)

// puller is a source of either kind.
type puller interface {
	Run(ctx context.Context) error
	Status() source.Status
}

// runningSource is a configured source.
type runningSource struct {
	name, api string
	puller    puller
	ended     chan struct{} // closed when there is nothing more to come

	credential *credential // nil: it has none
}

// run pulls until ctx ends or the source has come to its end.
func (s *runningSource) run(ctx context.Context) {
	if s.credential != nil {
		watched, stop := context.WithCancel(ctx)
		var watch sync.WaitGroup
		watch.Go(func() { s.credential.watch(watched) })
		defer watch.Wait()
		defer stop()
	}
	if err := s.puller.Run(ctx); errors.Is(err, source.ErrEnded) {
		close(s.ended)
	}
}

// SourceOptions translates a source's configuration; the caller adds what a running source needs besides.
func SourceOptions(s *config.Source, stateDir string) source.Options {
	o := source.Options{Name: s.Name, API: s.API, Cloud: s.Cloud, Region: s.Region, Endpoint: s.Endpoint, TokenURL: s.TokenURL,
		TenantID: s.TenantID, ClientID: s.ClientID, Secret: SecretOf(s), Grant: grantOf(s, stateDir), CAFile: s.CAFile, ProxyURL: s.ProxyURL,
		PollInterval: s.PollInterval, Lookback: s.Lookback, RequestsPerMinute: s.RequestsPerMinute, NoUpdates: !s.Updates, Evidence: s.Events == "evidence"}
	o.Start = func(now time.Time) time.Time {
		start, err := config.ParseStart(s.Start, now)
		if err != nil { // checked when the configuration was read
			return now.Add(-24 * time.Hour)
		}
		return start
	}
	return o
}

func (b *Bridge) buildSources(o Options) error {
	metrics, tokens, limits := source.NewMetrics(b.registry), entra.NewMetrics(b.registry), source.NewLimits()
	for i := range b.config.Sources {
		s := &b.config.Sources[i]
		metrics.Source(s.Name)
		b.quarantined.WithLabelValues(s.Name)
		running := &runningSource{name: s.Name, api: s.API, ended: make(chan struct{})}
		var err error
		if s.API == "file" {
			running.puller, err = source.NewFile(source.FileOptions{Name: s.Name, Path: s.Path, PollInterval: s.PollInterval,
				NoUpdates: !s.Updates, Evidence: s.Events == "evidence", Buffer: b.buffer, Metrics: metrics, Logger: b.log})
		} else {
			running.credential = newCredential(s, b.config.StateDir, tokens.Credential(s.Name), b.log)
			so := SourceOptions(s, b.config.StateDir)
			so.Start = b.lookBack(so.Start)
			so.Buffer, so.Limits, so.Metrics, so.TokenMetrics, so.Logger, so.Version, so.Transport = b.buffer, limits, metrics, tokens, b.log, o.Version, o.HTTP
			running.puller, err = source.New(so)
		}
		if err != nil {
			return fmt.Errorf("source %s: %w", s.Name, err)
		}
		b.sources = append(b.sources, running)
	}
	return nil
}

// lookBack begins earlier when the buffer's index was damaged and with it what had been read before: a day before the
// oldest record of which the new index was made. What is pulled again is recognised.
func (b *Bridge) lookBack(start func(time.Time) time.Time) func(time.Time) time.Time {
	report := b.buffer.Report()
	if report.Aside == "" || report.Oldest.IsZero() {
		return start
	}
	return func(now time.Time) time.Time {
		from, before := start(now), report.Oldest.Add(-24*time.Hour)
		if before.Before(from) {
			return before
		}
		return from
	}
}

// exhausted waits until every source has come to its end and everything is delivered; false when ctx ends first.
func (b *Bridge) exhausted(ctx context.Context) bool {
	for _, s := range b.sources {
		select {
		case <-s.ended:
		case <-ctx.Done():
			return false
		}
	}
	return b.delivered(ctx)
}

// delivered waits until nothing is pending; false when ctx ends first.
func (b *Bridge) delivered(ctx context.Context) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		left := int64(0)
		for _, q := range b.queues {
			left += q.Pending().Records
		}
		if left == 0 {
			return true
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
}

// Status returns a snapshot of everything.
func (b *Bridge) Status() admin.Status {
	s := admin.Status{Version: b.version, Started: b.started}
	for _, x := range b.sources {
		from := x.puller.Status()
		one := admin.Source{Name: x.name, API: x.api, State: from.State, LastSuccess: from.LastSuccess,
			CoveredTo: from.CoveredTo, Holes: len(from.Holes), Pulled: from.Pulled, Duplicates: from.Duplicates, Error: from.Error}
		one.Newest, one.Stale = b.arrived(x.name, from.State)
		if x.credential != nil {
			one.CredentialEnds, one.Warning = x.credential.status()
		}
		s.Sources = append(s.Sources, one)
	}
	u := b.buffer.Usage()
	s.Buffer = admin.Buffer{Bytes: u.Bytes, Pending: u.Pending, Limit: u.Limit, Blocked: u.Blocked}
	for i, w := range b.workers {
		from, pending := w.Status(), b.queues[i].Pending()
		s.Destinations = append(s.Destinations, admin.Destination{Name: from.Name, State: string(from.State), Since: from.Since, Address: from.Address,
			Confirm: from.Confirm, Pending: pending.Records, Oldest: pending.Oldest, Dropped: pending.Dropped, Delivered: from.Delivered,
			LastSuccess: from.Last, Error: from.Error})
	}
	return s
}
