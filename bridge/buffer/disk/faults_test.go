package disk

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/disk/vfs/faultfs"
)

// What TestEveryStepFails does not come by: commits that are asked for alone. Every fault is tried twice: the commit did
// not happen, or it happened and was reported as failed.

// faulty is a buffer whose commits fail when they are told to.
type faulty struct {
	*testing.T
	*Buffer
	o       Options
	commits []faultfs.Effect // what becomes of the next commits; the rest works
	since   time.Duration    // added to the time
}

func newFaulty(t *testing.T) *faulty {
	f := &faulty{T: t}
	disk := &faultfs.Disk{Decide: func(_ int, step string) (effect faultfs.Effect) {
		if step == "commit" && len(f.commits) > 0 {
			effect, f.commits = f.commits[0], f.commits[1:]
		}
		return effect
	}}
	f.o = Options{Dir: t.TempDir(), FS: disk, Transaction: disk.Commit, Simulated: true, Retain: time.Hour,
		Now: func() time.Time { return time.Unix(5000, 0).Add(f.since) }}
	f.reopen()
	return f
}

// reopen closes the buffer and opens it again, which must find nothing wrong.
func (f *faulty) reopen() {
	f.Helper()
	if f.Buffer != nil {
		if err := f.Close(); err != nil {
			f.Fatal(err)
		}
	}
	f.Buffer = open(f, f.o)
	if r := f.Report(); !r.OK() {
		f.Fatalf("%+v", r)
	}
}

// admin has the committer do something.
func (f *faulty) admin(do func() error) error {
	return f.ask(context.Background(), &request{admin: do})
}

// set changes what the committer looks at.
func (f *faulty) set(change func()) {
	f.Helper()
	if err := f.admin(func() error { change(); return nil }); err != nil {
		f.Fatal(err)
	}
}

// twice does something whose commit fails as the fault says, and again without a fault. check then holds what is there
// against what was asked, before and after the buffer is opened again.
func twice(t *testing.T, prepare func(f *faulty), do func(f *faulty) error, check func(f *faulty, applied bool)) {
	t.Helper()
	for name, fault := range map[string]faultfs.Effect{"did not happen": faultfs.Fails, "happened and was reported as failed": faultfs.FailsDone} {
		for _, again := range []string{"tried again", "opened again before"} {
			t.Run(name+", "+again, func(t *testing.T) {
				f := newFaulty(t)
				prepare(f)
				f.set(func() { f.commits = []faultfs.Effect{fault} })
				if err := do(f); !errors.Is(err, faultfs.ErrFault) {
					t.Fatalf("the fault: %v", err)
				}
				if again == "opened again before" {
					f.reopen()
				}
				if err := do(f); err != nil {
					t.Fatal(err)
				}
				check(f, fault == faultfs.FailsDone)
				f.reopen()
				check(f, fault == faultfs.FailsDone)
			})
		}
	}
}

// TestFaultsOfNotes: a note is there once it was stored without an error.
func TestFaultsOfNotes(t *testing.T) {
	twice(t, func(*faulty) {},
		func(f *faulty) error { return f.SetNote("probe", "siem:6514", []byte("closes")) },
		func(f *faulty, _ bool) {
			if v, err := f.Note("probe", "siem:6514"); err != nil || string(v) != "closes" {
				f.Errorf("the note: %q, %v", v, err)
			}
		})
}

// aside is a record to set aside.
var aside = buffer.Record{Source: "s", API: "alerts", Key: "k", Raw: []byte("{bad"), Pulled: time.Unix(5, 0).UTC()}

// wantAside checks how many records are in quarantine.
func (f *faulty) wantAside(n int) {
	f.Helper()
	if list, err := f.Quarantine().List(); err != nil || len(list) != n {
		f.Errorf("%d in quarantine, not %d: %v", len(list), n, err)
	}
}

// TestFaultsOfQuarantine: a record is in quarantine once it was put there without an error; when the commit before had
// happened, twice. One that was removed is not there, whether its removal had to be asked for again or not.
func TestFaultsOfQuarantine(t *testing.T) {
	put := func(f *faulty) error {
		_, err := f.Quarantine().Put(aside, "it is no JSON")
		return err
	}
	t.Run("the first", func(t *testing.T) { // its first commit makes the file
		twice(t, func(*faulty) {}, put, func(f *faulty, _ bool) { f.wantAside(1) })
	})
	putOne := func(f *faulty) {
		if err := put(f); err != nil {
			f.Fatal(err)
		}
	}
	t.Run("another", func(t *testing.T) {
		twice(t, putOne, put, func(f *faulty, applied bool) {
			want := 2
			if applied {
				want++
			}
			f.wantAside(want)
		})
	})
	t.Run("remove", func(t *testing.T) {
		twice(t, putOne, func(f *faulty) error { return f.Quarantine().Remove(1) }, func(f *faulty, _ bool) { f.wantAside(0) })
	})
}

