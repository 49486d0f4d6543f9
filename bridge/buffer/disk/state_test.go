package disk

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// testdata/state-* are state directories as earlier versions leave them, for all later versions to be tested against;
// testdata/README.md tells how they were made. When the format changes, -write-state writes one of the new format beside
// them.
var writeState = flag.String("write-state", "", "write a state directory of this version to that folder, e.g. testdata/state-2")

const (
	stateLossy = 90 // records of the first source, before the other destinations were there; lossy drops some
	stateNew   = 30 // records of each source behind them
)

// stateNow is when the directory was written, and is read.
var stateNow = time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)

var stateSources = []string{"contoso", "fabrikam"}

func stateOptions(dir string) Options {
	return Options{
		Dir: dir, MaxSize: minSize, Retain: 1000 * time.Hour, segmentSize: 20_000,
		Now: func() time.Time { return stateNow },
	}
}

func stateRecord(source string, i int) buffer.Record {
	r := buffer.Record{
		Source: source, API: []string{"graph-alerts", "incidents"}[i%2], Key: fmt.Sprintf("key \u00e9 %d", i),
		Changed: stateNow.Add(time.Duration(i-1000) * time.Second), Hash: buffer.Hash{1, byte(i), 2},
		Pulled: stateNow.Add(time.Duration(i-900) * time.Second), Old: i%5 == 0,
		Raw: fmt.Appendf(nil, `{"id":"%s-%d","title":"T\u00e4ter","pad":"%s"}`, source, i, strings.Repeat("x", 600+i)),
	}
	if i%7 == 0 {
		r.Changed = time.Time{}
	}
	return r
}

func stateBatch(source string, from, n int) buffer.Batch {
	b := buffer.Batch{Source: source, Checkpoint: fmt.Appendf(nil, `{"covered":"%s to %d"}`, source, from+n)}
	for i := range n {
		b.Records = append(b.Records, stateRecord(source, from+i))
	}
	return b
}

// stateUpdate is a record that came a second time, changed.
func stateUpdate() buffer.Record {
	r := stateRecord("contoso", stateLossy)
	r.Changed, r.Hash, r.Raw = r.Changed.Add(time.Hour), buffer.Hash{1, 0xff}, []byte(`{"id":"update"}`)
	return r
}

