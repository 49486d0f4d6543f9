package disk

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/disk/vfs/faultfs"
)

// world is a scripted use of a buffer with one source and two destinations, and what was promised in it.
type world struct {
	t   *testing.T
	dir string
	f   *faultfs.Disk
	b   *Buffer

	tried, acked int // batches appended: begun, and returned for
	open         map[string]buffer.Queue
	releasing    map[string]map[string]bool // by destination, keys whose release was begun
	released     map[string]map[string]bool // and returned for: outlives the process
	durable      map[string]map[string]bool // and a commit came after it: outlives a loss of power
}

const (
	crashBatches = 14
	crashRecords = 3
)

var crashDestinations = []string{"a", "b"}

func newWorld(t *testing.T, dir string, f *faultfs.Disk) *world {
	if f != nil {
		f.Index = filepath.Join(dir, bufferName, indexName)
	}
	w := &world{t: t, dir: dir, f: f, releasing: map[string]map[string]bool{}, released: map[string]map[string]bool{}, durable: map[string]map[string]bool{}}
	for _, d := range crashDestinations {
		w.releasing[d], w.released[d], w.durable[d] = map[string]bool{}, map[string]bool{}, map[string]bool{}
	}
	return w
}

// committed: what was released until now is on disk.
func (w *world) committed() {
	for _, d := range crashDestinations {
		maps.Copy(w.durable[d], w.released[d])
	}
}

// powerLoss takes what is not on disk.
func (w *world) powerLoss(random *rand.Rand) {
	w.t.Helper()
	if err := w.f.PowerLoss(random); err != nil {
		w.t.Fatal(err)
	}
	for _, d := range crashDestinations {
		w.released[d] = maps.Clone(w.durable[d])
	}
}

func crashBatch(n int) buffer.Batch {
	b := buffer.Batch{Source: "s", Checkpoint: fmt.Appendf(nil, "%d", n)}
	for i := range crashRecords {
		b.Records = append(b.Records, buffer.Record{
			API: "alerts", Key: fmt.Sprintf("%d-%d", n, i), Pulled: time.Unix(int64(1000+n), 0),
			Raw: bytes.Repeat([]byte{byte('a' + n)}, 100+n*10+i),
		})
	}
	return b
}

func (w *world) options() Options {
	return Options{
		Dir: w.dir, MaxSize: 1 << 20, FS: w.f, Transaction: w.f.Commit, segmentSize: 1500, Simulated: true,
		Now: func() time.Time { return time.Unix(5000, 0) },
	}
}

