package source

import (
	"context"
	"errors"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/formats/defender"
)

// Bounds of a poll.
const (
	batchBytes   = 4 << 20 // records are appended in batches of about so much
	batchRecords = 1000
	batchAhead   = 1 << 20        // of a source that reads ahead, while nothing is being stored
	maxLinks     = 50             // next links followed in one window
	oldAfter     = 24 * time.Hour // a record that Microsoft changed longer ago is pulled by back-fill
)

// poll reads what is not covered yet, up to the server's now. It is false when it was ended before.
func (s *Source) poll(ctx context.Context) (ended bool) {
	s.plan.begin(time.Now().Add(s.skew).UnixMilli())
	failures := 0
	for ctx.Err() == nil {
		w, more := s.plan.next()
		if !more {
			s.note(buffer.Outcome{})
			s.worked()
			return true
		}
		err := s.readWindow(ctx, w)
		if err == nil {
			failures = 0
			continue
		}
		if ctx.Err() != nil {
			return false
		}
		failures++
		if s.patience > 0 && failures >= s.patience {
			s.failed(&Error{Reason: ReasonServer, Message: err.Error(), Remedy: "try again later", cause: err})
			return false
		}
		if s.afterFailure(ctx, w, err, failures) != nil {
			return false
		}
	}
	return false
}

// afterFailure waits as the failure asks for, and finds out whether it lies in the window. Its error ends the poll.
func (s *Source) afterFailure(ctx context.Context, w window, err error, failures int) error {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Reason: ReasonBuffer, Message: err.Error(), Remedy: "it is tried again; make room on the disk of state_dir if it is full", cause: err}
	}
	s.failed(e)
	wait := s.o.Backoff.after(e, failures)
	if e.Reason == ReasonThrottled {
		s.client.limiter.pause(wait)
		return nil
	}
	if !e.windowed() {
		return sleep(ctx, wait)
	}
	verdict := s.plan.failed(w)
	if verdict == probe {
		known := s.plan.probeWindow()
		_, err := s.client.get(ctx, s.api.url(s.client.base, query{changed: known.Interval, top: 1}), true, func(defender.Found) error { return nil })
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var refused *Error
		if errors.As(err, &refused) && refused.Reason == ReasonThrottled {
			s.client.limiter.pause(s.o.Backoff.after(refused, failures))
		}
		holes := len(s.plan.holes)
		verdict = s.plan.probed(w, err == nil, e.Message)
		if len(s.plan.holes) > holes {
			s.setAside(w, e.Message)
		}
	}
	if verdict == again {
		return nil
	}
	return sleep(ctx, wait)
}

// setAside reports a new hole and stores it.
func (s *Source) setAside(w window, reason string) {
	s.log.Error("a part of the API cannot be read although its neighbours can; it is set aside and tried again every 6 hours",
		"from", w.Start(), "to", w.End(), "reason", reason)
	s.keep()
}

// keep stores the checkpoint without records.
func (s *Source) keep() {
	data, err := s.plan.encode()
	if err == nil {
		_, err = s.o.Buffer.Append(context.Background(), buffer.Batch{Source: s.o.Name, Checkpoint: data})
	}
	if err != nil {
		s.log.Error("the checkpoint cannot be stored", "error", err)
	}
}

// readWindow reads one window to its end, or finds that it holds more than a page.
func (s *Source) readWindow(ctx context.Context, w window) error {
	b := s.newBatch(ctx)
	catchUp := s.plan.catchingUp(w)
	if w.Dense {
		return s.readDense(ctx, b, w, catchUp)
	}
	got, err := s.client.get(ctx, s.api.url(s.client.base, query{changed: w.Interval}), catchUp, b.add)
	s.clock(got)
	if errors.Is(err, errTooLarge) {
		if err := b.flush(nil); err != nil {
			return err
		}
		if s.plan.full(w, b.keys) {
			return nil
		}
		return s.readDense(ctx, b, w, catchUp)
	}
	if err != nil {
		return errors.Join(err, b.flush(nil))
	}
	if s.api.top > 0 && got.rows >= s.api.top {
		// What a full page brought is stored first; the plan then cuts the window.
		if err := b.flush(nil); err != nil {
			return err
		}
		if s.plan.full(w, b.keys) {
			return nil
		}
		return s.readDense(ctx, b, w, catchUp)
	}
	all, err := s.follow(ctx, b, got, catchUp)
	if err != nil {
		return errors.Join(err, b.flush(nil))
	}
	return s.windowDone(w, b, all.rows, all.date)
}

// follow reads the pages behind a page that was not full: a bounded number, none twice, on the same host. It returns
// the rows of all pages and the earliest date.
func (s *Source) follow(ctx context.Context, b *batch, got answer, catchUp bool) (all answer, err error) {
	all = answer{rows: got.rows, date: got.date}
	seen := map[string]bool{}
	for got.next != "" {
		link := got.next
		switch {
		case !s.client.sameHost(link):
			return all, &Error{Reason: ReasonResponse, Slow: true, Message: "the API's next link leaves " + s.client.host() + " and was not followed",
				Remedy: "check endpoint and the proxy in between: the token is sent nowhere else"}
		case seen[link] || len(seen) >= maxLinks:
			return all, &Error{Reason: ReasonResponse, Message: "the API's next links do not come to an end", Remedy: "the window is read again"}
		}
		seen[link] = true
		if got, err = s.client.get(ctx, link, catchUp, b.add); err != nil {
			var e *Error
			if errors.As(err, &e) && e.Reason == ReasonRequest { // the link is the API's own: a smaller window may need none
				err = &Error{Reason: ReasonResponse, Status: e.Status, Message: "the next link that the API gave is refused: " + e.Message,
					Remedy: "the window is read again, in parts if it stays so", cause: err}
			}
			return all, err
		}
		all.rows += got.rows
		if got.date.Before(all.date) {
			all.date = got.date
		}
	}
	return all, nil
}

// windowDone tells the plan that a window was read, in so many rows, and stores the rest of its records with the new
// coverage.
func (s *Source) windowDone(w window, b *batch, rows int, date time.Time) error {
	before := *s.plan
	if s.fresh { // it begins where the server's clock says, if ours is ahead of it
		s.plan.since(s.o.Start(date).UnixMilli())
	}
	s.plan.done(w, rows, b.keys, date.UnixMilli())
	data, err := s.plan.encode()
	if err == nil {
		err = b.flush(data)
	}
	if err != nil {
		*s.plan = before // the coverage never runs ahead of the records
		return err
	}
	s.fresh = false
	s.progressed()
	return nil
}

// clock notes how far the server's clock is from ours.
func (s *Source) clock(got answer) {
	if !got.date.IsZero() {
		s.skew = time.Until(got.date)
	}
}

// storeError is an error of the buffer on its way through the reading of a page.
type storeError struct{ error }

func (e *storeError) Unwrap() error { return e.error }

// batch collects the records of a window.
type batch struct {
	collector
	s    *Source
	keys map[string]struct{} // of all rows of the window
}

func (s *Source) newBatch(ctx context.Context) *batch {
	return &batch{s: s, keys: map[string]struct{}{}, collector: collector{ctx: ctx, source: s.o.Name, buffer: s.o.Buffer,
		noUpdates: s.o.NoUpdates, evidence: s.o.Evidence, note: s.note}}
}

// add takes one record of a page.
func (b *batch) add(f defender.Found) error {
	key, err := b.collect(f)
	b.keys[key] = struct{}{}
	return err
}
