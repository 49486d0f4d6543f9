package disk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/disk/vfs/faultfs"
)

const damageRecords = 60

// filled makes a buffer with damageRecords records in several segments, of which destination d has released the
// first third, and closes it.
func filled(t *testing.T) Options {
	t.Helper()
	o := Options{Dir: t.TempDir(), segmentSize: 20_000, Retain: time.Hour}
	b := open(t, o)
	q := openQueue(t, b, "d")
	for i := range damageRecords / 10 {
		if got := appendNumbered(t, b, i*10, 10); got.New != 10 {
			t.Fatal(got)
		}
	}
	records := takeAll(t, q)
	if err := q.Release(context.Background(), numbers(records[:damageRecords/3])); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	return o
}

func open(t testing.TB, o Options) *Buffer {
	t.Helper()
	b, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func openQueue(t testing.TB, b *Buffer, name string) *Queue {
	t.Helper()
	q, err := b.Queue(buffer.Destination{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return q.(*Queue)
}

func appendNumbered(t testing.TB, b *Buffer, from, n int) buffer.Outcome {
	t.Helper()
	batch := buffer.Batch{Source: "s", Checkpoint: fmt.Append(nil, from+n)}
	for i := range n {
		batch.Records = append(batch.Records, buffer.Record{
			API: "alerts", Key: fmt.Sprint("k", from+i), Pulled: time.Now(), Raw: fmt.Appendf(nil, `{"n":%d,"pad":%q}`, from+i, strings.Repeat("x", 900)),
		})
	}
	o, err := b.Append(context.Background(), batch)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// takeAll takes all that is there.
func takeAll(t testing.TB, q *Queue) (all []buffer.Record) {
	t.Helper()
	for {
		records, more, err := readOnce(q, 1000)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, records...)
		if len(records) == 0 && !more {
			return all
		}
	}
}

// alter changes a file.
func alter(t *testing.T, path string, f func(b []byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, f(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (o Options) index() string { return filepath.Join(o.Dir, bufferName, indexName) }
func (o Options) segment(id uint64) string {
	return segmentPath(filepath.Join(o.Dir, bufferName, logName), id)
}

// TestIndexDamaged: whatever happened to the index, it is set aside and rebuilt; no record is lost, keys are known,
// numbers go on, and what was released comes again at most from the last positions in the log.
func TestIndexDamaged(t *testing.T) {
	ways := map[string]func(b []byte) []byte{
		"empty": func(b []byte) []byte { return nil },
		"zeros": func(b []byte) []byte { return make([]byte, len(b)) },
		"short": func(b []byte) []byte { return b[:5000] },
		"both metas": func(b []byte) []byte {
			copy(b[16:60], bytes.Repeat([]byte{9}, 44))
			copy(b[4112:4160], bytes.Repeat([]byte{9}, 48))
			return b
		},
		"all but meta": func(b []byte) []byte { clear(b[8192:]); return b },
		"garbage pages": func(b []byte) []byte {
			for i := range b[8192:] {
				b[8192+i] ^= byte(i*7 + 1)
			}
			return b
		},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			o := filled(t)
			alter(t, o.index(), way)
			if f, err := Verify(o.Dir); err != nil || f.Index == "" || f.Records != damageRecords {
				t.Fatalf("Verify: %+v, %v", f, err)
			}
			b := open(t, o)
			r := b.Report()
			if r.Rebuilt != damageRecords || r.OK() || r.Oldest.IsZero() {
				t.Fatalf("%+v", r)
			}
			doubted := r.Oldest.Add(-24 * time.Hour)
			if !b.Doubted().Equal(doubted) {
				t.Fatalf("read again from %s, the oldest record is of %s", b.Doubted(), r.Oldest)
			}
			q := openQueue(t, b, "d")
			got := takeAll(t, q)
			if len(got) < damageRecords*2/3 || int64(len(got)) != q.Pending().Records {
				t.Fatalf("%d records, pending %+v", len(got), q.Pending())
			}
			if last := got[len(got)-1]; last.Key != "k59" || last.Number != damageRecords {
				t.Fatalf("the last is %+v", last)
			}
			if o := appendNumbered(t, b, 0, damageRecords+1); o.Known != damageRecords || o.New != 1 {
				t.Fatalf("keys are lost: %+v", o)
			}
			if c, err := b.Checkpoint("s"); err != nil || string(c) != fmt.Sprint(damageRecords+1) {
				t.Fatal(c, err)
			}
			if err := q.Release(context.Background(), numbers(got)); err != nil {
				t.Fatal(err)
			}
			b.Close()
			again := open(t, o)
			if r := again.Report(); !r.OK() {
				t.Fatalf("%+v", r)
			}
			if !again.Doubted().Equal(doubted) { // the start that rebuilt it may have failed before it had read anything
				t.Fatalf("after a restart, read again from %s", again.Doubted())
			}
			if p := openQueue(t, again, "d").Pending(); p.Records != 1 {
				t.Fatalf("%+v", p)
			}
			again.Close()
			o.Now = func() time.Time { return time.Now().Add(doubtLife) }
			if !open(t, o).Doubted().IsZero() {
				t.Fatal("still in doubt after a week")
			}
		})
	}
}

// TestIndexDamagedAfterFailedAppend: frames of an append that failed, and that could not be cut off, do not take the place
// of the records that later had their numbers, when an index is rebuilt: a destination has settled these by number.
func TestIndexDamagedAfterFailedAppend(t *testing.T) {
	fails := false
	fs := &faultfs.Disk{Decide: func(_ int, step string) faultfs.Effect {
		if fails && step == "sync" {
			return faultfs.Fails
		}
		return faultfs.Works
	}}
	o := Options{Dir: t.TempDir(), FS: fs, Transaction: fs.Commit, Simulated: true, Retain: time.Hour, segmentSize: 8 << 10}
	b := open(t, o)
	q := openQueue(t, b, "d")
	appendNumbered(t, b, 0, 2)
	fails = true
	_, err := b.Append(t.Context(), buffer.Batch{Source: "s", Records: []buffer.Record{
		{API: "alerts", Key: "failed", Pulled: time.Now(), Raw: []byte("{}")}, {API: "alerts", Key: "failed too", Pulled: time.Now(), Raw: []byte("{}")}}})
	if err == nil {
		t.Fatal("the append does not fail")
	}
	fails = false
	appendNumbered(t, b, 2, 3)
	if err := q.Release(t.Context(), numbers(takeAll(t, q))); err != nil {
		t.Fatal(err)
	}
	for i := range 10 { // until a segment begins, with how far the destination had come
		appendNumbered(t, b, 5+i, 1)
	}
	b.Close()
	alter(t, o.index(), func(b []byte) []byte { return make([]byte, len(b)) })
	b = open(t, o)
	if r := b.Report(); r.Rebuilt != 15 || r.Parts != 0 {
		t.Errorf("%+v", r)
	}
	var got []string
	for _, r := range takeAll(t, openQueue(t, b, "d")) {
		got = append(got, r.Key)
	}
	if want := "[k5 k6 k7 k8 k9 k10 k11 k12 k13 k14]"; fmt.Sprint(got) != want {
		t.Errorf("pending: %v, want %s", got, want)
	}
	if o := appendNumbered(t, b, 0, 15); o.Known != 15 {
		t.Errorf("%+v", o)
	}
}

// TestSegmentDamaged: what is damaged is passed over and reported, all other records come; what was lost comes when it
// is pulled again.
func TestSegmentDamaged(t *testing.T) {
	for name, c := range map[string]struct {
		way  func(b []byte) []byte
		lost int
	}{
		"a bit":            {func(b []byte) []byte { b[5000] ^= 4; return b }, 1},
		"a length":         {func(b []byte) []byte { b[bytes.Index(b[3000:], markerBytes)+3000+6] ^= 0x7f; return b }, 1},
		"4 KiB of nothing": {func(b []byte) []byte { clear(b[4096:8192]); return b }, 6},
		"the header":       {func(b []byte) []byte { clear(b[:segmentHeader]); return b }, 0},
		"the end":          {func(b []byte) []byte { return b[:len(b)-10] }, 1},
		"all":              {func(b []byte) []byte { return nil }, 20},
	} {
		t.Run(name, func(t *testing.T) {
			o := filled(t)
			alter(t, o.segment(2), c.way)
			f, err := Verify(o.Dir)
			if err != nil || f.OK() {
				t.Fatalf("Verify: %+v, %v", f, err)
			}
			b := open(t, o)
			q := openQueue(t, b, "d")
			got := takeAll(t, q)
			if want := damageRecords*2/3 - c.lost; len(got) < want || len(got) > damageRecords*2/3 || c.lost > 0 && len(got) == damageRecords*2/3 {
				t.Fatalf("%d records, want %d at least", len(got), want)
			}
			if r := b.Report(); c.lost > 0 && r.OK() {
				t.Fatal("the damage is not reported")
			}
			if err := q.Release(context.Background(), numbers(got)); err != nil {
				t.Fatal(err)
			}
			if p := q.Pending(); p.Records != 0 {
				t.Fatalf("all is released, pending %+v", p)
			}
			// Pulled again, what was lost is stored again, once, and nothing else.
			lost := damageRecords*2/3 - len(got)
			if o := appendNumbered(t, b, 0, damageRecords); o.New != lost || o.Known != damageRecords-lost {
				t.Fatalf("pulled again after %d were lost: %+v", lost, o)
			}
			if o := appendNumbered(t, b, 0, damageRecords); o.Known != damageRecords {
				t.Fatalf("pulled a third time: %+v", o)
			}
			if more := takeAll(t, q); len(more) != lost {
				t.Fatalf("%d records come again, want %d", len(more), lost)
			}
		})
	}
}

// TestLocked: a second process is refused and told who has the directory.
func TestLocked(t *testing.T) {
	o := Options{Dir: t.TempDir()}
	open(t, o)
	for _, second := range []func() error{
		func() error { _, err := Open(o); return err },
		func() error { _, err := Verify(o.Dir); return err },
	} {
		err := second()
		if !errors.Is(err, buffer.ErrLocked) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
			t.Fatalf("the second: %v", err)
		}
	}
}

func TestExport(t *testing.T) {
	o := filled(t)
	var out bytes.Buffer
	f, err := Export(o.Dir, &out)
	if err != nil || !f.OK() || f.Records != damageRecords {
		t.Fatalf("%+v, %v", f, err)
	}
	lines := json.NewDecoder(&out)
	for i := range damageRecords {
		var l struct {
			Number uint64
			Source string
			Key    string
			Raw    struct{ N int }
		}
		if err := lines.Decode(&l); err != nil || l.Number != uint64(i+1) || l.Raw.N != i || l.Key != fmt.Sprint("k", i) || l.Source != "s" {
			t.Fatalf("line %d: %+v, %v", i, l, err)
		}
	}
}

// TestBreaks: an index that is damaged while it is used makes the buffer say so and take nothing more; opening it again
// rebuilds it, and every record that was appended is there.
func TestBreaks(t *testing.T) {
	o := filled(t)
	b := open(t, o)
	openQueue(t, b, "d")
	broken, why := b.Broken()
	select {
	case <-broken:
		t.Fatal("it is broken from the start")
	default:
	}
	f, err := os.OpenFile(o.index(), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(bytes.Repeat([]byte{0xff}, int(info.Size())), 0)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := b.Append(context.Background(), buffer.Batch{Source: "s", Records: []buffer.Record{{API: "alerts", Key: "new", Pulled: time.Now(), Raw: []byte("{}")}}}); err == nil {
			t.Fatal("it takes a record")
		}
	}
	<-broken
	if !errors.Is(why, errIndexDamaged) {
		t.Error(why)
	}
	b.Close() // as far as that goes
	b = open(t, o)
	if r := b.Report(); r.Rebuilt != damageRecords || r.Aside == "" {
		t.Errorf("%+v", r)
	}
	if got := len(takeAll(t, openQueue(t, b, "d"))); got < damageRecords*2/3 {
		t.Errorf("%d records are pending", got)
	}
}
