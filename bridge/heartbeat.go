package bridge

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/siembridge/siembridge/bridge/admin"
	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/delivery"
	"github.com/siembridge/siembridge/formats"
)

// statusSource is the internal source of the bridge's own events. No configured name begins with an underscore.
const statusSource = "_siembridge"

const (
	noticeEvery  = 15 * time.Second // how often the status is looked at for something to tell
	farewellTime = time.Second      // for the event that the bridge stops to go out
)

// heart beats for one destination.
type heart struct {
	every    time.Duration
	name     string
	pipeline *delivery.Pipeline
	worker   *delivery.Worker
}

// beat announces heartbeats until ctx ends: one at once, then one every interval.
func (b *Bridge) beat(ctx context.Context, h *heart) {
	tick := time.NewTicker(h.every)
	defer tick.Stop()
	for {
		s := b.Status()
		e := heartbeat(&s, h.name, time.Now())
		record := buffer.Record{Source: statusSource, API: buffer.APIBridge, Key: e.ID, Pulled: e.Time, Raw: e.Raw()}
		if frames, err := h.pipeline.RenderPast(&record); err != nil {
			b.log.Error("the heartbeat cannot be written", "destination", h.name, "error", err)
		} else {
			h.worker.Announce(frames)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// heartbeat is the bridge's state as one event for a destination.
func heartbeat(s *admin.Status, destination string, now time.Time) formats.StatusEvent {
	e := event("heartbeat", "informational", destination, "siembridge heartbeat", "", now)
	var pulled, delivered uint64
	var pending, lag int64
	failing := 0
	for i := range s.Sources {
		pulled += s.Sources[i].Pulled
		if s.Sources[i].State == "failing" || s.Sources[i].Stale != "" {
			failing++
		}
	}
	for i := range s.Destinations {
		if d := &s.Destinations[i]; d.Name == destination {
			delivered, pending = d.Delivered, d.Pending
			if !d.Oldest.IsZero() {
				lag = max(0, int64(now.Sub(d.Oldest).Seconds()))
			}
		}
	}
	e.Records, e.Events, e.Pending, e.Oldest, e.Failing, e.Buffered = &pulled, &delivered, &pending, &lag, &failing, &s.Buffer.Pending
	identify(&e)
	return e
}

// identify gives an event its id.
func identify(e *formats.StatusEvent) {
	e.ID = fmt.Sprintf("%s/%s/%d", formats.EventClass(&formats.Detection{Kind: formats.KindStatus, StatusClass: e.Class}), e.Subject, e.Time.UnixNano())
}

// tell puts an event of the bridge itself into the buffer, for the destinations that have a heartbeat.
func (b *Bridge) tell(ctx context.Context, e formats.StatusEvent) {
	if !b.hasHeart() {
		return
	}
	identify(&e)
	batch := buffer.Batch{Source: statusSource, Records: []buffer.Record{{Source: statusSource, API: buffer.APIBridge,
		Key: e.ID, Changed: e.Time, Pulled: e.Time, Raw: e.Raw()}}}
	if _, err := b.buffer.Append(ctx, batch); err != nil && ctx.Err() == nil {
		b.log.Error("an event of siembridge itself cannot be stored", "class", e.Class, "error", err)
	}
}

// notice tells what happens until ctx ends, from the start on.
func (b *Bridge) notice(ctx context.Context) {
	b.tell(ctx, event("started", "informational", "", "siembridge has started", "Version "+b.version, time.Now()))
	n := newNotices()
	tick := time.NewTicker(noticeEvery)
	defer tick.Stop()
	for {
		// The first look is at once: what is dropped from now on is told.
		s := b.Status()
		for _, e := range n.look(&s, time.Now()) {
			b.logNotice(&e)
			b.tell(ctx, e)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// logNotice logs what is told of the buffer and of credentials; what else is told of sources their own log lines say.
func (b *Bridge) logNotice(e *formats.StatusEvent) {
	switch e.Class {
	case "buffer full", "dropping":
		b.log.Warn(e.Title+". "+e.Text, "destination", e.Subject)
	case "credential near its end":
		b.log.Warn(e.Title+": "+e.Text, "name", e.Subject)
	case "drained":
		b.log.Info(e.Title + ". " + e.Text)
	}
}

// farewell tells that the bridge stops, and gives that a moment to go out. What does not goes out after the next start.
func (b *Bridge) farewell() {
	if !b.hasHeart() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), farewellTime)
	defer cancel()
	b.tell(ctx, event("stopped", "informational", "", "siembridge stops", "It was told to, or its sources have come to their end", time.Now()))
	b.delivered(ctx)
}

// hasHeart tells whether some destination wants events of the bridge itself.
func (b *Bridge) hasHeart() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.ContainsFunc(b.destinations, func(d *runningDestination) bool { return d.heart != nil })
}
