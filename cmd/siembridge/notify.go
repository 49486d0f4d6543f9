package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/siembridge/siembridge/bridge/admin"
)

// statusEvery is how often systemd is told the state.
const statusEvery = 30 * time.Second

// notify tells systemd a state; where there is none it does nothing.
func notify(state string) { _, _ = daemon.SdNotify(false, state) }

// notifyReloading tells systemd that the configuration is read again. READY ends it.
func notifyReloading() {
	notify(fmt.Sprintf("%s\nMONOTONIC_USEC=%d", daemon.SdNotifyReloading, monotonic()))
}

// tellSystemd sends the state and the watchdog's sign of life until ctx ends. The sign depends on the status being
// there to be asked for: a lock that is never given back stops it.
func tellSystemd(ctx context.Context, s interface{ Status() admin.Status }) {
	every := statusEvery
	if interval, err := daemon.SdWatchdogEnabled(false); err == nil && interval > 0 {
		every = min(every, interval/3)
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		status := s.Status()
		notify(daemon.SdNotifyWatchdog + "\nSTATUS=" + statusLine(&status))
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// statusLine is the state in one line.
func statusLine(s *admin.Status) string {
	trouble := s.Trouble()
	if len(trouble) == 0 {
		pending := int64(0)
		for _, d := range s.Destinations {
			pending = max(pending, d.Pending)
		}
		return fmt.Sprintf("all is well; %d sources, %d destinations, %d records pending", len(s.Sources), len(s.Destinations), pending)
	}
	line := strings.ReplaceAll(trouble[0], "\n", " ")
	if len(trouble) > 1 {
		line += fmt.Sprintf(" (and %d more)", len(trouble)-1)
	}
	return line
}
