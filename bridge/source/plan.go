package source

import "time"

// window is what is read next: the records whose changed-time lies in it.
type window struct {
	Interval
	// Dense windows cannot be told apart by their changed-time any further: they are paged by $skip.
	Dense bool
}

// Hole is an interval that cannot be read although its neighbours can. It is tried again at Retry.
type Hole struct {
	Interval
	Reason string // why the last attempt failed
	Since  int64  // when it was found, Unix milliseconds of the server's clock
	Retry  int64  // when it is tried again, Unix milliseconds of the server's clock
}

// Limits of the plan, in milliseconds unless said otherwise.
const (
	second       = int64(time.Second / time.Millisecond)
	slack        = 15 * 60 * second     // how far beyond the server's now a poll asks: its clocks need not agree
	retryHole    = 6 * 60 * 60 * second // after which a hole is tried again
	tries        = 3                    // failures of a window until it is suspected
	maxHoles     = 1000                 // holes, beyond which failures are waited out instead
	probeLength  = 60 * second
	growAfter    = 2 // successes in a row after which windows grow
	hourInMillis = 60 * 60 * second
)

// plan decides which windows are read and what their answers mean. It holds the source's coverage: what was read to
// its end. It knows no clock and does no I/O: every time in it is the server's.
//
// Windows are cut at whole seconds, so that a server whose filter is no finer than that misses nothing. A second that
// holds more than a page is cut further, down to one millisecond; it counts as covered only when all its parts were
// read and every record of the full page has been seen again in one of them. If one has not, the filter is coarser
// than its times, and the second is read as a dense window.
//
// A window that was read is covered only up to lookback before the Date of its answer, since records may become
// visible so late. The rest of it is read again by the next poll.
type plan struct {
	origin   int64    // nothing before it is wanted
	covered  coverage // read to its end, and old enough
	holes    []Hole
	lookback int64
	maxWidth int64
	limit    int   // rows of a full page; 0: pages are never full
	until    int64 // nothing from it on is wanted; 0: no such end

	now, end  int64    // this poll: the server's time at its begin, and how far it asks
	read      coverage // read in this poll
	width     int64    // of the next window
	successes int      // windows read in a row
	failures  int      // of the next window, in a row
	suspect   Interval // failed while other windows succeeded; its parts are halved at their first failure
	crowded   Interval // a second that is cut into parts
	unseen    map[string]struct{}
	dense     bool // crowded has to be read as a dense window
}

func newPlan(origin, lookback, maxWidth int64, limit int) *plan {
	return &plan{origin: floor(origin), lookback: lookback, maxWidth: maxWidth, limit: limit, width: maxWidth}
}

// since moves the beginning back to an instant, if it lies behind it.
func (p *plan) since(at int64) { p.origin = min(p.origin, floor(at)) }

// begin starts a poll at the server's time now. A now that is wrong, and before the beginning of all that is wanted, still
// leads to a request: its answer tells the time.
func (p *plan) begin(now int64) {
	p.now, p.end = now, max(ceil(now+slack), p.origin+second)
	if p.until > 0 {
		p.end = min(p.end, ceil(p.until))
	}
	p.read, p.failures, p.suspect = nil, 0, Interval{}
	p.release()
	p.cut(now)
}

// cut takes coverage back to lookback before the date of an answer, so that one wrong Date does no lasting harm.
func (p *plan) cut(date int64) { p.covered = p.covered.before(floor(date - p.lookback)) }

// next returns the window to read now: holes that are due, then what is not covered, oldest first. False ends the
// poll.
func (p *plan) next() (window, bool) {
	if p.dense {
		return window{p.crowded, true}, true
	}
	for _, h := range p.holes {
		if h.Retry <= p.now && !p.read.contains(h.Interval) {
			return window{Interval: h.Interval, Dense: h.length() > 1}, true
		}
	}
	missing := coverage{{p.origin, p.end}}.without(p.covered).without(p.read).without(p.holeSet())
	if len(missing) == 0 || missing[0].length() == 0 {
		return window{}, false
	}
	first := missing[0]
	to := first.From + p.width
	if p.width >= second {
		to = floor(to)
	} else {
		to = min(to, floor(first.From)+second)
	}
	return window{Interval: Interval{first.From, min(to, first.To)}}, true
}

