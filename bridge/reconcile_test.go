package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/buffertest"
	"github.com/siembridge/siembridge/bridge/buffer/disk"
	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/control"
	"github.com/siembridge/siembridge/bridge/delivery"
	"github.com/siembridge/siembridge/bridge/source"
	"github.com/siembridge/siembridge/formats"
)

// still is a source that has read up to a time.
type still time.Time

func (s still) Run(context.Context) error { return nil }
func (s still) Status() source.Status     { return source.Status{CoveredTo: time.Time(s)} }

// joints is a buffer in which gaps are made by hand, and the destinations that take from it.
type joints struct {
	t            *testing.T
	o            disk.Options
	buffer       *disk.Buffer
	destinations []config.Destination
	queues       map[string]buffer.Queue
	covered      time.Time // up to when the source has read
}

func newJoints(t *testing.T, maxSize int64, destinations ...config.Destination) *joints {
	j := &joints{t: t, o: disk.Options{Dir: t.TempDir(), MaxSize: maxSize, Retain: time.Hour}, destinations: destinations, covered: time.Now()}
	j.open()
	t.Cleanup(func() { _ = j.buffer.Close() })
	return j
}

func (j *joints) open() {
	j.t.Helper()
	var err error
	if j.buffer, err = disk.Open(j.o); err != nil {
		j.t.Fatal(err)
	}
	j.queues = map[string]buffer.Queue{}
	for _, d := range j.destinations {
		overflow := buffer.OverflowBlock
		if d.Overflow == "drop-oldest" {
			overflow = buffer.OverflowDropOldest
		}
		if j.queues[d.Name], err = j.buffer.Queue(buffer.Destination{Name: d.Name, Sources: d.Sources, Overflow: overflow}); err != nil {
			j.t.Fatal(err)
		}
	}
}

// alert is a record of the API, of low severity when its number is even.
func (j *joints) alert(n int) buffer.Record {
	severity := []string{"low", "high"}[n%2]
	return buffer.Record{Source: "s", API: "graph-alerts", Key: fmt.Sprint("da", n), Changed: j.covered.Add(-time.Hour), Hash: buffer.Hash{1, byte(n)}, Pulled: time.Now(),
		Raw: fmt.Appendf(nil, `{"id":"da%d","title":"t","severity":%q,"createdDateTime":"2026-11-25T00:00:00Z","description":%q}`, n, severity, strings.Repeat("x", 4000))}
}

func (j *joints) alerts(from, to int) (all []buffer.Record) {
	for n := from; n < to; n++ {
		all = append(all, j.alert(n))
	}
	return all
}

func (j *joints) append(from, to int) {
	j.t.Helper()
	if _, err := j.buffer.Append(j.t.Context(), buffer.Batch{Source: "s", Records: j.alerts(from, to)}); err != nil {
		j.t.Fatal(err)
	}
}

// deliver takes records and releases them.
func (j *joints) deliver(name string, records int) {
	j.t.Helper()
	for records > 0 {
		got, err := buffertest.Take(j.t.Context(), j.queues[name], records, 1<<20)
		if err != nil {
			j.t.Fatal(err)
		}
		var numbers []uint64
		for i := range got {
			numbers = append(numbers, got[i].Number)
		}
		if err := j.queues[name].Release(j.t.Context(), numbers); err != nil {
			j.t.Fatal(err)
		}
		records -= len(got)
	}
}

// reconcile holds what the API has, in two pages that overlap, against the buffer.
func (j *joints) reconcile(api []buffer.Record) control.SourceReport {
	j.t.Helper()
	b := &Bridge{buffer: j.buffer}
	c := &config.Config{Destinations: j.destinations}
	refused, err := b.refused(c)
	if err != nil {
		j.t.Fatal(err)
	}
	a, err := newAudit(j.buffer, &runningSource{config: config.Source{Name: "s"}, puller: still(j.covered)}, j.destinations, refused)
	if err != nil {
		j.t.Fatal(err)
	}
	for _, page := range [][]buffer.Record{api[:len(api)*2/3], api[len(api)/3:], nil} {
		if _, err := a.Append(j.t.Context(), buffer.Batch{Source: "s", Records: slices.Clone(page), Checkpoint: []byte("never stored")}); err != nil {
			j.t.Fatal(err)
		}
	}
	if checkpoint, err := j.buffer.Checkpoint("s"); err != nil || checkpoint != nil {
		j.t.Errorf("the source's checkpoint is %q, %v", checkpoint, err)
	}
	return a.report
}