// newState writes a state directory: a destination that dropped records, one that released some out of order, one that
// released nothing and wants one source, one that is closed.
func newState(t *testing.T, dir string) {
	t.Helper()
	ctx := context.Background()
	b := open(t, stateOptions(dir))
	add := func(batch buffer.Batch) {
		t.Helper()
		if _, err := b.Append(ctx, batch); err != nil {
			t.Fatal(err)
		}
	}
	queue := func(d buffer.Destination) *Queue {
		t.Helper()
		q, err := b.Queue(d)
		if err != nil {
			t.Fatal(err)
		}
		return q.(*Queue)
	}
	queue(buffer.Destination{Name: "lossy", Overflow: buffer.OverflowDropOldest})
	for at := 0; at < stateLossy; at += 10 {
		add(stateBatch("contoso", at, 10))
	}
	// A generation of keys, as 65,536 of them make one.
	if err := b.ask(ctx, &request{admin: b.foldKeys}); err != nil {
		t.Fatal(err)
	}
	some := queue(buffer.Destination{Name: "some"})
	queue(buffer.Destination{Name: "one-source", Sources: []string{"fabrikam"}})
	queue(buffer.Destination{Name: "removed"})
	for _, source := range stateSources {
		add(stateBatch(source, stateLossy, stateNew))
	}
	add(buffer.Batch{Source: "contoso", Records: []buffer.Record{stateUpdate()}})
	if err := some.Release(ctx, stateReleased(takeAll(t, some))); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(b.CloseQueue("removed"), b.SetNote("some", "confirm", []byte("close"))); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Quarantine().Put(stateRecord("contoso", 3), "no decoder"); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

// stateReleased is the first ten and then each third.
func stateReleased(records []buffer.Record) (released []uint64) {
	for i, r := range records {
		if i < 10 || i%3 == 0 {
			released = append(released, r.Number)
		}
	}
	return released
}

// checkState opens a state directory as newState leaves it, and finds all that is in it.
func checkState(t *testing.T, dir string) {
	t.Helper()
	if f, err := Verify(dir); err != nil || !f.OK() {
		t.Fatalf("Verify: %+v, %v", f, err)
	}
	b := open(t, stateOptions(dir))
	if r := b.Report(); !r.OK() {
		t.Fatalf("%+v", r)
	}
	left := b.Leftovers()
	if len(left) != 4 || left[2].Destination != "removed" || left[2].Records != 2*stateNew+1 || !left[2].Closed.Equal(stateNow) {
		t.Fatalf("%+v", left)
	}
	for _, source := range stateSources {
		want := fmt.Sprintf(`{"covered":"%s to %d"}`, source, stateLossy+stateNew)
		if c, err := b.Checkpoint(source); err != nil || string(c) != want {
			t.Fatalf("checkpoint of %s: %s, %v", source, c, err)
		}
	}
	// What each destination is to get, in order.
	var all []buffer.Record
	for _, source := range stateSources {
		all = append(all, stateBatch(source, stateLossy, stateNew).Records...)
	}
	update := stateUpdate()
	update.Update = true
	all = append(all, update)
	for i := range all {
		all[i].Number = uint64(stateLossy + i + 1)
	}
	released := stateReleased(all)
	checkPending(t, b, "removed", all, 0)
	checkPending(t, b, "one-source", slices.DeleteFunc(slices.Clone(all), func(r buffer.Record) bool { return r.Source != "fabrikam" }), 0)
	checkPending(t, b, "some", slices.DeleteFunc(slices.Clone(all), func(r buffer.Record) bool { return slices.Contains(released, r.Number) }), 0)
	lossy := b.destinations["lossy"].progress.dropped
	if lossy == 0 || lossy >= stateLossy+2*stateNew {
		t.Fatalf("lossy dropped %d", lossy)
	}
	older := stateBatch("contoso", 0, stateLossy).Records
	for i := range older {
		older[i].Number = uint64(i + 1)
	}
	checkPending(t, b, "lossy", append(older, all...)[lossy:], lossy)
	// All keys are known, of the map and of the generation, and the update's last state is.
	for _, source := range stateSources {
		from := map[string]int{"contoso": 0, "fabrikam": stateLossy}[source]
		n := stateLossy + stateNew - from
		batch := stateBatch(source, from, n)
		if o, err := b.Append(context.Background(), batch); err != nil || o.Known != n {
			t.Fatalf("keys of %s: %+v, %v", source, o, err)
		}
	}
	if o, err := b.Append(context.Background(), buffer.Batch{Source: "contoso", Records: []buffer.Record{stateUpdate()}}); err != nil || o.Known != 1 {
		t.Fatalf("the update: %+v, %v", o, err)
	}
	if note, err := b.Note("some", "confirm"); err != nil || string(note) != "close" {
		t.Fatalf("the note: %q, %v", note, err)
	}
	aside, err := b.Quarantine().List()
	if err != nil || len(aside) != 1 || aside[0].Reason != "no decoder" {
		t.Fatalf("quarantine: %+v, %v", aside, err)
	}
	if q, ok, err := b.Quarantine().Get(aside[0].ID); err != nil || !ok || !reflect.DeepEqual(q.Record, stateRecord("contoso", 3)) {
		t.Fatalf("quarantine: %+v, %v", q, err)
	}
	// It goes on: the next number follows.
	next := buffer.Batch{Source: "contoso", Records: []buffer.Record{stateRecord("contoso", 500)}}
	if o, err := b.Append(context.Background(), next); err != nil || o.New != 1 || next.Records[0].Number != all[len(all)-1].Number+1 {
		t.Fatalf("a new record: %+v, %+v, %v", next.Records[0].Number, o, err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

// checkPending takes what is pending for a destination.
func checkPending(t *testing.T, b *Buffer, name string, want []buffer.Record, dropped uint64) {
	t.Helper()
	b.mu.Lock()
	d := buffer.Destination{Name: name, Sources: b.destinations[name].sources, Overflow: b.destinations[name].overflow}
	b.mu.Unlock()
	q, err := b.Queue(d)
	if err != nil {
		t.Fatal(err)
	}
	if p := q.Pending(); p.Records != int64(len(want)) || p.Dropped != dropped || !p.Oldest.Equal(want[0].Pulled) {
		t.Fatalf("%s: %+v, want %d", name, p, len(want))
	}
	got := takeAll(t, q.(*Queue))
	if len(got) != len(want) {
		t.Fatalf("%s: %d records, want %d", name, len(got), len(want))
	}
	for i := range want {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Fatalf("%s: record %d is %+v, want %+v", name, i, got[i], want[i])
		}
	}
}

// copyState copies a state directory.
func copyState(t testing.TB, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "state")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

// TestStates opens a copy of a state directory of each format there has been, and finds all that was put into it.
func TestStates(t *testing.T) {
	if *writeState != "" {
		newState(t, *writeState)
		// These hold nothing, and are made when they are missing.
		for _, name := range []string{lockName, filepath.Join(bufferName, reserveName)} {
			if err := os.Remove(filepath.Join(*writeState, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	dirs, err := filepath.Glob("testdata/state-*")
	if err != nil || !slices.Contains(dirs, filepath.Join("testdata", fmt.Sprint("state-", formatVersion))) {
		t.Fatalf("there is no state directory of format %d in %v, %v", formatVersion, dirs, err)
	}
	for _, dir := range dirs {
		t.Run(dir, func(t *testing.T) { checkState(t, copyState(t, dir)) })
	}
	t.Run("of now", func(t *testing.T) {
		dir := t.TempDir()
		newState(t, dir)
		checkState(t, dir)
	})
}

// contents reads all files of a state directory but the lock, which names who tried last.
func contents(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == lockName {
			return err
		}
		b, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		all[name] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// makeNewer gives the index and all segments the next version's number.
func makeNewer(t *testing.T, o Options) {
	t.Helper()
	db, err := openIndex(o.index(), false)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		format, _ := unseal(keyFormat, bytes.Clone(tx.Bucket(bucketMeta).Get(keyFormat)))
		binary.LittleEndian.PutUint32(format, formatVersion+1)
		return tx.Bucket(bucketMeta).Put(keyFormat, seal(keyFormat, format))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	for id := range uint64(3) {
		alter(t, o.segment(id+1), func(b []byte) []byte {
			log, segment, _, err := parseSegmentHeader(b)
			if err != nil {
				t.Fatal(err)
			}
			header := appendSegmentHeader(nil, log, segment)
			binary.LittleEndian.PutUint32(header[8:], formatVersion+1)
			binary.LittleEndian.PutUint32(header[36:], crc32.Checksum(header[:36], castagnoli))
			return append(header, b[segmentHeader:]...)
		})
	}
}

// TestNewerFormat: a buffer of a later version is refused by name and with what to do, and not touched: with a whole
// index, a damaged one, and none.
func TestNewerFormat(t *testing.T) {
	for name, harm := range map[string]func(o Options) error{
		"whole":            func(Options) error { return nil },
		"index lost":       func(o Options) error { return os.Remove(o.index()) },
		"index damaged":    func(o Options) error { return os.Truncate(o.index(), 5000) },
		"to be rebuilt":    func(o Options) error { return os.WriteFile(filepath.Join(o.Dir, bufferName, rebuildName), nil, 0o600) },
		"without segments": func(o Options) error { return os.RemoveAll(filepath.Dir(o.segment(1))) },
	} {
		t.Run(name, func(t *testing.T) {
			o := filled(t)
			makeNewer(t, o)
			if err := harm(o); err != nil {
				t.Fatal(err)
			}
			before := contents(t, o.Dir)
			b, err := Open(o)
			if err == nil {
				b.Close()
				t.Fatal("it is opened")
			}
			for _, want := range []string{fmt.Sprint("format ", formatVersion+1), fmt.Sprint("reads formats up to ", formatVersion), "nothing in it was changed", "use the version of siembridge that wrote it"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if !maps.Equal(before, contents(t, o.Dir)) {
				t.Error("something was changed")
			}
		})
	}
}