// catchingUp reports whether a window lies before what every poll reads.
func (p *plan) catchingUp(w window) bool { return w.From < p.now-p.lookback-hourInMillis/6 }

// done notes that a window was read to its end: rows records with these keys (needed only of windows of a second or
// less), by an answer of this date.
func (p *plan) done(w window, rows int, keys map[string]struct{}, date int64) {
	p.failures = 0
	p.successes++
	p.grow(w, rows)
	p.fill(w.Interval)
	p.read = p.read.union(w.Interval)
	for key := range keys {
		delete(p.unseen, key)
	}
	old := floor(date - p.lookback)
	inner := Interval{ceil(w.From), floor(w.To)}
	p.cover(inner, old)
	if p.crowded.length() > 0 && p.crowded.within(w.Interval) {
		p.release()
	}
	if floor(w.From) != w.From {
		p.settle(floor(w.From))
	}
	if floor(w.To) != w.To && floor(w.To) != floor(w.From) || inner.length() <= 0 {
		p.settle(floor(w.To - 1))
	}
	p.cut(date)
}

// cover adds what lies before old, without the holes in it.
func (p *plan) cover(i Interval, old int64) {
	i.To = min(i.To, old)
	for _, part := range (coverage{i}).without(p.holeSet()) {
		p.covered = p.covered.union(part)
	}
}

// settle looks at a second that was read in parts: when all of it was, it is covered or found to be dense.
func (p *plan) settle(at int64) {
	whole := Interval{at, at + second}
	known := p.read
	for _, i := range append(p.holeSet(), p.covered...) {
		known = known.union(i)
	}
	if !known.contains(whole) {
		return
	}
	if p.crowded == whole && len(p.unseen) > 0 {
		p.dense = true
		return
	}
	// The parts were read one after the other, all of them after the poll began.
	p.cover(whole, floor(p.now-p.lookback))
	if p.crowded == whole {
		p.release()
	}
}

func (p *plan) release() { p.crowded, p.unseen, p.dense = Interval{}, nil, false }

// full notes that a window holds more than a page, of which keys were seen. It returns false when the window cannot
// be halved: it has to be read as a dense one.
func (p *plan) full(w window, keys map[string]struct{}) bool {
	p.successes, p.failures = 0, 0
	n := w.length()
	if n <= 1 || w.Dense {
		return false
	}
	if n > second {
		p.width = max(n/2, second)
		return true
	}
	if whole := (Interval{floor(w.From), floor(w.From) + second}); p.crowded != whole {
		p.crowded, p.unseen = whole, map[string]struct{}{}
	}
	for key := range keys {
		p.unseen[key] = struct{}{}
	}
	p.width = n / 2
	return true
}

// grow widens windows again when twice as much would still fit a page.
func (p *plan) grow(w window, rows int) {
	if w.Dense || p.successes < growAfter || p.limit > 0 && rows*2 >= p.limit || w.length()*2 < p.width {
		return
	}
	p.width = min(p.width*2, p.maxWidth)
}

func (p *plan) holeSet() coverage {
	var c coverage
	for _, h := range p.holes {
		c = c.union(h.Interval)
	}
	return c
}

// fill removes what was read from the holes.
func (p *plan) fill(read Interval) {
	var left []Hole
	for _, h := range p.holes {
		for _, part := range (coverage{h.Interval}).subtract(read) {
			h.Interval = part
			left = append(left, h)
		}
	}
	p.holes = left
}

func floor(ms int64) int64 { return ms - mod(ms, second) }
func ceil(ms int64) int64  { return floor(ms + second - 1) }

func mod(a, b int64) int64 { return (a%b + b) % b }