// TestFaultsOfKeys: keys are known whatever becomes of the commit that sorts them, and unknown once they have expired.
func TestFaultsOfKeys(t *testing.T) {
	store := func(f *faulty) {
		appendNumbered(f, f.Buffer, 0, 10)
	}
	t.Run("sort", func(t *testing.T) {
		twice(t, store, func(f *faulty) error { return f.admin(f.foldKeys) }, func(f *faulty, _ bool) {
			if o := appendNumbered(f, f.Buffer, 0, 10); o.Known != 10 {
				f.Errorf("%+v", o)
			}
		})
	})
	expired := func(f *faulty) {
		store(f)
		if err := f.admin(f.foldKeys); err != nil {
			f.Fatal(err)
		}
		appendNumbered(f, f.Buffer, 10, 10)
		if err := f.admin(f.foldKeys); err != nil {
			f.Fatal(err)
		}
	}
	t.Run("expire", func(t *testing.T) {
		twice(t, expired, func(f *faulty) error { return f.admin(f.expireKeys) }, func(f *faulty, applied bool) {
			want := 1
			if applied {
				want = 0 // the second try took the second
			}
			f.set(func() {
				if n := len(f.keys.generations); n != want {
					f.Errorf("%d generations, not %d", n, want)
				}
			})
		})
	})
}

// TestFaultsOfQueues: a queue that could not be opened, closed or forgotten is so the next time, and what it has yet to
// deliver is there.
func TestFaultsOfQueues(t *testing.T) {
	destination := buffer.Destination{Name: "d"}
	opened := func(f *faulty) {
		openQueue(f, f.Buffer, "d")
		appendNumbered(f, f.Buffer, 0, 10)
	}
	closed := func(f *faulty) {
		opened(f)
		if err := f.CloseQueue("d"); err != nil {
			f.Fatal(err)
		}
	}
	open := func(f *faulty) error {
		_, err := f.Queue(destination)
		return err
	}
	pending := func(f *faulty, _ bool) {
		if n := openQueue(f, f.Buffer, "d").Pending().Records; n != 10 {
			f.Errorf("%d pending", n)
		}
	}
	t.Run("open a new one", func(t *testing.T) {
		twice(t, func(*faulty) {}, open, func(f *faulty, _ bool) {
			q := openQueue(f, f.Buffer, "d")
			before := q.Pending().Records
			appendNumbered(f, f.Buffer, int(before), 10)
			if n := q.Pending().Records; n != before+10 || int(n) != len(takeAll(f, q)) {
				f.Errorf("%d pending, %d before", n, before)
			}
		})
	})
	t.Run("open again", func(t *testing.T) { twice(t, closed, open, pending) })
	t.Run("close", func(t *testing.T) {
		twice(t, opened, func(f *faulty) error { return f.CloseQueue("d") }, pending)
	})
	t.Run("forget", func(t *testing.T) {
		twice(t, func(f *faulty) { closed(f); f.set(func() { f.since = queueLife + time.Hour }) },
			func(f *faulty) error { return f.admin(f.forgetClosed) },
			func(f *faulty, _ bool) {
				if left := f.Leftovers(); len(left) != 0 {
					f.Errorf("%+v", left)
				}
			})
	})
}

// TestFaultsOfRebuild: when a commit fails by which a damaged index is rebuilt, the buffer does not open, and the next
// opening rebuilds it whole.
func TestFaultsOfRebuild(t *testing.T) {
	for commit := range 3 { // an empty index, the keys, the rest
		for name, fault := range map[string]faultfs.Effect{"did not happen": faultfs.Fails, "happened and was reported as failed": faultfs.FailsDone} {
			t.Run(fmt.Sprint(commit+1, " ", name), func(t *testing.T) {
				o := filled(t)
				alter(t, o.index(), func(b []byte) []byte { return b[:5000] })
				failing, n := o, 0
				failing.Transaction = func(do func() error) error {
					if n++; n <= commit {
						return do()
					}
					if fault == faultfs.FailsDone {
						return errors.Join(do(), faultfs.ErrFault)
					}
					return faultfs.ErrFault
				}
				if _, err := Open(failing); !errors.Is(err, faultfs.ErrFault) {
					t.Fatalf("the fault: %v", err)
				}
				b := open(t, o)
				if r := b.Report(); r.Rebuilt != damageRecords {
					t.Errorf("%+v", r)
				}
				if got := appendNumbered(t, b, 0, damageRecords); got.Known != damageRecords {
					t.Errorf("keys are lost: %+v", got)
				}
				if n := len(takeAll(t, openQueue(t, b, "d"))); n < damageRecords*2/3 {
					t.Errorf("%d records", n)
				}
			})
		}
	}
}
