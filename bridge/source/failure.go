package source

// verdict is what a failed window calls for.
type verdict int

const (
	again verdict = iota // go on at once with what next says
	pause                // wait, longer each time, then go on
	probe                // read a minute that is known to be good, and tell probed what came of it
)

func (v verdict) String() string { return [...]string{"again", "pause", "probe"}[v] }

// failed notes that a window could not be read for a reason that may lie in its records: an answer that says the
// server failed, or one that cannot be read to its end. Throttling and refusals are none.
func (p *plan) failed(w window) verdict {
	p.successes = 0
	p.failures++
	switch {
	case p.isHole(w.Interval):
		return probe
	case p.suspect.length() > 0 && w.within(p.suspect) && p.halve(w):
		return again
	case p.failures < tries:
		return pause
	}
	return probe
}

// probed tells whether another window could be read when w failed. If not, this is an outage, to be waited out. If
// so, w is halved until what cannot be read stands alone; that becomes a hole, for reason.
func (p *plan) probed(w window, ok bool, reason string) verdict {
	if !ok {
		p.failures = tries - 1
		return pause
	}
	if !p.isHole(w.Interval) && !w.Dense && w.length() > 1 {
		p.suspect = w.Interval
		p.halve(w)
		return again
	}
	return p.dig(w.Interval, reason)
}

// unreachable notes that a window was read as far as the API lets it be, and these keys were all: it becomes a hole
// for reason.
func (p *plan) unreachable(w window, keys map[string]struct{}, reason string) verdict {
	p.successes = 0
	for key := range keys {
		delete(p.unseen, key)
	}
	return p.dig(w.Interval, reason)
}

// halve makes the next window half as wide; false when that cannot be.
func (p *plan) halve(w window) bool {
	if w.length() <= 1 || w.Dense {
		return false
	}
	p.failures = 0
	p.width = w.length() / 2
	if p.width > second {
		p.width = floor(p.width)
	}
	return true
}

// dig makes a hole, or puts off the next attempt at one.
func (p *plan) dig(i Interval, reason string) verdict {
	retry := p.now + retryHole
	p.failures = 0
	for n := range p.holes {
		if p.holes[n].Interval == i {
			p.holes[n].Reason, p.holes[n].Retry = reason, retry
			return again
		}
	}
	if len(p.holes) >= maxHoles {
		p.failures = tries - 1
		return pause
	}
	p.holes = append(p.holes, Hole{Interval: i, Reason: reason, Since: p.now, Retry: retry})
	if p.crowded == i {
		p.release()
	}
	p.settle(floor(i.From))
	return again
}

func (p *plan) isHole(i Interval) bool {
	for _, h := range p.holes {
		if h.Interval == i {
			return true
		}
	}
	return false
}

// probeWindow returns a minute that was read before; where there is none, the one before the origin.
func (p *plan) probeWindow() window {
	for n := len(p.covered) - 1; n >= 0; n-- {
		if i := p.covered[n]; i.length() >= probeLength {
			return window{Interval: Interval{i.To - probeLength, i.To}}
		}
	}
	return window{Interval: Interval{p.origin - probeLength, p.origin}}
}
