package source

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limits keeps all sources together within the request limits of Microsoft, which count per tenant, app and API. One
// Limits is shared by the sources of a bridge.
type Limits struct {
	mu  sync.Mutex
	all map[limitKey]*limiter
}

type limitKey struct{ tenant, client, family string }

// NewLimits returns limits that nothing has been counted against.
func NewLimits() *Limits { return &Limits{all: map[limitKey]*limiter{}} }

// of returns the limiter for an API of a tenant and app.
func (l *Limits) of(tenant, client string, a *api) *limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := limitKey{tenant, client, a.family}
	if l.all[key] == nil {
		l.all[key] = newLimiter(a.perMinute, a.perHour)
	}
	return l.all[key]
}

// limiter spaces requests out. Its buckets hold a fifth of the allowance and refill with the rest, so that no minute
// or hour, wherever it begins, sees more than the limit.
type limiter struct {
	perMinute, perHour int // as Microsoft documents them; 0: no such limit

	mu        sync.Mutex
	overrides map[string]int  // requests per minute, by the source that asks for them
	every     []*rate.Limiter // all requests
	catchUp   []*rate.Limiter // those that catch up, besides: half, to leave room for other clients of the same app
	until     time.Time       // the API said Retry-After
}

func newLimiter(perMinute, perHour int) *limiter {
	l := &limiter{perMinute: perMinute, perHour: perHour, overrides: map[string]int{}}
	l.build()
	return l
}

// override replaces the documented limit by a source's own while that source runs; of several the lowest counts. 0
// takes it back.
func (l *limiter) override(source string, perMinute int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.overrides[source] == perMinute {
		return
	}
	if l.overrides[source] = perMinute; perMinute == 0 {
		delete(l.overrides, source)
	}
	l.build()
}

// build makes the buckets.
func (l *limiter) build() {
	perMinute, perHour := l.perMinute, l.perHour
	if len(l.overrides) > 0 {
		perMinute, perHour = slices.Min(slices.Collect(maps.Values(l.overrides))), 0
	}
	l.every, l.catchUp = nil, nil
	add := func(n int, per time.Duration) {
		if n > 0 {
			l.every = append(l.every, bucket(n, per))
			l.catchUp = append(l.catchUp, bucket(max(1, n/2), per))
		}
	}
	add(perMinute, time.Minute)
	add(perHour, time.Hour)
}

// bucket lets n requests through in a time: a fifth at once, the rest evenly.
func bucket(n int, per time.Duration) *rate.Limiter {
	burst := max(1, n/5)
	return rate.NewLimiter(rate.Limit(float64(max(1, n-burst))/per.Seconds()), burst)
}

// wait returns when a request may be sent, or with ctx's error.
func (l *limiter) wait(ctx context.Context, catchUp bool) error {
	for {
		l.mu.Lock()
		pause := time.Until(l.until)
		l.mu.Unlock()
		if pause <= 0 {
			break
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
	l.mu.Lock()
	buckets := slices.Clone(l.every)
	if catchUp {
		buckets = append(slices.Clone(l.catchUp), l.every...)
	}
	l.mu.Unlock()
	for _, b := range buckets {
		if err := b.Wait(ctx); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return err
		}
	}
	return nil
}

// pause holds all requests back until the API wants to be asked again.
func (l *limiter) pause(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if until := time.Now().Add(d); until.After(l.until) {
		l.until = until
	}
}

// sleep waits or returns ctx's error.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
