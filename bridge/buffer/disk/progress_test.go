package disk

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/disk/vfs/faultfs"
)

// released has a queue deliver so many of the records it takes next, each by a release of its own.
func released(t *testing.T, q *Queue, n int) {
	t.Helper()
	var taken buffer.Taken
	for range n {
		if err := q.Take(context.Background(), &taken, 1, 1<<20); err != nil {
			t.Fatal(err)
		}
		if err := q.Release(context.Background(), numbers(taken.Records)); err != nil {
			t.Fatal(err)
		}
	}
}

// left is how many records a destination is given by a copy of a state directory that a killed process left, after
// something was done to the copy's progress file.
func left(t *testing.T, o Options, harm func(progress string) error) int {
	t.Helper()
	o.Dir = copyState(t, o.Dir)
	if err := harm(filepath.Join(o.Dir, bufferName, progressName)); err != nil {
		t.Fatal(err)
	}
	b := open(t, o)
	defer b.Close()
	if r := b.Report(); !r.OK() {
		t.Fatalf("%+v", r)
	}
	q := openQueue(t, b, "d")
	pending, all := q.Pending().Records, takeAll(t, q)
	if int(pending) != len(all) {
		t.Fatalf("%d pending, %d come", pending, len(all))
	}
	return len(all)
}

func whole(string) error { return nil }

