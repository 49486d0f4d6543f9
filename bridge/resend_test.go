package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/buffertest"
	"github.com/siembridge/siembridge/bridge/buffer/disk"
	"github.com/siembridge/siembridge/bridge/buffer/disk/vfs/faultfs"
)

// resending is a buffer with one destination, opened again at will.
type resending struct {
	t      *testing.T
	dir    string
	buffer *disk.Buffer
	queue  *resendQueue

	commits []faultfs.Effect // what becomes of the next commits; the rest works
}

func newResending(t *testing.T) *resending {
	r := &resending{t: t, dir: t.TempDir()}
	r.open()
	t.Cleanup(func() { r.queue.stop(); _ = r.buffer.Close() })
	return r
}

func (r *resending) open() {
	r.t.Helper()
	files := &faultfs.Disk{Decide: func(_ int, step string) (effect faultfs.Effect) {
		if step == "commit" && len(r.commits) > 0 {
			effect, r.commits = r.commits[0], r.commits[1:]
		}
		return effect
	}}
	b, err := disk.Open(disk.Options{Dir: r.dir, MaxSize: 64 << 20, Retain: 24 * time.Hour, Logger: slog.New(slog.DiscardHandler),
		FS: files, Transaction: files.Commit, Simulated: true})
	if err != nil {
		r.t.Fatal(err)
	}
	q, err := b.Queue(buffer.Destination{Name: "siem", Sources: []string{"a"}})
	if err != nil {
		r.t.Fatal(err)
	}
	r.buffer = b
	if r.queue, err = newResendQueue(q, "siem", func(source string) bool { return source == "a" }, b, slog.New(slog.DiscardHandler)); err != nil {
		r.t.Fatal(err)
	}
}

// reopen is a crash between: what was taken and not released is forgotten.
func (r *resending) reopen() {
	r.t.Helper()
	r.queue.stop()
	if err := r.buffer.Close(); err != nil {
		r.t.Fatal(err)
	}
	r.open()
}

func (r *resending) append(source string, from, to int) {
	r.t.Helper()
	batch := buffer.Batch{Source: source}
	for i := from; i < to; i++ {
		batch.Records = append(batch.Records, buffer.Record{Source: source, API: "alerts", Key: fmt.Sprint(source, i), Pulled: time.Now(), Raw: []byte(`{"id":"x"}`)})
	}
	if _, err := r.buffer.Append(context.Background(), batch); err != nil {
		r.t.Fatal(err)
	}
}

func (r *resending) take(max int) []buffer.Record {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	records, err := buffertest.Take(ctx, r.queue, max, 1<<20)
	if err != nil {
		r.t.Fatal(err)
	}
	return records
}

func (r *resending) release(records ...buffer.Record) {
	r.t.Helper()
	var numbers []uint64
	for i := range records {
		numbers = append(numbers, records[i].Number)
	}
	if err := r.queue.Release(context.Background(), numbers); err != nil {
		r.t.Fatal(err)
	}
}

