package bridge

import (
	"testing"
	"time"
)

func TestStale(t *testing.T) {
	start := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	steady := func(n int, every time.Duration) (a arrivals, now time.Time) {
		now = start
		for range n {
			a.note(now)
			now = now.Add(every)
		}
		return a, a.Last
	}
	tests := []struct {
		name  string
		n     int
		every time.Duration
		quiet time.Duration
		want  bool
	}{
		{"never brought anything", 0, 0, 1000 * time.Hour, false},
		{"too little known", 5, time.Minute, 1000 * time.Hour, false},
		{"within the usual", 50, 10 * time.Minute, 25 * time.Minute, false},
		{"a short silence of a busy source", 200, time.Second, 59 * time.Minute, false},
		{"a busy source", 200, time.Second, 61 * time.Minute, true},
		{"a slow source at three times its silence", 30, 8 * time.Hour, 24 * time.Hour, false},
		{"a slow source beyond", 30, 8 * time.Hour, 25 * time.Hour, true},
		{"more arrivals than are kept", arrivalsMost + 500, time.Minute, 2 * time.Hour, true},
	}
	for _, tt := range tests {
		a, last := steady(tt.n, tt.every)
		if last.IsZero() {
			last = start
		}
		got, quiet, _ := a.stale(last.Add(tt.quiet))
		if got != tt.want {
			t.Errorf("%s: stale %v after %v", tt.name, got, tt.quiet)
		}
		if tt.n > 0 && quiet != tt.quiet {
			t.Errorf("%s: the newest record is %v old, want %v", tt.name, quiet, tt.quiet)
		}
		if len(a.Gaps) > arrivalsMost {
			t.Errorf("%s: %d gaps are kept", tt.name, len(a.Gaps))
		}
	}
}

// A quiet weekend is usual after the first one.
func TestStaleLearnsWeekends(t *testing.T) {
	var a arrivals
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC) // a Monday
	for day := range 12 {
		if now.Weekday() != time.Saturday && now.Weekday() != time.Sunday {
			for range 36 {
				a.note(now)
				now = now.Add(15 * time.Minute)
			}
			now = now.Add(15 * time.Hour)
		} else {
			now = now.Add(24 * time.Hour)
		}
		_ = day
	}
	if stale, quiet, usual := a.stale(a.Last.Add(63 * time.Hour)); stale {
		t.Errorf("a weekend of %v is stale, although %v is usual", quiet, usual)
	}
	if stale, _, usual := a.stale(a.Last.Add(8 * 24 * time.Hour)); !stale {
		t.Errorf("8 days are not stale, with %v usual", usual)
	}
}
