package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/siembridge/siembridge/formats/defender"
)

// Bounds of the reading of a dense window. At 500 requests its keys, all of which are held, need some 30 MB.
const (
	maxDense   = 500 // requests
	maxPasses  = 20  // over a set that moves
	denseTries = 5   // of one request: the whole is not begun anew because of one of many
)

// errSpent: a dense window needs more than maxDense requests.
var errSpent = errors.New("too many requests")

// dense reads a window that cannot be cut by its changed-time: page by page with $skip, until a pass brings nothing
// new. What reaches beyond the largest $skip is cut by the creation time.
type dense struct {
	s       *Source
	ctx     context.Context
	b       *batch
	changed Interval
	catchUp bool

	requests int
	created  []int64   // of the rows of this pass, Unix milliseconds
	date     time.Time // the earliest of all answers
	beyond   string    // why not all of it could be read; "" when all was
}

// readDense reads a window as a dense one. What of it the API does not let be read is set aside as a hole at once:
// trying again would change nothing.
func (s *Source) readDense(ctx context.Context, b *batch, w window, catchUp bool) error {
	d := &dense{s: s, ctx: ctx, b: b, changed: w.Interval, catchUp: catchUp}
	if err := d.read(nil); err != nil {
		return errors.Join(err, b.flush(nil))
	}
	if d.beyond == "" {
		return s.windowDone(w, b, 0, d.date)
	}
	if err := b.flush(nil); err != nil {
		return err
	}
	holes := len(s.plan.holes)
	verdict := s.plan.unreachable(w, b.keys, d.beyond)
	if len(s.plan.holes) > holes {
		s.setAside(w, d.beyond)
	}
	if verdict == pause {
		return sleep(ctx, s.o.Backoff.Cap)
	}
	return nil
}

// read reads what was created in an interval, or all when it is nil.
func (d *dense) read(created *Interval) error {
	for range maxPasses {
		known := len(d.b.keys)
		more, err := d.pass(created)
		switch {
		case errors.Is(err, errSpent):
			d.beyond = fmt.Sprintf("more than %d requests would be needed to read the records that were changed at one time", maxDense)
			return nil
		case err != nil:
			return err
		case more:
			return d.cut(created)
		case len(d.b.keys) == known:
			return nil
		}
	}
	d.beyond = "each time it is read, the records that were changed at one time are others"
	return nil
}

// pass reads the pages of an interval once. more: it holds more than they reach.
func (d *dense) pass(created *Interval) (more bool, err error) {
	d.created = d.created[:0]
	for skip := 0; ; skip = min(skip+d.s.api.top, d.s.api.maxSkip) {
		got, err := d.get(query{changed: d.changed, created: created, skip: skip})
		if errors.Is(err, errTooLarge) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		if d.s.api.top == 0 || got.rows < d.s.api.top {
			_, err := d.s.follow(d.ctx, d.b, got, d.catchUp)
			return false, err
		}
		if skip >= d.s.api.maxSkip {
			return true, nil
		}
	}
}

// get requests one page, again after failures that may pass.
func (d *dense) get(q query) (got answer, err error) {
	for n := 1; ; n++ {
		if d.requests++; d.requests > maxDense {
			return got, errSpent
		}
		got, err = d.s.client.get(d.ctx, d.s.api.url(d.s.client.base, q), d.catchUp, func(f defender.Found) error {
			if at, ok := timeOf(f.Record, d.s.api.created); ok {
				d.created = append(d.created, at.UnixMilli())
			}
			return d.b.add(f)
		})
		if err == nil {
			if d.date.IsZero() || got.date.Before(d.date) {
				d.date = got.date
			}
			return got, nil
		}
		var e *Error
		if n == denseTries || errors.Is(err, errTooLarge) || !errors.As(err, &e) || !e.windowed() && e.Reason != ReasonThrottled {
			return got, err
		}
		d.s.failed(e)
		if err := sleep(d.ctx, d.s.o.Backoff.after(e, n)); err != nil {
			return got, err
		}
	}
}

// cut reads the parts of an interval of creation time that holds more than its pages reach.
func (d *dense) cut(created *Interval) error {
	whole := Interval{0, d.changed.To + 366*24*hourInMillis}
	if created != nil {
		whole = *created
	}
	if d.s.api.created == "" || whole.length() <= 1 {
		d.beyond = fmt.Sprintf("more records were changed at one time and created at %s than the %d that the API lets be read",
			whole.Start().Format(time.RFC3339Nano), d.s.api.maxSkip+d.s.api.top)
		if d.s.api.created == "" {
			d.beyond = "the records that were changed at one time are more than one answer may hold"
		}
		return nil
	}
	for _, part := range split(whole, d.created) {
		if err := d.read(&part); err != nil {
			return err
		}
	}
	return nil
}

// split cuts an interval of two milliseconds or more so that the instants seen in it are shared out evenly: one at
// which all of them lie comes to stand alone.
func split(whole Interval, seen []int64) []Interval {
	seen = slices.DeleteFunc(slices.Clone(seen), func(at int64) bool { return at < whole.From || at >= whole.To })
	slices.Sort(seen)
	n := len(seen)
	var cuts []int64
	switch {
	case n == 0:
		cuts = []int64{whole.From + whole.length()/2}
	case seen[0] == seen[n-1]:
		cuts = []int64{seen[0], seen[0] + 1}
	default:
		at := n / 2
		for seen[at] == seen[0] {
			at++
		}
		cuts = []int64{seen[at]}
	}
	var parts []Interval
	for from := whole.From; from < whole.To; cuts = cuts[1:] {
		to := whole.To
		if len(cuts) > 0 {
			to = min(to, cuts[0])
		} else {
			cuts = []int64{to}
		}
		if to > from {
			parts = append(parts, Interval{from, to})
		}
		from = to
	}
	return parts
}

// timeOf returns the time in a member of a record.
func timeOf(record []byte, member string) (at time.Time, ok bool) {
	dec := jsontext.NewDecoder(bytes.NewReader(record), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if _, err := dec.ReadToken(); err != nil {
		return at, false
	}
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			return at, false
		}
		if name.String() != member {
			if dec.SkipValue() != nil {
				return at, false
			}
			continue
		}
		value, err := dec.ReadToken()
		if err != nil {
			return at, false
		}
		at, err = time.Parse(time.RFC3339Nano, value.String())
		return at, err == nil
	}
	return at, false
}
