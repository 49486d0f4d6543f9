package bridge

import (
	"slices"
	"time"
)

// Bounds of what is called unlike a source's usual rate.
const (
	arrivalsKept   = 14 * 24 * time.Hour // how far back a rate is usual
	arrivalsNeeded = 12                  // gaps between arrivals before anything is usual
	arrivalsMost   = 2048
	quietAtLeast   = time.Hour // a shorter silence is never stale
	quietFactor    = 3         // times the longest silence of the time kept
)

// arrivals is when a source brought new records: what its usual rate is told by. It knows no clock.
type arrivals struct {
	Last time.Time `json:"last"`
	Gaps []gap     `json:"gaps"`
}

// gap is a silence that ended.
type gap struct {
	End    time.Time     `json:"end"`
	Length time.Duration `json:"length"`
}

// note notes that new records arrived. A silence in which the source did not answer, or was found stale, counts like
// any other: it was a silence, and the next one of its kind is no news.
func (a *arrivals) note(now time.Time) {
	if !a.Last.IsZero() && now.After(a.Last) {
		a.Gaps = append(a.Gaps, gap{now, now.Sub(a.Last)})
	}
	a.Last = now
	a.Gaps = slices.DeleteFunc(a.Gaps, func(g gap) bool { return now.Sub(g.End) > arrivalsKept })
	if n := len(a.Gaps) - arrivalsMost; n > 0 { // short gaps say least of what silence is usual
		short := slices.Clone(a.Gaps)
		slices.SortFunc(short, func(x, y gap) int { return int(x.Length - y.Length) })
		limit := short[n].Length
		a.Gaps = slices.DeleteFunc(a.Gaps, func(g gap) bool {
			gone := n > 0 && g.Length <= limit
			if gone {
				n--
			}
			return gone
		})
	}
}

// stale reports whether the silence up to now is unlike the usual rate: more than three times the longest silence of
// the last 14 days, and at least an hour. quiet is the age of the newest record, usual that longest silence.
func (a *arrivals) stale(now time.Time) (stale bool, quiet, usual time.Duration) {
	if a.Last.IsZero() {
		return false, 0, 0
	}
	quiet = now.Sub(a.Last)
	for _, g := range a.Gaps {
		if now.Sub(g.End) <= arrivalsKept {
			usual = max(usual, g.Length)
		}
	}
	return len(a.Gaps) >= arrivalsNeeded && quiet > max(quietAtLeast, quietFactor*usual), quiet, usual
}