func (r *resending) begin() int64 {
	r.t.Helper()
	n, err := r.queue.begin(context.Background(), time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

func keysOf(records []buffer.Record) (keys []string) {
	for i := range records {
		keys = append(keys, records[i].Key)
	}
	return keys
}

// TestReplayBesideNew: what was delivered comes again, marked old, in turns with what is new; other sources, and what
// is still to be delivered, do not.
func TestReplayBesideNew(t *testing.T) {
	r := newResending(t)
	r.append("a", 0, 4)
	r.append("b", 0, 4)
	r.release(r.take(10)...)
	r.append("a", 4, 6)
	if n := r.begin(); n != 4 {
		t.Errorf("%d records are to be sent again, not 4", n)
	}
	if _, err := r.queue.begin(context.Background(), time.Now().Add(-time.Hour), time.Now()); err == nil {
		t.Error("a second replay begins beside the first")
	}
	var fresh, again []string
	turns := ""
	for range 6 {
		one := r.take(1)
		if one[0].Number >= retryBit {
			turns += "again "
			if !one[0].Old {
				t.Errorf("%s is not marked old", one[0].Key)
			}
			again = append(again, keysOf(one)...)
		} else {
			turns += "new "
			fresh = append(fresh, keysOf(one)...)
		}
		r.release(one...)
	}
	if !slices.Equal(again, []string{"a0", "a1", "a2", "a3"}) || !slices.Equal(fresh, []string{"a4", "a5"}) {
		t.Errorf("sent again %q, new %q", again, fresh)
	}
	if turns != "again new again new again again " {
		t.Errorf("turns: %s", turns)
	}
	if job := r.queue.replaying(); job != nil {
		t.Errorf("all is confirmed, and the replay goes on: %+v", job)
	}
	if p := r.queue.Pending(); p.Records != 0 {
		t.Errorf("%d pending", p.Records)
	}
}

// TestReplayAfterCrash: what was confirmed in order is not sent once more, what was not is.
func TestReplayAfterCrash(t *testing.T) {
	r := newResending(t)
	r.append("a", 0, 6)
	r.release(r.take(10)...)
	r.begin()
	records := r.take(5)
	r.release(records[0], records[1], records[3]) // the third is under way
	r.reopen()
	if job := r.queue.replaying(); job == nil || job.Sent != 2 || job.Records != 6 {
		t.Fatalf("after the crash: %+v", job)
	}
	rest := r.take(10)
	if got := keysOf(rest); !slices.Equal(got, []string{"a2", "a3", "a4", "a5"}) {
		t.Errorf("after the crash %q are sent", got)
	}
	r.release(rest[3], rest[1], rest[0], rest[2])
	if job := r.queue.replaying(); job != nil {
		t.Errorf("all is confirmed, and the replay goes on: %+v", job)
	}
	r.reopen()
	if job := r.queue.replaying(); job != nil {
		t.Errorf("a replay that is done begins again: %+v", job)
	}
}

// TestReplayLeavesOutWhatWaits: what is under way, or was not taken yet, is delivered anyway.
func TestReplayLeavesOutWhatWaits(t *testing.T) {
	r := newResending(t)
	r.append("a", 0, 3)
	r.reopen()
	if _, err := r.queue.begin(context.Background(), time.Now().Add(-time.Hour), time.Now()); err == nil {
		t.Error("a replay begins before it can be told what waits")
	}
	records := r.take(10)
	r.release(records[:2]...)
	if n := r.begin(); n != 2 {
		t.Errorf("%d records are to be sent again, not 2", n)
	}
	if below, ok := (&resendQueue{Queue: r.queue.Queue, newest: 7}).settled(); !ok || below != 8 {
		t.Errorf("one waits that was not taken: below %d, %v", below, ok)
	}
}

// TestResendWakes: who waits for something new gets what is to be sent again. Its place in quarantine is free when it
// is confirmed, and not before.
func TestResendWakes(t *testing.T) {
	r := newResending(t)
	r.append("a", 0, 1)
	r.release(r.take(1)...)
	quarantine := r.buffer.Quarantine()
	id, err := quarantine.Put(buffer.Record{Source: "a", API: "alerts", Key: "bad", Pulled: time.Now(), Raw: []byte(`{}`)}, "siem: why")
	if err != nil {
		t.Fatal(err)
	}
	taken := make(chan []buffer.Record)
	go func() {
		for range 2 {
			records, err := buffertest.Take(context.Background(), r.queue, 10, 1<<20)
			if err != nil {
				t.Error(err)
			}
			taken <- records
		}
	}()
	r.queue.resend([]uint64{id, id, id + 1})
	one := <-taken
	if len(one) != 1 || one[0].Key != "bad" || !one[0].Old {
		t.Fatalf("sent again: %+v", one)
	}
	r.queue.resend([]uint64{id})
	if _, ok, err := quarantine.Get(id); !ok || err != nil {
		t.Errorf("before it is confirmed: %v %v", ok, err)
	}
	r.release(one...)
	if _, ok, err := quarantine.Get(id); ok || err != nil {
		t.Errorf("after it is confirmed: %v %v", ok, err)
	}
	r.begin()
	if again := <-taken; len(again) != 1 || again[0].Key != "a0" {
		t.Errorf("the replay brings %+v", again)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := buffertest.Take(ctx, r.queue, 1, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("when it is over: %v", err)
	}
}

// wantReplay checks how far the replay is; -1: there is none.
func (r *resending) wantReplay(sent int64) {
	r.t.Helper()
	if job := r.queue.replaying(); job == nil && sent != -1 || job != nil && job.Sent != sent {
		r.t.Errorf("the replay: %+v, want %d sent", job, sent)
	}
}

// TestFaultsOfResending: a replay that could not be noted does not begin, not by a restart either; one whose progress or
// end could not be noted, and a place in quarantine that could not be freed, is so once it is confirmed again.
func TestFaultsOfResending(t *testing.T) {
	twice(t, func(t *testing.T, dir string, fault faultfs.Effect) {
		r := &resending{t: t, dir: dir}
		r.open()
		defer func() { r.queue.stop(); _ = r.buffer.Close() }()
		r.append("a", 0, 4)
		r.release(r.take(10)...)
		id, err := r.buffer.Quarantine().Put(buffer.Record{Source: "a", API: "alerts", Key: "bad", Pulled: time.Now(), Raw: []byte(`{}`)}, "siem: why")
		if err != nil {
			t.Fatal(err)
		}
		confirm := func(records ...buffer.Record) {
			t.Helper()
			r.commits = []faultfs.Effect{fault}
			numbers := []uint64{}
			for i := range records {
				numbers = append(numbers, records[i].Number)
			}
			if err := r.queue.Release(t.Context(), numbers); !errors.Is(err, faultfs.ErrFault) {
				t.Fatalf("the fault: %v", err)
			}
			r.release(records...)
		}

		r.commits = []faultfs.Effect{fault}
		if _, err := r.queue.begin(t.Context(), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)); !errors.Is(err, faultfs.ErrFault) {
			t.Fatalf("the fault: %v", err)
		}
		r.wantReplay(-1)
		r.reopen()
		r.wantReplay(-1)

		r.append("a", 4, 5) // so that it is clear what waits
		r.release(r.take(1)...)
		r.begin()
		records := r.take(10)
		if len(records) != 5 {
			t.Fatalf("%d records are sent again", len(records))
		}
		confirm(records[:2]...)
		r.wantReplay(2)
		r.reopen()
		r.wantReplay(2)
		confirm(r.take(10)...)
		r.wantReplay(-1)
		r.reopen()
		r.wantReplay(-1)

		r.queue.resend([]uint64{id})
		confirm(r.take(1)...)
		if _, ok, err := r.buffer.Quarantine().Get(id); ok || err != nil {
			t.Errorf("it is in quarantine still: %v", err)
		}
		if len(r.queue.retrying) > 0 {
			t.Errorf("it is under way still: %v", r.queue.retrying)
		}
	})
}

// elsewhere is a queue of which another instance has a record under way: it is pending, and not to be taken here.
type elsewhere struct{ buffer.Queue }

func (q elsewhere) Pending() buffer.Pending {
	p := q.Queue.Pending()
	p.Records++
	return p
}

// TestReplayBesideAnotherInstance: what is pending elsewhere does not hold up what is to be sent again here.
func TestReplayBesideAnotherInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newResending(t)
		r.append("a", 0, 4)
		r.release(r.take(10)...)
		r.queue.Queue = elsewhere{r.queue.Queue}
		if n := r.begin(); n != 4 {
			t.Errorf("%d records are to be sent again, not 4", n)
		}
		var again []string
		for range 4 {
			one := r.take(1)
			again = append(again, keysOf(one)...)
			r.release(one...)
		}
		if !slices.Equal(again, []string{"a0", "a1", "a2", "a3"}) {
			t.Errorf("sent again: %q", again)
		}
	})
}

