package source

import (
	"context"
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

// of returns the limiter for an API of a tenant and app. perMinute overrides the documented limit; of two sources
// that override it the lower counts.
func (l *Limits) of(tenant, client string, a *api, perMinute int) *limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := limitKey{tenant, client, a.family}
	m, ok := l.all[key]
	if !ok || perMinute > 0 && (m.override == 0 || perMinute < m.override) {
		m = newLimiter(a.perMinute, a.perHour, perMinute)
		l.all[key] = m
	}
	return m
}

// limiter spaces requests out. Its buckets hold a fifth of the allowance and refill with the rest, so that no minute
// or hour, wherever it begins, sees more than the limit.
type limiter struct {
	override int
	every    []*rate.Limiter // all requests
	catchUp  []*rate.Limiter // those that catch up, besides: half, to leave room for other clients of the same app

	mu    sync.Mutex
	until time.Time // the API said Retry-After
}

func newLimiter(perMinute, perHour, override int) *limiter {
	l := &limiter{override: override}
	if override > 0 {
		perMinute, perHour = override, 0
	}
	bucket := func(n int, per time.Duration, part int) *rate.Limiter {
		burst := max(1, n/(5*part))
		each := rate.Limit(float64(max(1, n/part-burst)) / per.Seconds())
		return rate.NewLimiter(each, burst)
	}
	add := func(n int, per time.Duration) {
		if n > 0 {
			l.every = append(l.every, bucket(n, per, 1))
			l.catchUp = append(l.catchUp, bucket(n, per, 2))
		}
	}
	add(perMinute, time.Minute)
	add(perHour, time.Hour)
	return l
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
	buckets := l.every
	if catchUp {
		buckets = append(append([]*rate.Limiter{}, l.catchUp...), l.every...)
	}
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
