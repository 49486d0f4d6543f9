package buffertest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// Model drives a buffer with random actions beside a model that is too simple to be wrong: a list of all events, what
// is known of each key, and a set of released numbers for each destination.
func Model(t *testing.T, fresh func(t *testing.T) Open) {
	rapid.Check(t, func(r *rapid.T) {
		m := &model{
			open: fresh(t), clock: time.Unix(1_800_000_000, 0).UTC(),
			known: map[string]known{}, destinations: map[string]*reader{}, checkpoints: map[string]string{},
		}
		m.reopen(r)
		defer func() { m.b.Close() }()
		r.Repeat(map[string]func(*rapid.T){
			"append":  m.append,
			"queue":   m.queue,
			"take":    m.take,
			"release": m.release,
			"reopen":  m.reopen,
			"":        m.check,
		})
	})
}

type model struct {
	open  Open
	b     buffer.Buffer
	clock time.Time
	count int

	last         uint64 // number
	known        map[string]known
	checkpoints  map[string]string
	destinations map[string]*reader
}

// known is the latest change of a key and the contents seen with it.
type known struct {
	changed time.Time
	last    buffer.Hash
	seen    []buffer.Hash
}

// reader is a destination: what is left for it, and where it stands.
type reader struct {
	buffer.Destination
	q     buffer.Queue
	left  []buffer.Record // not released, ascending
	taken map[uint64]bool // since the queue was opened
}

var modelSources = []string{"x", "y", "z"}

func (m *model) reopen(t *rapid.T) {
	if m.b != nil {
		if err := m.b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	m.b, err = m.open(Options{MaxSize: 64 << 20, Retain: time.Hour, Now: func() time.Time { return m.clock }})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range m.destinations {
		d.q, d.taken = nil, nil
	}
}

func (m *model) append(t *rapid.T) {
	source := rapid.SampledFrom(modelSources).Draw(t, "source")
	b := buffer.Batch{Source: source, NoUpdates: rapid.IntRange(0, 4).Draw(t, "noUpdates") == 0}
	for range rapid.IntRange(0, 12).Draw(t, "records") {
		key := fmt.Sprint("k", rapid.IntRange(0, 9).Draw(t, "key"))
		content := rapid.StringMatching(`[a-c]`).Draw(t, "content")
		r := buffer.Record{
			API: "alerts", Key: key, Changed: time.Unix(int64(rapid.IntRange(0, 5).Draw(t, "changed")), 0).UTC(),
			Hash: hash(content), Summary: min(len(b.Records), max(0, rapid.IntRange(-6, 3).Draw(t, "summary"))), Pulled: m.clock, Raw: make([]byte, rapid.IntRange(0, 3000).Draw(t, "size")),
		}
		b.Records = append(b.Records, r)
	}
	m.count++
	b.Checkpoint = fmt.Append(nil, m.count)
	m.checkpoints[source] = string(b.Checkpoint)
	want, events := m.expect(b)
	got, err := m.b.Append(context.Background(), b)
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Fatalf("outcome %+v, want %+v", got, want)
	}
	for _, e := range events {
		stored := b.Records[e.index]
		if stored.Number <= m.last || stored.Update != e.update {
			t.Fatalf("stored as %+v after number %d, want an update: %v", stored, m.last, e.update)
		}
		m.last, stored.Source = stored.Number, b.Source
		for _, d := range m.destinations {
			d.left = append(d.left, stored)
		}
	}
}

// event is a record of a batch that is one.
type event struct {
	index  int
	update bool
}

