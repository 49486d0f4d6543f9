package disk

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	bolt "go.etcd.io/bbolt"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/buffertest"
	"github.com/siembridge/siembridge/bridge/buffer/keys"
)

func TestSettled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		low := rapid.Uint64Range(0, 5).Draw(t, "low")
		s, model := settled{low: low}, map[uint64]bool{}
		for n := range low + 1 {
			model[n] = true
		}
		for range rapid.IntRange(0, 30).Draw(t, "adds") {
			first := rapid.Uint64Range(1, 40).Draw(t, "first")
			last := first + rapid.Uint64Range(0, 4).Draw(t, "more")
			s.add(first, last)
			for n := first; n <= last; n++ {
				model[n] = true
			}
		}
		for n := range uint64(50) {
			if s.contains(n) != model[n] {
				t.Fatalf("%+v: %d is %v", s, n, s.contains(n))
			}
		}
		at := s.low + 1
		for _, i := range s.above {
			if i.first <= at || i.last < i.first {
				t.Fatalf("%+v is not sorted and apart", s)
			}
			at = i.last + 1
		}
	})
}

func TestFilter(t *testing.T) {
	const n = 300
	id := func(i int) keyID { s := sha256.Sum256(fmt.Append(nil, i)); return keyID(s[:16]) }
	all := filters{}
	const generations = 70
	for g := range uint64(generations) {
		f := newFilter()
		for i := range n {
			f.add(id(int(g)*n + i))
		}
		all.add(g, f)
	}
	check := func(from uint64) {
		t.Helper()
		wrong := 0
		for i := range generations * n {
			own := uint64(i / n)
			for group := range uint64(2) {
				found := all.mayHave(group, id(i))
				if group == own/64 && own >= from {
					if found&(1<<(own%64)) == 0 {
						t.Fatalf("key %d is in generation %d", i, own)
					}
					found &^= 1 << (own % 64)
				}
				wrong += bits.OnesCount64(found)
			}
		}
		if wrong > generations*generations*n/40 {
			t.Fatalf("%d of %d answers are wrong", wrong, generations*generations*n)
		}
	}
	check(0)
	for g := range uint64(64) {
		all.remove(g)
	}
	check(64)
	if len(all) != 1 {
		t.Fatalf("%d groups are left", len(all))
	}
}

// TestGenerations: keys are found in every generation, also after opening again, and go when they are old.
func TestGenerations(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	o := Options{Dir: t.TempDir(), Now: func() time.Time { return now }}
	b := open(t, o)
	fold := func() {
		t.Helper()
		if err := b.ask(context.Background(), &request{admin: b.foldKeys}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		appendNumbered(t, b, i*10, 10)
		fold()
	}
	appendNumbered(t, b, 30, 10)
	for range 2 {
		if o := appendNumbered(t, b, 0, 40); o.Known != 40 {
			t.Fatalf("%+v", o)
		}
		b.Close()
		b = open(t, o)
	}
	now = now.Add(keys.Life + time.Hour)
	fold()
	for range 4 {
		// Each turn of the committer removes one generation.
		if err := b.ask(context.Background(), &request{admin: func() error { return nil }}); err != nil {
			t.Fatal(err)
		}
	}
	if o := appendNumbered(t, b, 0, 40); o.New != 30 || o.Known != 10 {
		t.Fatalf("%+v", o)
	}
}

// TestRetained: delivered records stay for Retain, can be read by time, and then their segments go, the active one too.
func TestRetained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Options{Dir: t.TempDir(), Retain: time.Hour, segmentSize: 5000, keep: -1})
		defer b.Close()
		q := openQueue(t, b, "d")
		start := time.Now()
		for i := range 6 {
			appendNumbered(t, b, i*10, 10)
			time.Sleep(10 * time.Minute)
		}
		read := func(from, to time.Duration) (n int) {
			t.Helper()
			err := b.Retained(start.Add(from), start.Add(to), func(r buffer.Record) bool {
				n++
				return true
			})
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		if n := read(10*time.Minute, 30*time.Minute); n != 20 {
			t.Fatalf("%d records", n)
		}
		time.Sleep(2 * time.Hour)
		if n := read(0, time.Hour); n != 60 {
			t.Fatalf("pending records went: %d are left", n)
		}
		if err := q.Release(context.Background(), numbers(takeAll(t, q))); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		if n := read(0, time.Hour); n != 0 {
			t.Fatalf("%d records are left", n)
		}
		if u := b.Usage(); u.Bytes != 0 {
			t.Fatalf("%+v", u)
		}
		if ids, err := listSegments(b.logDir); err != nil || len(ids) != 0 {
			t.Fatal(ids, err)
		}
		appendNumbered(t, b, 100, 1)
		if got := takeAll(t, q); len(got) != 1 || got[0].Number != 61 {
			t.Fatalf("%+v", got)
		}
	})
}

func TestLeftovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Options{Dir: t.TempDir(), Retain: time.Hour})
		defer b.Close()
		q := openQueue(t, b, "old")
		appendNumbered(t, b, 0, 5)
		closed := time.Now()
		if err := b.CloseQueue("old"); err != nil {
			t.Fatal(err)
		}
		if _, err := buffertest.Take(context.Background(), q, 1, 1); !errors.Is(err, buffer.ErrClosed) {
			t.Fatal(err)
		}
		left := b.Leftovers()
		if len(left) != 1 || left[0].Destination != "old" || left[0].Records != 5 || !left[0].Until.Equal(closed.Add(7*24*time.Hour)) {
			t.Fatalf("%+v", left)
		}
		time.Sleep(6 * 24 * time.Hour)
		if got := takeAll(t, openQueue(t, b, "old")); len(got) != 5 {
			t.Fatalf("%d records", len(got))
		}
		b.CloseQueue("old")
		time.Sleep(8 * 24 * time.Hour)
		if left := b.Leftovers(); len(left) != 0 {
			t.Fatalf("%+v", left)
		}
		if u := b.Usage(); u.Bytes != 0 {
			t.Fatalf("%+v", u)
		}
	})
}

