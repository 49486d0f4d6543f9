package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/siembridge/siembridge/bridge/admin"
	"github.com/siembridge/siembridge/bridge/terminal"
)

// showBackfill shows on a terminal how far sources have come with files that take a while, until ctx ends.
func showBackfill(ctx context.Context, line *terminal.Line, status func() admin.Status) {
	if !line.Shown() {
		return
	}
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	defer line.Clear()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		s := status()
		if text := backfill(&s); text != "" {
			line.Show(text)
		} else {
			line.Clear()
		}
	}
}

// backfill words what is left to do of files; "" when that is nothing.
func backfill(s *admin.Status) string {
	var parts []string
	left := int64(0)
	for i := range s.Destinations {
		left = max(left, s.Destinations[i].Pending)
	}
	for i := range s.Sources {
		x := &s.Sources[i]
		ended := x.State == "ended"
		if done := x.Backfill(); done != "" && (ended && left > 0 || !ended && (x.Total == 0 || x.Read < x.Total)) {
			parts = append(parts, fmt.Sprintf("%s: %s, %d records stored", x.Name, done, x.Pulled))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("%s; %d to deliver", strings.Join(parts, "; "), left)
}