// outOfOrder is a queue that gives records of a lane that was taken over.
type outOfOrder struct {
	elsewhere
	numbers []uint64
}

func (q *outOfOrder) Take(_ context.Context, into *buffer.Taken, _, _ int) error {
	into.Records = append(into.Records[:0], buffer.Record{Number: q.numbers[0]})
	q.numbers = q.numbers[1:]
	return nil
}

func (q *outOfOrder) Release(context.Context, []uint64) error { return nil }

// TestReplayAfterTakeover: older records that came last do not make a replay leave out the newest.
func TestReplayAfterTakeover(t *testing.T) {
	r := newResending(t)
	r.queue.Queue = &outOfOrder{elsewhere{r.queue.Queue}, []uint64{10, 5}}
	for range 2 {
		r.release(r.take(1)...)
	}
	if below, ok := r.queue.settled(); below != 11 || !ok {
		t.Errorf("settled below %d, %v", below, ok)
	}
}

// TestReplayOfAStoppedQueue: a replay that was counted while a reload took the destination's place is refused, and not
// noted for a queue that does not look at notes any more.
func TestReplayOfAStoppedQueue(t *testing.T) {
	r := newResending(t)
	r.append("a", 0, 4)
	r.release(r.take(10)...)
	r.queue.stop()
	if n, err := r.queue.begin(context.Background(), time.Now().Add(-time.Hour), time.Now()); err == nil {
		t.Errorf("%d records are said to be sent again", n)
	}
	if job, err := readReplay(r.buffer, "siem"); job != nil || err != nil {
		t.Errorf("noted: %+v, %v", job, err)
	}
}
