package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/source"
)

// puller is a source of either kind.
type puller interface {
	Run(ctx context.Context) error
	Status() source.Status
}

// runningSource is a configured source.
type runningSource struct {
	config config.Source
	files  string // digest of the files it was built with
	puller puller
	unit   *unit       // nil before it runs
	ended  atomic.Bool // there is nothing more to come

	sharing sharing // nil: no other bridge pulls it
	log     *slog.Logger
	held    atomic.Bool // it is this bridge that pulls it, if others may

	credential *credential // nil: it has none
}

// launch pulls until ctx ends or the source has come to its end, of which it puts a token into ended.
func (s *runningSource) launch(ctx context.Context, ended chan<- struct{}) {
	s.unit = launch(ctx, func(ctx context.Context) {
		if s.credential != nil {
			var watch sync.WaitGroup
			watched, stop := context.WithCancel(ctx)
			watch.Go(func() { s.credential.watch(watched) })
			defer watch.Wait()
			defer stop()
		}
		if err := s.pull(ctx); errors.Is(err, source.ErrEnded) {
			s.ended.Store(true)
			signal(ended)
		}
	})
}

// pull pulls until ctx ends; where several bridges share a buffer, while it is this one's turn.
func (s *runningSource) pull(ctx context.Context) error {
	if s.sharing == nil {
		return s.puller.Run(ctx)
	}
	for {
		held, done, err := s.sharing.Lease(ctx, s.config.Name)
		if err != nil {
			return nil // ctx has ended, or the buffer was closed
		}
		s.log.Info("pulls this source", "source", s.config.Name)
		s.held.Store(true)
		err = s.puller.Run(held)
		s.held.Store(false)
		s.log.Info("does not pull this source any more", "source", s.config.Name, "cause", context.Cause(held))
		done()
		if err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// signal puts a token into a channel that holds one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// SourceOptions translates a source's configuration; the caller adds what a running source needs besides.
func SourceOptions(s *config.Source, keeper Keeper) source.Options {
	o := source.Options{Name: s.Name, API: s.API, Cloud: s.Cloud, Region: s.Region, Endpoint: s.Endpoint, TokenURL: s.TokenURL,
		TenantID: s.TenantID, ClientID: s.ClientID, Secret: SecretOf(s), Grant: grantOf(s, keeper), CAFile: s.CAFile, ProxyURL: s.ProxyURL,
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

// prepareSource builds a source that does not run yet.
func (b *Bridge) prepareSource(c *config.Source, stateDir string) (*runningSource, error) {
	s := &runningSource{config: *c, files: digest(c.CAFile), sharing: b.sharing, log: b.log}
	b.shared.sources.Source(c.Name)
	b.shared.quarantined.WithLabelValues(c.Name)
	appender := tracedAppender{b.buffer, b.log}
	var err error
	if c.API == "file" {
		s.puller, err = source.NewFile(source.FileOptions{Name: c.Name, Path: c.Path, PollInterval: c.PollInterval,
			NoUpdates: !c.Updates, Evidence: c.Events == "evidence", Buffer: appender, SetAside: b.setAside, Metrics: b.shared.sources, Logger: b.log})
	} else {
		s.credential = newCredential(&s.config, b.keeper(stateDir), b.shared.tokens.Credential(c.Name))
		o := SourceOptions(&s.config, b.keeper(stateDir))
		o.Start = b.lookBack(o.Start)
		o.Buffer, o.Limits, o.Metrics, o.TokenMetrics, o.Logger, o.Version, o.Transport = appender, b.shared.limits, b.shared.sources, b.shared.tokens, b.log, b.version, b.options.HTTP
		s.puller, err = source.New(o)
	}
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", c.Name, err)
	}
	return s, nil
}

// keeper is where this bridge keeps refresh tokens.
func (b *Bridge) keeper(stateDir string) Keeper {
	k := Keeper{StateDir: stateDir}
	if b.sharing != nil {
		k.Shared = b.sharing
	}
	return k
}

// lookBack begins earlier when what had been read before is in doubt. What is pulled again is recognised.
func (b *Bridge) lookBack(start func(time.Time) time.Time) func(time.Time) time.Time {
	doubted := b.buffer.Doubted()
	if doubted.IsZero() {
		return start
	}
	return func(now time.Time) time.Time {
		if from := start(now); from.Before(doubted) {
			return from
		}
		return doubted
	}
}

// exhausted waits until every source has come to its end and everything is delivered; false when ctx ends first.
func (b *Bridge) exhausted(ctx context.Context) bool {
	for {
		select {
		case <-b.ended:
		case <-ctx.Done():
			return false
		}
		if !b.allEnded() {
			continue
		}
		b.finish()
		if b.delivered(ctx) && b.allEnded() {
			return true
		}
	}
}

// finish tells the destinations that nothing more will come.
func (b *Bridge) finish() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range b.destinations {
		d.worker.Finish()
	}
}

// delivered waits until nothing is pending; false when ctx ends first.
func (b *Bridge) delivered(ctx context.Context) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		b.mu.Lock()
		destinations := b.destinations
		b.mu.Unlock()
		left := int64(0)
		for _, d := range destinations {
			left += d.queue.Pending().Records
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

// allEnded tells whether nothing more will come from any source.
func (b *Bridge) allEnded() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !slices.ContainsFunc(b.sources, func(s *runningSource) bool { return !s.ended.Load() })
}
