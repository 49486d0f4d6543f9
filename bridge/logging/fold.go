// Package logging folds repeated errors in a log, and keeps the last warnings for a bug report.
//
// A SIEM that is down for a night shall be a line every five minutes, not thousands. A Handler stands between a
// slog.Logger and the handler that writes.
package logging

import (
	"strings"
	"time"
)

// Every is how often an error that goes on is written again, with how often it came meanwhile.
const Every = 5 * time.Minute

// maxFolded bounds how many different errors are remembered.
const maxFolded = 500

// folder decides which errors are written: the first at once, then one in Every for those that go on. It knows no clock.
type folder[E any] struct {
	seen map[string]*repeats[E]
}

type repeats[E any] struct {
	written time.Time
	folded  int // how many came since then
	last    E   // of these
}

// decide tells whether an error is written.
func (f *folder[E]) decide(key string, e E, now time.Time) bool {
	x := f.seen[key]
	if x == nil {
		if len(f.seen) < maxFolded {
			f.seen[key] = &repeats[E]{written: now}
		}
		return true
	}
	x.folded++
	x.last = e
	return false
}

// due returns the errors that came again and whose time it is to be written, and forgets those that did not.
func (f *folder[E]) due(now time.Time) (all []repeats[E]) {
	for key, x := range f.seen {
		switch {
		case now.Sub(x.written) < Every:
		case x.folded == 0:
			delete(f.seen, key)
		default:
			all = append(all, *x)
			x.written, x.folded = now, 0
		}
	}
	return all
}

// alike makes one text of errors that differ by a number only: a port, a line, a time.
func alike(text string) string {
	return strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return '#'
		}
		return r
	}, text)
}
