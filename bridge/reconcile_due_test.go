package bridge

import (
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/config"
)

// TestReconcileDue: a reconciliation comes every so often, and at once when a part of the buffer was found damaged,
// for the time in which what it held may have been pulled.
func TestReconcileDue(t *testing.T) {
	const day = 24 * time.Hour
	now := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	daily := config.Reconcile{Every: day, Window: 2 * day}
	for name, c := range map[string]struct {
		looked  lookedAt
		last    time.Duration // ago
		config  config.Reconcile
		parts   int
		damaged time.Time
		due     bool
		reaches time.Duration
	}{
		"not yet":                      {last: 23 * time.Hour, config: daily},
		"a day later":                  {last: day, config: daily, due: true, reaches: 2 * day},
		"turned off":                   {last: 50 * day, config: config.Reconcile{Window: 2 * day}},
		"damage":                       {config: daily, parts: 1, damaged: now.Add(-5 * day), due: true, reaches: 6 * day},
		"damage of today":              {config: daily, parts: 1, damaged: now.Add(-time.Hour), due: true, reaches: 2 * day},
		"damage, and it is turned off": {config: config.Reconcile{Window: 2 * day}, parts: 1, damaged: now.Add(-5 * day), due: true, reaches: 6 * day},
		"damage of unknown age":        {config: daily, parts: 1, due: true, reaches: damageWindow},
		"older than the journal":       {config: daily, parts: 1, damaged: now.Add(-300 * day), due: true, reaches: journalDays*day - time.Hour},
		"damage that was looked at":    {looked: 1, config: daily, parts: 1},
		"more damage":                  {looked: 1, config: daily, parts: 2, damaged: now.Add(-5 * day), due: true, reaches: 6 * day},
	} {
		t.Run(name, func(t *testing.T) {
			p, due := c.looked.due(now, now.Add(-c.last), c.config, c.parts, c.damaged)
			if due != c.due || due && (now.Sub(p.Since) != c.reaches || p.Until != now) {
				t.Errorf("due %v, since %v ago; want %v, %v", due, now.Sub(p.Since), c.due, c.reaches)
			}
		})
	}
}