// want compares the report of one destination; ids are those that are missing there.
func (j *joints) want(r control.SourceReport, destination string, want control.DestinationReport, ids ...string) {
	j.t.Helper()
	i := slices.IndexFunc(r.Destinations, func(d control.DestinationReport) bool { return d.Name == destination })
	got := r.Destinations[i]
	if !slices.Equal(got.Missing.IDs, ids) || got.Missing.Count != len(ids) {
		j.t.Errorf("%s: missing %+v, want %q", destination, got.Missing, ids)
	}
	want.Name, got.Missing = destination, control.IDs{}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		j.t.Errorf("%s: %+v, want %+v", destination, got, want)
	}
}

// TestGapsByHand makes a gap at each joint; each is counted apart, and what is missing is named.
func TestGapsByHand(t *testing.T) {
	t.Run("never pulled", func(t *testing.T) {
		j := newJoints(t, 16<<20, config.Destination{Name: "d"})
		j.append(0, 5)
		j.deliver("d", 5)
		late := j.alert(9)
		late.Changed = j.covered.Add(time.Minute)
		r := j.reconcile(append(j.alerts(0, 8), late))
		if !slices.Equal(r.Missed.IDs, []string{"da5", "da6", "da7"}) || r.Missed.Count != 3 || r.Behind != 1 || r.Has != 9 {
			t.Errorf("%+v", r)
		}
		j.want(r, "d", control.DestinationReport{Confirmed: 5})
		// It is pulled, on the normal path.
		j.want(j.reconcile(j.alerts(0, 8)), "d", control.DestinationReport{Confirmed: 5, Pending: 3})
		j.deliver("d", 4)
		if r := j.reconcile(append(j.alerts(0, 8), late)); r.Missed.Count != 0 || r.Behind != 0 {
			t.Errorf("when it was pulled: %+v", r)
		}
	})
	t.Run("pending, filtered and not routed", func(t *testing.T) {
		j := newJoints(t, 16<<20, config.Destination{Name: "all"}, config.Destination{Name: "slow"}, config.Destination{Name: "picky", Filter: "severity >= high"},
			config.Destination{Name: "other", Sources: []string{"another"}})
		j.append(0, 10)
		j.deliver("all", 10)
		j.deliver("picky", 10)
		j.deliver("slow", 4)
		j.destinations = append(j.destinations, config.Destination{Name: "later"})
		queue, err := j.buffer.Queue(buffer.Destination{Name: "later"})
		if err != nil {
			t.Fatal(err)
		}
		j.queues["later"] = queue
		r := j.reconcile(j.alerts(0, 10))
		j.want(r, "all", control.DestinationReport{Confirmed: 10})
		j.want(r, "slow", control.DestinationReport{Confirmed: 4, Pending: 6})
		j.want(r, "picky", control.DestinationReport{Confirmed: 5, Filtered: 5})
		j.want(r, "other", control.DestinationReport{Unrouted: 10})
		j.want(r, "later", control.DestinationReport{Unrouted: 10})
	})
	t.Run("evidence", func(t *testing.T) {
		j := newJoints(t, 16<<20, config.Destination{Name: "d"})
		pieces := func(from, to int) (all []buffer.Record) {
			for n := from; n < to; n++ {
				for _, piece := range []string{"#a", "#b", ""} {
					r := j.alert(n)
					if r.Key += piece; piece == "" {
						r.Summary = 2
					}
					all = append(all, r)
				}
			}
			return all
		}
		if _, err := j.buffer.Append(t.Context(), buffer.Batch{Source: "s", Records: pieces(0, 3)}); err != nil {
			t.Fatal(err)
		}
		j.deliver("d", 5)
		r := j.reconcile(pieces(0, 4))
		if !slices.Equal(r.Missed.IDs, []string{"da3#a", "da3#b"}) || r.Has != 8 {
			t.Errorf("%+v", r)
		}
		j.want(r, "d", control.DestinationReport{Confirmed: 5, Pending: 1})
		update := pieces(0, 1)
		for i := range update {
			update[i].Changed = update[i].Changed.Add(time.Minute)
		}
		update[2].Hash = buffer.Hash{1, 200} // the alert alone changed
		if _, err := j.buffer.Append(t.Context(), buffer.Batch{Source: "s", Records: update}); err != nil {
			t.Fatal(err)
		}
		if r := j.reconcile(update); r.Has != 3 {
			t.Errorf("the alert is an event of its own now: %+v", r)
		}
	})
	t.Run("set aside", func(t *testing.T) {
		j := newJoints(t, 16<<20, config.Destination{Name: "d"}, config.Destination{Name: "e"})
		j.append(0, 6)
		j.deliver("d", 6)
		j.deliver("e", 6)
		for n, reason := range map[int]string{2: "d: " + delivery.ReasonRefused, 3: "d: it cannot be read in full", 4: "gone: " + delivery.ReasonRefused} {
			if _, err := j.buffer.Quarantine().Put(j.alert(n), reason); err != nil {
				t.Fatal(err)
			}
		}
		r := j.reconcile(j.alerts(0, 6))
		j.want(r, "d", control.DestinationReport{Confirmed: 5, Quarantined: 1})
		j.want(r, "e", control.DestinationReport{Confirmed: 6})
	})
	t.Run("dropped", func(t *testing.T) {
		j := newJoints(t, 1<<20, config.Destination{Name: "d", Overflow: "drop-oldest"}, config.Destination{Name: "e"})
		for n := range 50 {
			j.append(n*10, n*10+10)
			j.deliver("e", 10)
		}
		dropped := int(j.queues["d"].Pending().Dropped)
		if dropped == 0 || dropped == 500 {
			t.Fatalf("%d were dropped", dropped)
		}
		r := j.reconcile(j.alerts(0, 500))
		j.want(r, "d", control.DestinationReport{Dropped: dropped, Pending: 500 - dropped})
		j.want(r, "e", control.DestinationReport{Confirmed: 500})
		if r.Missed.Count != 0 {
			t.Errorf("%+v", r.Missed)
		}
	})
	t.Run("damaged", func(t *testing.T) {
		j := newJoints(t, 16<<20, config.Destination{Name: "d"}, config.Destination{Name: "e"})
		j.append(0, 6)
		j.deliver("e", 6)
		j.damage(func(text []byte) { // two records can be read no more
			for _, id := range []string{"da2", "da4"} {
				text[strings.Index(string(text), fmt.Sprintf(`"id":%q`, id))+7] ^= 4
			}
		})
		j.deliver("d", 4)
		r := j.reconcile(j.alerts(0, 6))
		j.want(r, "d", control.DestinationReport{Confirmed: 4}, "da2", "da4")
		j.want(r, "e", control.DestinationReport{Confirmed: 6})
	})
	t.Run("lost", func(t *testing.T) {
		j := newJoints(t, 16<<20, config.Destination{Name: "d"})
		j.append(0, 6)
		j.deliver("d", 2)
		if err := j.buffer.Close(); err != nil {
			t.Fatal(err)
		}
		segments, err := filepath.Glob(filepath.Join(j.o.Dir, "buffer", "log", "*"))
		if err != nil || len(segments) == 0 {
			t.Fatal(segments, err)
		}
		for _, path := range segments {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		j.open()
		j.append(6, 7)
		j.deliver("d", 1) // what is not there any more is passed over
		j.want(j.reconcile(j.alerts(0, 7)), "d", control.DestinationReport{Confirmed: 3}, "da2", "da3", "da4", "da5")
	})
}

// damage changes the segment while the buffer is closed.
func (j *joints) damage(f func([]byte)) {
	j.t.Helper()
	if err := j.buffer.Close(); err != nil {
		j.t.Fatal(err)
	}
	segments, err := filepath.Glob(filepath.Join(j.o.Dir, "buffer", "log", "*"))
	if err != nil || len(segments) != 1 {
		j.t.Fatal(segments, err)
	}
	text, err := os.ReadFile(segments[0])
	if err != nil {
		j.t.Fatal(err)
	}
	f(text)
	if err := os.WriteFile(segments[0], text, 0o600); err != nil {
		j.t.Fatal(err)
	}
	j.open()
}

// TestReconcileAfterMonths: what was confirmed is known as such for 200 days, long after the record itself is gone.
func TestReconcileAfterMonths(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		j := &joints{t: t, o: disk.Options{Dir: dir, MaxSize: 16 << 20, Retain: time.Hour, Simulated: true}, destinations: []config.Destination{{Name: "d"}}, covered: time.Now()}
		j.open()
		defer func() { _ = j.buffer.Close() }()
		j.append(0, 10)
		j.deliver("d", 10)
		for day := range journalDays {
			if day%20 == 0 { // something comes all the time
				j.append(1000+day, 1001+day)
				j.deliver("d", 1)
			}
			if day == 100 { // and a restart
				if err := j.buffer.Close(); err != nil {
					t.Fatal(err)
				}
				j.open()
			}
			if day < journalDays-1 {
				time.Sleep(24 * time.Hour)
			}
		}
		r := j.reconcile(j.alerts(0, 10))
		if j.want(r, "d", control.DestinationReport{Confirmed: 10}); r.Missed.Count != 0 {
			t.Errorf("%+v", r.Missed)
		}
	})
}