// use runs the script from where it stands, until it is done or something fails.
func (w *world) use() (err error) {
	if w.b == nil {
		if w.b, err = Open(w.options()); err != nil {
			return err
		}
		w.open = map[string]buffer.Queue{}
	}
	for _, name := range crashDestinations {
		if w.open[name] == nil {
			q, err := w.b.Queue(buffer.Destination{Name: name})
			if err != nil {
				return err
			}
			w.open[name] = q
		}
	}
	for w.acked < crashBatches {
		n := w.acked + 1
		w.tried = max(w.tried, n)
		if _, err := w.b.Append(context.Background(), crashBatch(n)); err != nil {
			return err
		}
		w.acked = n
		w.committed()
		for i, name := range crashDestinations {
			// One destination is prompt, the other lags and releases out of order.
			if n%(i*3+1) == 0 {
				if err := w.deliver(name, i == 1); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// deliver takes what there is and releases all of it, or all but the first.
func (w *world) deliver(name string, lag bool) error {
	q := w.open[name].(*Queue)
	for {
		records, more, err := readOnce(q, 2)
		if err != nil {
			return err
		}
		if len(records) == 0 && !more {
			return nil
		}
		if lag && len(records) > 1 {
			records = records[1:]
		}
		for _, r := range records {
			w.releasing[name][r.Key] = true
		}
		if err := q.Release(context.Background(), numbers(records)); err != nil {
			return err
		}
		for _, r := range records {
			w.released[name][r.Key] = true
		}
	}
}

func numbers(records []buffer.Record) (n []uint64) {
	for _, r := range records {
		n = append(n, r.Number)
	}
	return n
}

// check opens the buffer without faults and holds it against what was promised.
func (w *world) check() {
	w.t.Helper()
	o := w.options()
	o.FS, o.Transaction = nil, nil
	b, err := Open(o)
	if err != nil {
		w.t.Fatalf("Open after %v: %v", w.f, err)
	}
	defer b.Close()
	if r := b.Report(); !r.OK() {
		w.t.Fatalf("after %v: %+v", w.f, r)
	}
	checkpoint, err := b.Checkpoint("s")
	if err != nil {
		w.t.Fatal(err)
	}
	stored := 0
	fmt.Sscan(string(checkpoint), &stored)
	if stored < w.acked || stored > w.tried {
		w.t.Fatalf("after %v: the checkpoint is %d, %d were returned for, %d tried", w.f, stored, w.acked, w.tried)
	}
	for _, name := range crashDestinations {
		if _, opened := b.destinations[name]; opened || stored > 0 {
			w.checkQueue(b, name, stored)
		}
	}
	for n := 1; n <= stored+1; n++ {
		o, err := b.Append(context.Background(), crashBatch(n))
		if err != nil {
			w.t.Fatalf("after %v: Append: %v", w.f, err)
		}
		if n <= stored && o.Known != crashRecords || n > stored && o.New != crashRecords {
			w.t.Fatalf("after %v: the checkpoint is %d; batch %d: %+v", w.f, stored, n, o)
		}
	}
}

// checkQueue checks that a destination gets each record up to the checkpoint once, but for those released.
func (w *world) checkQueue(b *Buffer, name string, stored int) {
	w.t.Helper()
	opened, err := b.Queue(buffer.Destination{Name: name})
	if err != nil {
		w.t.Fatal(err)
	}
	q, got := opened.(*Queue), map[string]bool{}
	pending := q.Pending().Records
	for more := true; more; {
		var records []buffer.Record
		if records, more, err = readOnce(q, 5); err != nil {
			w.t.Fatal(err)
		}
		for _, r := range records {
			if got[r.Key] || w.released[name][r.Key] {
				w.t.Fatalf("after %v: %s gets %s again", w.f, name, r.Key)
			}
			got[r.Key] = true
		}
	}
	if int64(len(got)) != pending {
		w.t.Fatalf("after %v: %s has %d pending and gets %d", w.f, name, pending, len(got))
	}
	for n := 1; n <= stored; n++ {
		for _, r := range crashBatch(n).Records {
			if !got[r.Key] && !w.releasing[name][r.Key] {
				w.t.Fatalf("after %v: %s does not get %s; the checkpoint is %d", w.f, name, r.Key, stored)
			}
		}
	}
}

var losses = flag.Int("losses", 1, "how many different power losses are simulated at each step of the crash tests")

// failAt lets one step fail, or die.
func failAt(at int, effect faultfs.Effect) *faultfs.Disk {
	return &faultfs.Disk{Decide: func(step int, name string) faultfs.Effect {
		if step == at && (effect != faultfs.DiesWithin || name == "commit") {
			return effect
		}
		return faultfs.Works
	}}
}

// TestEveryStepFails stops at every write, sync and commit in turn, in each way it can fail, and opens again.
func TestEveryStepFails(t *testing.T) {
	count := &faultfs.Disk{}
	w := newWorld(t, t.TempDir(), count)
	if err := w.use(); err != nil {
		t.Fatal(err)
	}
	w.b.Close()
	t.Logf("%d steps", count.Steps())
	if count.Steps() < 100 {
		t.Fatalf("only %d steps", count.Steps())
	}
	ways := []struct {
		name   string
		effect faultfs.Effect
		losses int
	}{
		{"killed before", faultfs.Dies, 0},
		{"killed behind", faultfs.DiesDone, 0},
		{"power lost before", faultfs.Dies, *losses},
		{"power lost behind", faultfs.DiesDone, *losses},
		{"power lost within a commit", faultfs.DiesWithin, *losses},
		{"goes on", faultfs.Fails, 0},
		{"goes on, done", faultfs.FailsDone, 0},
		{"goes on, then power lost", faultfs.Fails, *losses},
		{"goes on, done, then power lost", faultfs.FailsDone, *losses},
	}
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			for at := 1; at <= count.Steps(); at++ {
				for loss := range max(1, way.losses) {
					f := failAt(at, way.effect)
					w := newWorld(t, t.TempDir(), f)
					err := w.use()
					for try := 0; err != nil && !f.Dead() && try < 3; try++ {
						err = w.use()
					}
					if err != nil && !f.Dead() {
						t.Fatalf("it does not go on after %v: %v", f, err)
					}
					if w.b != nil {
						w.b.Close()
					}
					if way.losses > 0 {
						w.powerLoss(rand.New(rand.NewPCG(uint64(loss), uint64(at))))
					}
					w.check()
				}
			}
		})
	}
}

// TestCrashesInARow lets one buffer live through one crash and power loss after the other, at steps drawn from a seed.
func TestCrashesInARow(t *testing.T) {
	for seed := range uint64(20 * *losses) {
		random := rand.New(rand.NewPCG(seed, 7))
		w := newWorld(t, t.TempDir(), nil)
		lives := 0
		for done := false; !done; lives++ {
			w.f = failAt(1+random.IntN(40), faultfs.Dies+faultfs.Effect(random.IntN(3)))
			w.f.Index = filepath.Join(w.dir, bufferName, indexName)
			w.b = nil
			done = w.use() == nil
			if w.b != nil {
				w.b.Close()
			}
			if random.IntN(3) > 0 {
				w.powerLoss(random)
			}
			if lives > 500 {
				t.Fatalf("seed %d: after %d lives %d batches are stored", seed, lives, w.acked)
			}
			w.resume()
		}
		w.check()
	}
}

// resume learns which of the batches that were begun when the process died are stored.
func (w *world) resume() {
	w.t.Helper()
	o := w.options()
	o.FS, o.Transaction = nil, nil
	b, err := Open(o)
	if err != nil {
		w.t.Fatalf("Open after %v: %v", w.f, err)
	}
	defer b.Close()
	checkpoint, err := b.Checkpoint("s")
	if err != nil {
		w.t.Fatal(err)
	}
	stored := 0
	fmt.Sscan(string(checkpoint), &stored)
	if r := b.Report(); !r.OK() || stored < w.acked || stored > w.tried {
		w.t.Fatalf("after %v: the checkpoint is %d, %d were returned for, %d tried; %+v", w.f, stored, w.acked, w.tried, r)
	}
	w.acked = stored
	w.committed() // by the opening
}

// readOnce takes what is there, without waiting.
func readOnce(q *Queue, most int) (records []buffer.Record, more bool, err error) {
	var taken buffer.Taken
	more, err = q.read(&taken, most, 1<<20)
	return taken.Records, more, err
}
