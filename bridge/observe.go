package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/siembridge/siembridge/bridge/admin"
)

// observeEvery is how often the state is looked at for the plots and for what is usual of a source.
const observeEvery = 15 * time.Second

// observe keeps the history until ctx ends.
func (b *Bridge) observe(ctx context.Context) {
	tick := time.NewTicker(observeEvery)
	defer tick.Stop()
	before := map[string]uint64{}
	for {
		b.sample(before, time.Now())
		select {
		case <-tick.C:
		case <-ctx.Done():
			b.history.Save()
			return
		}
	}
}

// sample notes arrivals, and a minute of the plots when one is over.
func (b *Bridge) sample(before map[string]uint64, now time.Time) {
	b.mu.Lock()
	sources := b.sources
	b.mu.Unlock()
	for _, x := range sources {
		s := x.puller.Status()
		if s.Pulled > before[x.config.Name] {
			b.arrivals(x.config.Name, func(a *arrivals) { a.note(now) })
		}
		before[x.config.Name] = s.Pulled
	}
	s := b.Status()
	point := admin.Point{Sources: map[string]uint64{}, Destinations: map[string]admin.DestinationPoint{}}
	for i := range s.Sources {
		point.Sources[s.Sources[i].Name] = s.Sources[i].Pulled
	}
	latency := b.shared.delivery.Latency()
	for i := range s.Destinations {
		d := &s.Destinations[i]
		point.Destinations[d.Name] = admin.DestinationPoint{Delivered: d.Delivered, Backlog: d.Pending, LatencySum: latency[d.Name].Sum, LatencyCount: latency[d.Name].Count}
	}
	b.history.Add(now, point)
}

// arrivals gives f what is known of a source's arrivals, and keeps what f makes of it.
func (b *Bridge) arrivals(source string, f func(*arrivals)) {
	b.history.Note("arrivals/"+source, func(old []byte) []byte {
		var a arrivals
		if old != nil && json.Unmarshal(old, &a) != nil {
			a = arrivals{} // as good as lost
		}
		f(&a)
		text, err := json.Marshal(a)
		if err != nil {
			return old
		}
		return text
	})
}

// arrived says when a source's newest record came, and what is unlike its usual rate. One that fails is not stale: it
// does not answer.
func (b *Bridge) arrived(source, state string) (newest time.Time, stale string) {
	b.arrivals(source, func(a *arrivals) {
		newest = a.Last
		if is, quiet, usual := a.stale(time.Now()); is && state == "ok" {
			stale = fmt.Sprintf("it answers, but has brought nothing new for %s; its longest silence of the last 14 days was %s; look in the portal whether there are newer alerts, and at the permissions of the app",
				quiet.Round(time.Minute), usual.Round(time.Minute))
		}
	})
	return newest, stale
}

// events are the newest events of all destinations as they were sent, newest first.
func (b *Bridge) events() []admin.Event {
	var all []admin.Event
	b.mu.Lock()
	destinations := b.destinations
	b.mu.Unlock()
	for _, d := range destinations {
		for _, sent := range d.worker.Recent() {
			all = append(all, admin.Event{At: sent.At, Source: sent.Source, Destination: d.config.Name, Text: strings.ToValidUTF8(string(sent.Frames), "\uFFFD")})
		}
	}
	slices.SortStableFunc(all, func(x, y admin.Event) int { return y.At.Compare(x.At) })
	return all[:min(len(all), 20)]
}