// committedLow is how far a destination has come as the index says.
func committedLow(t *testing.T, b *Buffer, name string) (low uint64) {
	t.Helper()
	err := b.db.View(func(tx *bolt.Tx) error {
		low = binary.LittleEndian.Uint64(tx.Bucket(bucketDestinations).Get([]byte(name)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return low
}

// TestPutOff: releases that come alone are not committed, and yet outlive the process. Losing the progress file, as a
// loss of power may, costs their repeats, and nothing else.
func TestPutOff(t *testing.T) {
	o := Options{Dir: t.TempDir(), Simulated: true}
	b := open(t, o)
	q := openQueue(t, b, "d")
	appendNumbered(t, b, 0, 30)
	released(t, q, 5)
	if low := committedLow(t, b, "d"); low != 0 {
		t.Errorf("%d are committed", low)
	}
	for name, c := range map[string]struct {
		harm func(path string) error
		want int
	}{
		"killed":       {whole, 25},
		"lost":         {os.Remove, 30},
		"cut":          {func(path string) error { return os.Truncate(path, size(t, path)-1) }, 26},
		"garbage":      {func(path string) error { return os.WriteFile(path, bytes.Repeat([]byte{7}, 900), 0o600) }, 30},
		"of no buffer": {func(path string) error { return os.WriteFile(path, foreign(t, path), 0o600) }, 30},
	} {
		if n := left(t, o, c.harm); n != c.want {
			t.Errorf("%s: %d are left, not %d", name, n, c.want)
		}
	}
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// foreign is the same progress, sealed by another buffer.
func foreign(t *testing.T, path string) (all []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for len(b) > 0 {
		n, err := frameSize(b)
		if err != nil {
			t.Fatal(err)
		}
		frame := bytes.Clone(b[:n])
		sealFrame(frame, 1, nil)
		all, b = append(all, frame...), b[n:]
	}
	return all
}

// TestPutOffIsCommitted: by the sixteenth, by the next append, by time, and on closing.
func TestPutOffIsCommitted(t *testing.T) {
	for name, then := range map[string]func(t *testing.T, b *Buffer, q *Queue){
		"many":          func(t *testing.T, b *Buffer, q *Queue) { released(t, q, putOffMost-2) },
		"append":        func(t *testing.T, b *Buffer, q *Queue) { appendNumbered(t, b, 100, 1) },
		"time":          func(*testing.T, *Buffer, *Queue) { <-time.After(putOffFor + time.Millisecond) },
		"another queue": func(t *testing.T, b *Buffer, q *Queue) { openQueue(t, b, "other") },
		"closed": func(t *testing.T, b *Buffer, q *Queue) {
			if err := b.CloseQueue("d"); err != nil {
				t.Fatal(err)
			}
		},
		"opened anew": func(t *testing.T, b *Buffer, q *Queue) { openQueue(t, b, "d") },
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Dir: t.TempDir(), Simulated: true}
			synctest.Test(t, func(t *testing.T) {
				b := open(t, o)
				q := openQueue(t, b, "d")
				appendNumbered(t, b, 0, 30)
				released(t, q, 3)
				if low := committedLow(t, b, "d"); low != 0 {
					t.Errorf("%d are committed before", low)
				}
				then(t, b, q)
				if low := committedLow(t, b, "d"); low < 3 {
					t.Errorf("%d are committed", low)
				}
				if b.Close() != nil {
					t.Error("it does not close")
				}
			})
		})
	}
}

// TestFaultsOfPutOff: a commit for what was put off that fails is tried again, whether it had happened or not; on a full
// disk with the reserve. Nobody waits for it.
func TestFaultsOfPutOff(t *testing.T) {
	for name, fault := range map[string]struct {
		times int
		do    func(commit func() error) error
	}{
		"did not happen":                      {2, func(func() error) error { return faultfs.ErrFault }},
		"happened and was reported as failed": {1, func(commit func() error) error { return errors.Join(commit(), faultfs.ErrFault) }},
		"no space":                            {3, func(func() error) error { return syscall.ENOSPC }},
	} {
		t.Run(name, func(t *testing.T) {
			var faults atomic.Int32
			o := Options{Dir: t.TempDir(), Simulated: true, Now: func() time.Time { return stateNow }}
			failing := o
			failing.Transaction = func(commit func() error) error {
				if faults.Add(-1) >= 0 {
					return fault.do(commit)
				}
				return commit()
			}
			synctest.Test(t, func(t *testing.T) {
				b := open(t, failing)
				q := openQueue(t, b, "d")
				appendNumbered(t, b, 0, 30)
				released(t, q, 3)
				faults.Store(int32(fault.times))
				<-time.After(5 * putOffFor)
				if low := committedLow(t, b, "d"); low != 3 || faults.Load() > 0 {
					t.Errorf("%d are committed, %d faults were not met", low, faults.Load())
				}
				released(t, q, 2)
				if err := b.Close(); err != nil {
					t.Error(err)
				}
			})
			if n := left(t, o, whole); n != 25 {
				t.Errorf("%d are left", n)
			}
		})
	}
}

// TestOldProgress: what was written before a commit says nothing after it, also where it stands behind newer entries.
func TestOldProgress(t *testing.T) {
	o := Options{Dir: t.TempDir(), Simulated: true}
	path := filepath.Join(o.Dir, bufferName, progressName)
	b := open(t, o)
	q := openQueue(t, b, "d")
	appendNumbered(t, b, 0, 30)
	released(t, q, 5)
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	appendNumbered(t, b, 30, 1)
	if n := left(t, o, whole); n != 26 {
		t.Errorf("%d are left behind a commit", n)
	}
	released(t, q, 4)
	if n := left(t, o, whole); n != 22 {
		t.Errorf("%d are left", n)
	}
	if n := left(t, o, func(path string) error { return os.WriteFile(path, old, 0o600) }); n != 26 {
		t.Errorf("with the progress of before, %d are left", n)
	}
	// A process that finds entries and cannot commit goes on behind them.
	o.Dir = copyState(t, o.Dir)
	full := o
	full.Transaction = func(func() error) error { return buffer.ErrNoSpace }
	again := open(t, full)
	if !again.progress.moved[again.destinations["d"]] || again.progress.at == 0 {
		t.Errorf("%+v", again.progress)
	}
	_ = again.Close()
	if n := left(t, o, whole); n != 22 {
		t.Errorf("%d are left after a start that could store nothing", n)
	}
	// A new index knows nothing of what the old one was at.
	alter(t, o.index(), func(b []byte) []byte { return b[:5000] })
	rebuilt := open(t, o)
	if _, err := os.Stat(filepath.Join(o.Dir, bufferName, progressName)); err == nil {
		t.Error("the progress of the index before is kept")
	}
	if n := len(takeAll(t, openQueue(t, rebuilt, "d"))); n < 22 {
		t.Errorf("%d come from the new index", n)
	}
}

// TestProgressOfSeveral: each destination's counts, out of order as well.
func TestProgressOfSeveral(t *testing.T) {
	o := Options{Dir: t.TempDir(), Simulated: true}
	b := open(t, o)
	q, other := openQueue(t, b, "d"), openQueue(t, b, "other")
	appendNumbered(t, b, 0, 20)
	all := takeAll(t, q)
	released(t, other, 3)
	if err := q.Release(context.Background(), []uint64{all[1].Number, all[18].Number}); err != nil {
		t.Fatal(err)
	}
	o.Dir = copyState(t, o.Dir)
	b = open(t, o)
	if n := openQueue(t, b, "other").Pending().Records; n != 17 {
		t.Errorf("%d are left for the other", n)
	}
	got := numbers(takeAll(t, openQueue(t, b, "d")))
	want := slices.DeleteFunc(numbers(all), func(n uint64) bool { return n == all[1].Number || n == all[18].Number })
	if !slices.Equal(got, want) {
		t.Errorf("%v are left, not %v", got, want)
	}
}

// TestProgressOfRestoredState: where an index and a log are restored from a backup and the progress file stays, what it
// says does not count when the index comes to the same number of commits again.
func TestProgressOfRestoredState(t *testing.T) {
	o := Options{Dir: t.TempDir(), Simulated: true}
	b := open(t, o)
	openQueue(t, b, "d")
	appendNumbered(t, b, 0, 10)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	backup := copyState(t, o.Dir)
	b = open(t, o)
	q := openQueue(t, b, "d")
	appendNumbered(t, b, 10, 10)
	appendNumbered(t, b, 20, 10)
	appendNumbered(t, b, 30, 10)
	released(t, q, 15)
	commits := b.end.commits
	later := filepath.Join(copyState(t, o.Dir), bufferName, progressName)
	if err := os.Rename(later, filepath.Join(backup, bufferName, progressName)); err != nil {
		t.Fatal(err)
	}
	o.Dir = backup
	b = open(t, o)
	q = openQueue(t, b, "d")
	n := 10
	for ; b.end.commits < commits; n += 10 {
		appendNumbered(t, b, n, 10)
	}
	if pending := q.Pending().Records; int(pending) != n || b.end.commits != commits {
		t.Fatalf("%d pending after %d commits", pending, b.end.commits)
	}
	if got := left(t, o, whole); got != n {
		t.Errorf("%d of %d are left", got, n)
	}
}
