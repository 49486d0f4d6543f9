package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/siembridge/siembridge/bridge/admin"
	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/control"
	"github.com/siembridge/siembridge/bridge/delivery"
	"github.com/siembridge/siembridge/bridge/source"
)

// journalDays is for how long keys are remembered.
const journalDays = 200

// Reconcile asks each API what it has of a period and holds it against what each destination has confirmed. What was
// never pulled is pulled, through the normal path. One reconciliation runs at a time; another waits. Sources that read
// files are left out. The period begins 200 days ago at most. What an API does not answer is in the report, not an error.
func (b *Bridge) Reconcile(ctx context.Context, p control.Period) (control.Report, error) {
	now := time.Now()
	if err := settle(&p, now); err != nil {
		return control.Report{}, err
	}
	if now.Sub(p.Since) > journalDays*24*time.Hour {
		return control.Report{}, fmt.Errorf("what was delivered is remembered for %d days: give a later since", journalDays)
	}
	b.reconciling.Lock()
	defer b.reconciling.Unlock()
	b.changing.Lock()
	running := b.running
	b.changing.Unlock()
	if running == nil {
		return control.Report{}, errNotRunning
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(running, cancel)()
	b.mu.Lock()
	sources, c := b.sources, b.config
	b.mu.Unlock()
	refused, err := b.refused(c)
	if err != nil {
		return control.Report{}, err
	}
	r := control.Report{At: now, Since: p.Since, Until: p.Until}
	for _, s := range sources {
		puller, ok := s.puller.(*source.Source)
		if !ok {
			continue
		}
		a, err := newAudit(b.buffer, s, c.Destinations, refused)
		if err != nil {
			return r, err
		}
		holes, err := puller.Survey(ctx, p.Since, p.Until, a)
		if err != nil {
			if ctx.Err() != nil {
				return r, err
			}
			a.report.Error = err.Error()
		}
		for _, h := range holes {
			a.report.Unread = append(a.report.Unread, control.Span{From: h.Start(), To: h.End()})
		}
		r.Sources = append(r.Sources, a.report)
	}
	return r, b.reconciled(ctx, &r)
}

// refusedKey is a record that a receiver refused.
type refusedKey struct{ destination, source, key string }

// refused returns what is in quarantine because it could not be delivered.
func (b *Bridge) refused(c *config.Config) (map[refusedKey]bool, error) {
	list, err := b.buffer.Quarantine().List()
	if err != nil {
		return nil, err
	}
	all := map[refusedKey]bool{}
	for _, q := range list {
		for _, d := range c.Destinations {
			if q.Reason == d.Name+": "+delivery.ReasonRefused {
				all[refusedKey{d.Name, q.Record.Source, q.Record.Key}] = true
			}
		}
	}
	return all, nil
}

// Where the last reconciliation is noted.
const reconcileNote = "reconcile"

// reconciled keeps the outcome for the status, over restarts, logs it, and tells the SIEM what is missing.
func (b *Bridge) reconciled(ctx context.Context, r *control.Report) error {
	last := admin.Reconciliation{At: r.At, Since: r.Since, Until: r.Until, Missing: r.Missing()}
	for _, s := range r.Sources {
		if s.Error != "" {
			last.Errors = append(last.Errors, "source "+s.Name+": "+s.Error)
		}
		if len(s.Unread) > 0 {
			last.Errors = append(last.Errors, fmt.Sprintf("source %s: %d parts of the period cannot be read", s.Name, len(s.Unread)))
		}
		log := b.log.With("source", s.Name)
		if s.Missed.Count > 0 {
			log.Warn("reconcile: records were never pulled; they are pulled now", "records", s.Missed.Count, "first", s.Missed.IDs[0])
		}
		for _, d := range s.Destinations {
			if d.Missing.Count > 0 {
				log.Error("reconcile: records are missing at a destination; what the API still has is sent again, and siembridge reconcile names them", "destination", d.Name, "records", d.Missing.Count, "first", d.Missing.IDs[0])
			}
		}
	}
	b.log.Info("reconciled", "since", r.Since, "until", r.Until, "missing", last.Missing, "errors", len(last.Errors))
	for _, e := range missing(r, time.Now()) {
		b.tell(ctx, e)
	}
	b.mu.Lock()
	b.reconciliation = &last
	b.mu.Unlock()
	note, err := json.Marshal(last)
	if err != nil {
		return err
	}
	return b.buffer.SetNote(reconcileNote, "last", note)
}

// lastReconciliation reads what was noted; nil when nothing was.
func lastReconciliation(notes buffer.Notes) *admin.Reconciliation {
	note, err := notes.Note(reconcileNote, "last")
	if err != nil || note == nil {
		return nil
	}
	var last admin.Reconciliation
	if json.Unmarshal(note, &last) != nil {
		return nil
	}
	return &last
}

// lookedAt is how many damaged parts of the buffer were known when records were last pulled again for their sake.
type lookedAt int

// due tells whether it is time for a reconciliation, and of which period: at once when a part of the buffer was found
// damaged, so that what it held is pulled again; else every so often.
func (l lookedAt) due(now, last time.Time, c config.Reconcile, parts int, damaged time.Time) (p control.Period, due bool) {
	p = control.Period{Since: now.Add(-c.Window), Until: now}
	if parts > int(l) {
		since := now.Add(-damageWindow)
		if !damaged.IsZero() {
			since = damaged.Add(-24 * time.Hour) // records show late, and are pulled later
		}
		if since.Before(p.Since) {
			p.Since = since
		}
		if oldest := now.Add(-journalDays*24*time.Hour + time.Hour); p.Since.Before(oldest) {
			p.Since = oldest
		}
		return p, true
	}
	return p, c.Every > 0 && now.Sub(last) >= c.Every
}

// damageWindow is how far back records are pulled again when nothing tells how old the damaged ones are.
const damageWindow = 30 * 24 * time.Hour

// reconcileRegularly runs the reconciliations of [reconcile], and those that damage of the buffer asks for, until ctx
// ends. The first regular one comes a full interval after the start of a bridge that has never reconciled.
func (b *Bridge) reconcileRegularly(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	var looked lookedAt
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if b.sharing != nil && !b.sharing.First() {
			continue
		}
		b.mu.Lock()
		c, last := b.config.Reconcile, b.started
		if b.reconciliation != nil {
			last = b.reconciliation.At
		}
		b.mu.Unlock()
		parts, damaged := b.buffer.Damage()
		period, due := looked.due(time.Now(), last, c, parts, damaged)
		if !due {
			continue
		}
		if _, err := b.Reconcile(ctx, period); err != nil {
			if ctx.Err() == nil {
				b.log.Error("the reconciliation failed; it is tried again in a minute", "error", err)
			}
			continue
		}
		looked = lookedAt(parts)
	}
}
