package bridge

import (
	"fmt"
	"strings"
	"time"

	"github.com/siembridge/siembridge/bridge/admin"
	"github.com/siembridge/siembridge/bridge/control"
	"github.com/siembridge/siembridge/formats"
)

// Bounds of what is told to the SIEM.
const (
	failingFor    = 5 * time.Minute // a source that fails no longer than this is not worth an event
	droppingEvery = time.Hour       // while records are dropped, how often that is told
	warnEvery     = 24 * time.Hour  // a credential near its end
)

// notices decides, from one status to the next, what the bridge tells the SIEM of itself. It knows no clock and sends
// nothing.
type notices struct {
	sources      map[string]*noticedSource
	destinations map[string]*noticedDestination
	full         bool
}

type noticedSource struct {
	failing time.Time // since when; zero: it does not fail
	told    bool      // that it fails or is stale
	warned  time.Time // of its credential
}

type noticedDestination struct {
	dropped uint64
	told    time.Time // that records are dropped
	warned  time.Time // of a certificate
}

func newNotices() *notices {
	return &notices{sources: map[string]*noticedSource{}, destinations: map[string]*noticedDestination{}}
}

// look returns the events that a status gives rise to.
func (n *notices) look(s *admin.Status, now time.Time) []formats.StatusEvent {
	var events []formats.StatusEvent
	for i := range s.Sources {
		events = append(events, n.source(&s.Sources[i], now)...)
	}
	for i := range s.Destinations {
		events = append(events, n.destination(&s.Destinations[i], now)...)
	}
	return append(events, n.buffer(&s.Buffer, now)...)
}

func (n *notices) source(s *admin.Source, now time.Time) (events []formats.StatusEvent) {
	x := n.sources[s.Name]
	if x == nil {
		x = &noticedSource{}
		n.sources[s.Name] = x
	}
	if s.State != "failing" {
		x.failing = time.Time{}
	} else if x.failing.IsZero() {
		x.failing = now
	}
	failing := !x.failing.IsZero() && now.Sub(x.failing) >= failingFor
	switch {
	case failing && !x.told:
		events = append(events, event("stale", "medium", s.Name, "Source "+s.Name+" fails", s.Error, now))
	case s.Stale != "" && !x.told:
		events = append(events, event("stale", "medium", s.Name, "Source "+s.Name+" is stale", s.Stale, now))
	case x.told && x.failing.IsZero() && s.Stale == "" && s.State == "ok":
		events = append(events, event("recovered", "informational", s.Name, "Source "+s.Name+" has recovered", "", now))
		x.told = false
	}
	x.told = x.told || failing || s.Stale != ""
	if warn(&x.warned, s.Warning, now) {
		events = append(events, event("credential near its end", "medium", s.Name, "The credential of source "+s.Name+" is near its end", s.Warning, now))
	}
	return events
}

func (n *notices) destination(d *admin.Destination, now time.Time) (events []formats.StatusEvent) {
	x := n.destinations[d.Name]
	if x == nil {
		x = &noticedDestination{dropped: d.Dropped}
		n.destinations[d.Name] = x
	}
	if d.Dropped > x.dropped && now.Sub(x.told) >= droppingEvery {
		events = append(events, event("dropping", "high", d.Name, "Records for destination "+d.Name+" are dropped",
			fmt.Sprintf("The buffer is full and overflow is drop-oldest: %d records were dropped since this was last told. Bring the destination up, or give buffer.max_size more room", d.Dropped-x.dropped), now))
		x.dropped, x.told = d.Dropped, now
	}
	if warn(&x.warned, d.Warning, now) {
		events = append(events, event("credential near its end", "medium", d.Name, "A certificate of destination "+d.Name+" is near its end", d.Warning, now))
	}
	return events
}

func (n *notices) buffer(b *admin.Buffer, now time.Time) []formats.StatusEvent {
	switch {
	case b.Blocked && !n.full:
		n.full = true
		return []formats.StatusEvent{event("buffer full", "high", "", "The buffer is full and pulling waits",
			"Nothing is lost while Microsoft keeps the records. Bring the destination that is behind up, or give buffer.max_size more room", now)}
	case !b.Blocked && n.full && b.Pending < b.Limit/2:
		n.full = false
		return []formats.StatusEvent{event("drained", "informational", "", "The buffer has room again", "Half of it or more is free; pulling goes on", now)}
	}
	return nil
}

// warn tells whether a warning is to be told: once a day while it holds.
func warn(told *time.Time, warning string, now time.Time) bool {
	switch {
	case warning == "":
		*told = time.Time{}
	case now.Sub(*told) >= warnEvery:
		*told = now
		return true
	}
	return false
}

// event makes an event of the bridge itself.
func event(class, severity, subject, title, text string, now time.Time) formats.StatusEvent {
	return formats.StatusEvent{Class: class, Severity: severity, Subject: subject, Title: title, Text: text, Time: now.UTC()}
}

// missing returns an event for each source of which a reconciliation misses records.
func missing(r *control.Report, now time.Time) (events []formats.StatusEvent) {
	for i := range r.Sources {
		s := &r.Sources[i]
		severity, parts := "medium", []string(nil)
		if s.Missed.Count > 0 {
			parts = append(parts, fmt.Sprintf("%d records were never pulled and are pulled now (%s)", s.Missed.Count, some(s.Missed)))
		}
		for _, d := range s.Destinations {
			if d.Missing.Count > 0 {
				severity = "high"
				parts = append(parts, fmt.Sprintf("%d are missing at %s (%s)", d.Missing.Count, d.Name, some(d.Missing)))
			}
		}
		if len(parts) > 0 {
			text := fmt.Sprintf("%s. siembridge reconcile --since %s --until %s names them all; what is missing at a destination is to be looked up in the Defender portal",
				strings.Join(parts, "; "), r.Since.UTC().Format(time.RFC3339), r.Until.UTC().Format(time.RFC3339))
			events = append(events, event("records missing", severity, s.Name, "Records of source "+s.Name+" are missing", text, now))
		}
	}
	return events
}

// some names the first of them.
func some(ids control.IDs) string {
	text := strings.Join(ids.IDs[:min(len(ids.IDs), 3)], ", ")
	if ids.Count > 3 {
		text += ", …"
	}
	return text
}
