package logging_test

import (
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/siembridge/siembridge/bridge/logging"
)

// An error that goes on is written once in five minutes, with how often it came.
func ExampleNewHandler() {
	now := time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)
	withoutTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	log := slog.New(logging.NewHandler(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTime}), func() time.Time { return now }))
	for range 90 {
		log.Warn("destination is down", "destination", "qradar", "error", errors.New("connection refused"))
		now = now.Add(4 * time.Second)
	}
	// Output:
	// level=WARN msg="destination is down" destination=qradar error="connection refused"
	// level=WARN msg="destination is down" destination=qradar error="connection refused" repeated=74
}
