package bridge

import (
	"context"
	"fmt"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/control"
	"github.com/siembridge/siembridge/bridge/delivery"
	"github.com/siembridge/siembridge/formats"
)

// audit is the Appender of a survey: it looks each record up in the journal, and appends it to the buffer.
type audit struct {
	buffer interface {
		buffer.Appender
		buffer.Journal
	}
	source   string
	covered  time.Time // up to when the source has read
	names    []string  // of the destinations
	filters  []*delivery.Filter
	refused  map[refusedKey]bool
	seen     map[string]struct{}
	report   control.SourceReport
	detected formats.Detection
}

func newAudit(b interface {
	buffer.Appender
	buffer.Journal
}, s *runningSource, destinations []config.Destination, refused map[refusedKey]bool) (*audit, error) {
	a := &audit{buffer: b, source: s.config.Name, covered: s.puller.Status().CoveredTo, refused: refused, seen: map[string]struct{}{}}
	a.report.Name = s.config.Name
	for i := range destinations {
		d := &destinations[i]
		var filter *delivery.Filter
		if d.Filter != "" {
			var err error
			if filter, err = delivery.NewFilter(d.Filter); err != nil {
				return nil, fmt.Errorf("destination %s: filter: %w", d.Name, err)
			}
		}
		a.names, a.filters = append(a.names, d.Name), append(a.filters, filter)
		a.report.Destinations = append(a.report.Destinations, control.DestinationReport{Name: d.Name})
	}
	return a, nil
}

// Checkpoint implements buffer.Appender: a survey has none.
func (a *audit) Checkpoint(string) ([]byte, error) { return nil, nil }

// Append implements buffer.Appender. Records are traced before they are appended: what is not known then was never
// pulled.
func (a *audit) Append(ctx context.Context, batch buffer.Batch) (buffer.Outcome, error) {
	if len(batch.Records) == 0 {
		return buffer.Outcome{}, nil
	}
	keys := make([]string, len(batch.Records))
	for i := range batch.Records {
		keys[i] = batch.Records[i].Key
	}
	traces, err := a.buffer.Trace(a.source, keys, a.names)
	if err != nil {
		return buffer.Outcome{}, err
	}
	batch.Checkpoint = nil
	outcome, err := a.buffer.Append(ctx, batch)
	if err != nil {
		return outcome, err
	}
	for i := range batch.Records {
		if _, again := a.seen[keys[i]]; again {
			continue
		}
		a.seen[keys[i]] = struct{}{}
		a.count(&batch.Records[i], &traces[i])
	}
	return outcome, nil
}

// count takes one record of the API into the report.
func (a *audit) count(r *buffer.Record, t *buffer.Trace) {
	if !t.Stored && (t.Known || r.Summary > 0) {
		return // an alert whose evidence are the events
	}
	a.report.Has++
	if !t.Known {
		if r.Changed.Before(a.covered) {
			a.report.Missed.Add(r.Key)
		} else {
			a.report.Behind++
		}
		return
	}
	for i, standing := range t.At {
		d := &a.report.Destinations[i]
		switch {
		case standing == buffer.StandingPending:
			d.Pending++
		case standing == buffer.StandingUnrouted:
			d.Unrouted++
		case standing == buffer.StandingDropped:
			d.Dropped++
		case standing == buffer.StandingLost:
			d.Missing.Add(r.Key)
		case a.refused[refusedKey{d.Name, a.source, r.Key}]:
			d.Quarantined++
		case a.filtered(i, r):
			d.Filtered++
		default:
			d.Confirmed++
		}
	}
}

// filtered tells whether a destination's filter keeps a record back.
func (a *audit) filtered(i int, r *buffer.Record) bool {
	return a.filters[i] != nil && delivery.Decode(r, &a.detected) == nil && !a.filters[i].Keep(&a.detected)
}