func TestNotes(t *testing.T) {
	o := Options{Dir: t.TempDir()}
	b := open(t, o)
	want := func(subject, key string, want []byte) {
		t.Helper()
		if got, err := b.Note(subject, key); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%q, %v, want %q", got, err, want)
		}
	}
	want("probe", "siem:6514", nil)
	if err := errors.Join(b.SetNote("probe", "siem:6514", []byte("closes")), b.SetNote("prob", "esiem:6514", []byte("other"))); err != nil {
		t.Fatal(err)
	}
	if err := b.SetNote("probe", "large", make([]byte, buffer.MaxNote+1)); err == nil {
		t.Fatal("a note that is too large was taken")
	}
	b.Close()
	b = open(t, o)
	want("probe", "siem:6514", []byte("closes"))
	if err := b.SetNote("probe", "siem:6514", nil); err != nil {
		t.Fatal(err)
	}
	want("probe", "siem:6514", nil)
	want("prob", "esiem:6514", []byte("other"))
}

func TestQuarantine(t *testing.T) {
	o := Options{Dir: t.TempDir(), Simulated: true}
	b := open(t, o)
	q := b.Quarantine()
	r := buffer.Record{Number: 7, Source: "s", API: "alerts", Key: "k", Raw: []byte("{bad"), Pulled: time.Unix(5, 0).UTC()}
	id, err := q.Put(r, "it is no JSON")
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	b = open(t, o)
	q = b.Quarantine()
	got, ok, err := q.Get(id)
	if err != nil || !ok || got.Reason != "it is no JSON" || !cmp.Equal(got.Record, r) {
		t.Fatalf("%+v, %v, %v", got, ok, err)
	}
	if _, err := q.Put(r, strings.Repeat("long", 1000)); err != nil {
		t.Fatal(err)
	}
	list, err := q.List()
	if err != nil || len(list) != 2 || list[0].ID != id || list[0].Record.Raw != nil || len(list[1].Reason) != maxReason {
		t.Fatalf("%+v, %v", list, err)
	}
	if err := errors.Join(q.Remove(id), q.Remove(id)); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := q.Get(id); ok || err != nil {
		t.Fatal(ok, err)
	}
	// It is bounded in bytes: the oldest go.
	r.Raw = make([]byte, 30<<20)
	for range 3 {
		if _, err := q.Put(r, "large"); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := q.List(); err != nil || len(list) != 2 || q.Dropped() != 2 {
		t.Fatalf("%d are there, %d dropped, %v", len(list), q.Dropped(), err)
	}
	// A damaged file is set aside, and it goes on.
	b.Close()
	alter(t, b.quarantine.path, func(b []byte) []byte { clear(b[:20000]); return b })
	q = open(t, o).Quarantine()
	if list, err := q.List(); err != nil || len(list) != 0 {
		t.Fatal(len(list), err)
	}
	if _, err := q.Put(r, "again"); err != nil {
		t.Fatal(err)
	}
}

func TestMetrics(t *testing.T) {
	now := time.Unix(2000, 0)
	registry := prometheus.NewRegistry()
	b := open(t, Options{Dir: t.TempDir(), Registerer: registry, Now: func() time.Time { return now }})
	openQueue(t, b, "d")
	batch := crashBatch(1) // pulled at 1001
	if _, err := b.Append(context.Background(), batch); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`# HELP siembridge_buffer_bytes Bytes that the buffer takes, delivered records that are retained included.
# TYPE siembridge_buffer_bytes gauge
siembridge_buffer_bytes %d
# HELP siembridge_buffer_records Records that a destination has yet to deliver.
# TYPE siembridge_buffer_records gauge
siembridge_buffer_records{destination="d"} 3
# HELP siembridge_dropped_records_total Records dropped because the buffer was full and the destination behind.
# TYPE siembridge_dropped_records_total counter
siembridge_dropped_records_total{destination="d"} 0
# HELP siembridge_oldest_pending_seconds Seconds since the oldest record that a destination has yet to deliver was pulled; 0 when there is none.
# TYPE siembridge_oldest_pending_seconds gauge
siembridge_oldest_pending_seconds{destination="d"} 999
`, b.Usage().Bytes)
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Fatal(err)
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	defer goleak.VerifyNone(t)
	b := open(t, Options{Dir: t.TempDir()})
	q := openQueue(t, b, "d")
	done := make(chan error)
	go func() {
		_, err := buffertest.Take(context.Background(), q, 1, 1)
		done <- err
	}()
	b.Close()
	if err := <-done; !errors.Is(err, buffer.ErrClosed) {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestIndexStaysSound: after much use bbolt finds nothing wrong with the index.
func TestIndexStaysSound(t *testing.T) {
	b := open(t, Options{Dir: t.TempDir(), segmentSize: 20_000, Simulated: true})
	q := openQueue(t, b, "d")
	for i := range 30 {
		appendNumbered(t, b, i*50, 50)
		all := numbers(takeAll(t, q))
		slices.Reverse(all)
		if err := q.Release(context.Background(), all[:len(all)-i%2]); err != nil {
			t.Fatal(err)
		}
		if i%10 == 9 {
			if err := b.ask(context.Background(), &request{admin: b.foldKeys}); err != nil {
				t.Fatal(err)
			}
		}
	}
	err := b.view(func(tx *bolt.Tx) (first error) {
		for err := range tx.Check() {
			first = errors.Join(first, err)
		}
		return first
	})
	if err != nil {
		t.Fatal(err)
	}
}
