package source

import (
	"slices"
	"time"
)

// Interval is a stretch of changed-time, from From up to but not including To, in Unix milliseconds.
type Interval struct{ From, To int64 }

// Start returns From as a time.
func (i Interval) Start() time.Time { return time.UnixMilli(i.From).UTC() }

// End returns To as a time.
func (i Interval) End() time.Time { return time.UnixMilli(i.To).UTC() }

func (i Interval) length() int64          { return max(0, i.To-i.From) }
func (i Interval) within(o Interval) bool { return o.From <= i.From && i.To <= o.To }

// coverage is a set of instants: intervals that are sorted, not empty, and neither overlap nor touch. Its methods
// return new sets.
type coverage []Interval

// union returns the set with one more interval.
func (c coverage) union(add Interval) coverage {
	if add.length() == 0 {
		return c
	}
	out := make(coverage, 0, len(c)+1)
	for _, i := range c {
		switch {
		case i.To < add.From:
			out = append(out, i)
		case add.To < i.From:
			out = append(out, add)
			add = i // what follows lies behind
		default:
			add = Interval{min(i.From, add.From), max(i.To, add.To)}
		}
	}
	return append(out, add)
}

// subtract returns the set without an interval.
func (c coverage) subtract(cut Interval) coverage {
	if cut.length() == 0 {
		return c
	}
	var out coverage
	for _, i := range c {
		if left := (Interval{i.From, min(i.To, cut.From)}); left.length() > 0 {
			out = append(out, left)
		}
		if right := (Interval{max(i.From, cut.To), i.To}); right.length() > 0 {
			out = append(out, right)
		}
	}
	return out
}

// without returns the set without all of another.
func (c coverage) without(o coverage) coverage {
	for _, i := range o {
		c = c.subtract(i)
	}
	return c
}

// before returns the part of the set that lies before an instant.
func (c coverage) before(end int64) coverage {
	out := slices.Clone(c)
	for len(out) > 0 && out[len(out)-1].From >= end {
		out = out[:len(out)-1]
	}
	if n := len(out); n > 0 && out[n-1].To > end {
		out[n-1].To = end
	}
	return out
}

// contains reports whether the whole of an interval is in the set.
func (c coverage) contains(i Interval) bool {
	if i.length() == 0 {
		return true
	}
	return slices.ContainsFunc(c, i.within)
}

// end returns the last instant of the set's first, unbroken stretch from origin on; origin when there is none.
func (c coverage) end(origin int64) int64 {
	for _, i := range c {
		if i.From <= origin && origin < i.To {
			return i.To
		}
	}
	return origin
}