// expect decides on a batch as the contract says.
func (m *model) expect(b buffer.Batch) (o buffer.Outcome, events []event) {
	for i, r := range b.Records {
		id := b.Source + "/" + r.Key
		k, seen := m.known[id]
		isEvent := false
		switch {
		case !seen, r.Changed.After(k.changed):
			isEvent = !seen || r.Hash != k.last
			k = known{changed: r.Changed, last: r.Hash, seen: []buffer.Hash{r.Hash}}
		case r.Changed.Equal(k.changed) && !slices.Contains(k.seen, r.Hash):
			isEvent = true
			k.last, k.seen = r.Hash, append(k.seen, r.Hash)
		}
		m.known[id] = k
		isEvent = isEvent && !(seen && b.NoUpdates)
		if r.Summary > 0 {
			isEvent = isEvent && seen && !slices.ContainsFunc(events, func(e event) bool { return e.index >= i-r.Summary })
		}
		switch {
		case !isEvent:
			o.Known++
			continue
		case seen:
			o.Updated++
		default:
			o.New++
		}
		events = append(events, event{i, seen})
	}
	return o, events
}

func (m *model) queue(t *rapid.T) {
	name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "destination")
	d := m.destinations[name]
	if d == nil {
		d = &reader{Destination: buffer.Destination{Name: name}}
		if name != "a" {
			d.Sources = modelSources[:len(name)+1]
		}
		m.destinations[name] = d
	}
	var err error
	if d.q, err = m.b.Queue(d.Destination); err != nil {
		t.Fatal(err)
	}
	d.taken = map[uint64]bool{}
}

// opened returns a destination whose queue is open.
func (m *model) opened(t *rapid.T) *reader {
	var names []string
	for name, d := range m.destinations {
		if d.q != nil {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return m.destinations[rapid.SampledFrom(names).Draw(t, "destination")]
}

// wanted returns what is left for a destination of the sources it wants.
func (d *reader) wanted() (records []buffer.Record) {
	for _, r := range d.left {
		if len(d.Sources) == 0 || slices.Contains(d.Sources, r.Source) {
			records = append(records, r)
		}
	}
	return records
}

func (m *model) take(t *rapid.T) {
	d := m.opened(t)
	if d == nil {
		return
	}
	next := slices.DeleteFunc(d.wanted(), func(r buffer.Record) bool { return d.taken[r.Number] })
	if len(next) == 0 {
		return // Take would wait
	}
	limit := rapid.IntRange(1, 20).Draw(t, "max")
	got, err := Take(context.Background(), d.q, limit, 8000)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) == 0 || len(got) > limit || len(got) > len(next) {
		t.Fatalf("Take(%d) gave %d records, %d are there", limit, len(got), len(next))
	}
	for i, r := range got {
		if w := next[i]; r.Number != w.Number || r.Key != w.Key || r.Source != w.Source || r.Update != w.Update || len(r.Raw) != len(w.Raw) {
			t.Fatalf("record %d: %+v, want %+v", i, r, w)
		}
		d.taken[r.Number] = true
	}
}

func (m *model) release(t *rapid.T) {
	d := m.opened(t)
	if d == nil || len(d.taken) == 0 {
		return
	}
	var all []uint64
	for n := range d.taken {
		all = append(all, n)
	}
	slices.SortFunc(all, cmp.Compare)
	numbers := rapid.SliceOfN(rapid.SampledFrom(all), 1, 10).Draw(t, "numbers")
	if err := d.q.Release(context.Background(), numbers); err != nil {
		t.Fatal(err)
	}
	d.left = slices.DeleteFunc(d.left, func(r buffer.Record) bool { return slices.Contains(numbers, r.Number) })
}

func (m *model) check(t *rapid.T) {
	for source, want := range m.checkpoints {
		if got, err := m.b.Checkpoint(source); err != nil || string(got) != want {
			t.Fatalf("checkpoint of %s: %q, %v, want %q", source, got, err, want)
		}
	}
	for name, d := range m.destinations {
		if d.q == nil {
			continue
		}
		if p := d.q.Pending(); p.Records != int64(len(d.wanted())) {
			t.Fatalf("%s: pending %d, want %d", name, p.Records, len(d.wanted()))
		}
	}
}