// TestMissingIsTold: what a reconciliation misses is told once for each source, with the first names and what to do.
func TestMissingIsTold(t *testing.T) {
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	ids := func(all ...string) (i control.IDs) {
		for _, id := range all {
			i.Add(id)
		}
		return i
	}
	r := control.Report{At: now, Since: now.Add(-48 * time.Hour), Until: now, Sources: []control.SourceReport{
		{Name: "well", Has: 7, Destinations: []control.DestinationReport{{Name: "d", Confirmed: 7}}},
		{Name: "behind", Has: 7, Behind: 3, Error: "the API does not answer"},
		{Name: "missed", Missed: ids("a", "b"), Destinations: []control.DestinationReport{{Name: "d"}}},
		{Name: "lost", Missed: ids("c"), Destinations: []control.DestinationReport{{Name: "d", Missing: ids("e", "f", "g", "h", "i")}, {Name: "x", Missing: ids("e")}}},
	}}
	all := missing(&r, now)
	if len(all) != 2 || all[0].Subject != "missed" || all[1].Subject != "lost" || all[0].Severity != "medium" || all[1].Severity != "high" {
		t.Fatalf("%+v", all)
	}
	for _, want := range []string{"2 records were never pulled", "a, b", "siembridge reconcile --since 2026-02-28T08:00:00Z"} {
		if !strings.Contains(all[0].Text, want) {
			t.Errorf("%q is not in %q", want, all[0].Text)
		}
	}
	for _, want := range []string{"1 records were never pulled", "5 are missing at d (e, f, g, …)", "1 are missing at x (e)"} {
		if !strings.Contains(all[1].Text, want) {
			t.Errorf("%q is not in %q", want, all[1].Text)
		}
	}
	for i := range all {
		if c := formats.EventClass(&formats.Detection{Kind: formats.KindStatus, StatusClass: all[i].Class}); c != "SiembridgeRecordsMissing" {
			t.Errorf("class %s", c)
		}
	}
}

// TestReconciledTells: the event goes into the buffer only where a destination has a heartbeat.
func TestReconciledTells(t *testing.T) {
	for _, heartbeats := range []bool{true, false} {
		j := newJoints(t, 16<<20, config.Destination{Name: "d"})
		b := &Bridge{buffer: j.buffer, log: slog.New(slog.DiscardHandler), destinations: []*runningDestination{{}}}
		if heartbeats {
			b.destinations[0].heart = &heart{}
		}
		now := time.Now()
		r := control.Report{At: now, Since: now.Add(-time.Hour), Until: now, Sources: []control.SourceReport{{Name: "s", Missed: control.IDs{Count: 1, IDs: []string{"da1"}}}}}
		for range 2 {
			if err := b.reconciled(t.Context(), &r); err != nil {
				t.Fatal(err)
			}
		}
		if got := j.queues["d"].Pending().Records > 0; got != heartbeats {
			t.Errorf("heartbeat %v: the SIEM is told: %v", heartbeats, got)
		}
		if last := lastReconciliation(j.buffer); last == nil || last.Missing != 1 || !last.At.Equal(now) {
			t.Errorf("noted: %+v", last)
		}
	}
}
