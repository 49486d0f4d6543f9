// Package buffertest holds implementations of buffer.Buffer to their contract.
//
// Run goes through all rules; each case says which rule it shows, so that a failure reads as a broken promise. Model
// drives a buffer with random actions beside a model of a few lines.
package buffertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// Options are the settings that the rules depend on.
type Options struct {
	MaxSize int64            // at least 64 KiB
	Retain  time.Duration    // how long delivered records stay
	Now     func() time.Time // the clock that the test moves
}

// Open opens a buffer. Called again after Close it opens the same one.
type Open func(Options) (buffer.Buffer, error)

// Run goes through all rules. fresh gives a way to open a buffer that is empty at first; it cleans up by t.
func Run(t *testing.T, fresh func(t *testing.T) Open) {
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			h := &harness{T: t, open: fresh(t)}
			h.options = Options{MaxSize: 1 << 20, Retain: 24 * time.Hour, Now: h.now}
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("the rule: %s", c.rule)
				}
				if h.b != nil {
					h.b.Close()
				}
			})
			h.reopen()
			c.run(h)
		})
	}
}

// rule is one promise of the contract.
type rule struct {
	name string
	rule string
	run  func(h *harness)
}

func cases() []rule {
	return slices.Concat(appendRules(), keyRules(), queueRules(), spaceRules())
}

// harness is what a case works with. A step that fails ends the case.
type harness struct {
	*testing.T
	open    Open
	options Options
	passed  atomic.Int64 // the time of the buffer, since a fixed day
	b       buffer.Buffer
}

// now is the time that the buffer is given.
func (h *harness) now() time.Time {
	return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(h.passed.Load()))
}

// advance lets time pass.
func (h *harness) advance(d time.Duration) { h.passed.Add(int64(d)) }

// reopen closes the buffer and opens it again.
func (h *harness) reopen() {
	h.Helper()
	if h.b != nil {
		if err := h.b.Close(); err != nil {
			h.Fatalf("Close: %v", err)
		}
	}
	var err error
	if h.b, err = h.open(h.options); err != nil {
		h.Fatalf("open: %v", err)
	}
}

// at returns a changed time so many seconds after a fixed one.
func at(seconds int) time.Time {
	return time.Date(2026, 2, 1, 0, 0, seconds, 123_456_700, time.UTC)
}

// hash returns a hash of version 1 that stands for a content.
func hash(content string) (h buffer.Hash) {
	h[0] = 1
	copy(h[1:], content)
	return h
}

// record returns a record of a source.
func (h *harness) record(source, key string, changed time.Time, content string) buffer.Record {
	return buffer.Record{
		Source: source, API: "alerts", Key: key, Changed: changed, Hash: hash(content), Pulled: h.now(),
		Raw: fmt.Appendf(nil, `{"id":%q,"content":%q}`, key, content),
	}
}

// append appends records, which must succeed, and returns the outcome.
func (h *harness) append(source string, records ...buffer.Record) buffer.Outcome {
	h.Helper()
	return h.batch(buffer.Batch{Source: source, Records: records})
}

func (h *harness) batch(b buffer.Batch) buffer.Outcome {
	h.Helper()
	o, err := h.b.Append(context.Background(), b)
	if err != nil {
		h.Fatalf("Append: %v", err)
	}
	if o.New+o.Updated+o.Known != len(b.Records) {
		h.Fatalf("Append: %+v does not add up to %d", o, len(b.Records))
	}
	return o
}

// appendOne appends one record and returns it as Append left it.
func (h *harness) appendOne(r buffer.Record) buffer.Record {
	h.Helper()
	records := []buffer.Record{r}
	h.append(r.Source, records...)
	return records[0]
}

// fill appends so many new records with keys <prefix>0, <prefix>1 and so on, of about size bytes each.
func (h *harness) fill(source, prefix string, n, size int) {
	h.Helper()
	records := make([]buffer.Record, n)
	for i := range records {
		records[i] = h.record(source, fmt.Sprintf("%s%d", prefix, i), at(i), "x")
		records[i].Raw = slices.Repeat([]byte{'x'}, size)
	}
	if o := h.append(source, records...); o.New != n {
		h.Fatalf("Append of %d new records: %+v", n, o)
	}
}

// queue opens a queue.
func (h *harness) queue(d buffer.Destination) buffer.Queue {
	h.Helper()
	q, err := h.b.Queue(d)
	if err != nil {
		h.Fatalf("Queue %s: %v", d.Name, err)
	}
	return q
}

// Take takes from a queue what is the caller's then.
func Take(ctx context.Context, q buffer.Queue, max, maxBytes int) ([]buffer.Record, error) {
	var taken buffer.Taken
	err := q.Take(ctx, &taken, max, maxBytes)
	return taken.Records, err
}

// take takes n records, in as many calls as it needs.
func (h *harness) take(q buffer.Queue, n int) (records []buffer.Record) {
	h.Helper()
	for len(records) < n {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		more, err := Take(ctx, q, n-len(records), 1<<20)
		cancel()
		if err != nil {
			h.Fatalf("Take, after %d of %d records: %v", len(records), n, err)
		}
		if len(more) == 0 {
			h.Fatal("Take gave no record and no error")
		}
		records = append(records, more...)
	}
	return records
}

// nothing checks that there is nothing to take: Take waits until its context ends.
func (h *harness) nothing(q buffer.Queue) {
	h.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		records, err := Take(ctx, q, 1, 1<<20)
		if err == nil {
			err = fmt.Errorf("it gave %d records, first key %q", len(records), records[0].Key)
		}
		done <- err
	}()
	// A record that is there would be given before the context is looked at; if Take is slow to begin, the check
	// misses it, but never fails wrongly.
	h.letTimePass()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		h.Fatal(err)
	}
}

// letTimePass makes a round trip through the buffer.
func (h *harness) letTimePass() {
	h.Helper()
	h.queue(buffer.Destination{Name: "a queue opened to let time pass", Sources: []string{"none"}})
}

// release releases records.
func (h *harness) release(q buffer.Queue, records ...buffer.Record) {
	h.Helper()
	if err := q.Release(context.Background(), numbers(records)); err != nil {
		h.Fatalf("Release: %v", err)
	}
}

func numbers(records []buffer.Record) (n []uint64) {
	for _, r := range records {
		n = append(n, r.Number)
	}
	return n
}

func keys(records []buffer.Record) (k []string) {
	for _, r := range records {
		k = append(k, r.Key)
	}
	return k
}

// wantKeys checks the keys of records and their order.
func (h *harness) wantKeys(records []buffer.Record, want ...string) {
	h.Helper()
	if got := keys(records); !slices.Equal(got, want) {
		h.Fatalf("keys %q, want %q", got, want)
	}
}

// wantOutcome checks what became of a batch.
func (h *harness) wantOutcome(got buffer.Outcome, created, updated, known int) {
	h.Helper()
	if want := (buffer.Outcome{New: created, Updated: updated, Known: known}); got != want {
		h.Fatalf("outcome %+v, want %+v", got, want)
	}
}

// wantPending checks the backlog.
func (h *harness) wantPending(q buffer.Queue, records int64) {
	h.Helper()
	if p := q.Pending(); p.Records != records || (records == 0) != p.Oldest.IsZero() {
		h.Fatalf("pending %+v, want %d records", p, records)
	}
}
