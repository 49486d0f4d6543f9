package source

import (
	"math/rand/v2"
	"time"
)

// Backoff says how long to wait after a failure. The zero value has the defaults.
type Backoff struct {
	Base    time.Duration // after the first throttling without Retry-After; 5s
	Cap     time.Duration // the longest; 5m
	Slow    time.Duration // after a refusal that only the operator can cure; 1m
	SlowCap time.Duration // the longest of these; 10m
}

func (b Backoff) orDefaults() Backoff {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&b.Base, 5*time.Second)
	set(&b.Cap, 5*time.Minute)
	set(&b.Slow, time.Minute)
	set(&b.SlowCap, 10*time.Minute)
	return b
}

// after returns how long to wait after the nth failure in a row, counted from 1. A single failure of the network or
// the server is tried again sooner: most pass at once.
func (b Backoff) after(e *Error, n int) time.Duration {
	if e.Wait > 0 {
		return e.Wait
	}
	base, limit := b.Base, b.Cap
	switch {
	case e.Slow:
		base, limit = b.Slow, b.SlowCap
	case n == 1 && e.Reason != ReasonThrottled:
		base = b.Base / 5
	}
	d := base << min(n-1, 20)
	if d > limit || d <= 0 {
		d = limit
	}
	return d - time.Duration(rand.Float64()*float64(d)/4)
}
