package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/buffertest"
)

// faulty is a buffer of which a commit is not answered when it is told so.
type faulty struct {
	*testing.T
	*Buffer
	o       Options
	applied bool         // the servers have stored what they do not answer
	left    atomic.Int64 // so many of the next commits are not answered, but for signs of life
}

// twice runs a test for both: a commit did not reach the servers, or they have stored it and the answer was lost.
func twice(t *testing.T, name string, test func(f *faulty)) {
	s := serve(t)
	for how, applied := range map[string]bool{"did not happen": false, "happened and was not answered": true} {
		t.Run(name+" "+how, func(t *testing.T) {
			f := &faulty{T: t, applied: applied}
			f.o = Options{URLs: []string{s.ClientURL()}, Replicas: 1, surround: f.surround}
			f.reopen()
			test(f)
			if f.left.Load() > 0 {
				t.Error("the fault was not met")
			}
		})
	}
}

func (f *faulty) surround(subject string, commit func() error) error {
	if strings.HasPrefix(subject, ofMember) || f.left.Add(-1) < 0 {
		return commit()
	}
	if f.applied {
		if err := commit(); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w (a fault of the test)", ErrAway)
}

func (f *faulty) reopen() {
	f.Helper()
	if f.Buffer != nil {
		if err := f.Close(); err != nil {
			f.Fatal(err)
		}
	}
	var err error
	if f.Buffer, err = Open(f.o); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { f.Buffer.Close() })
}

// again does something whose first commit is not answered, until it is done.
func (f *faulty) again(do func() error) (tries int) {
	f.Helper()
	f.left.Store(1)
	for tries = 1; ; tries++ {
		err := do()
		if err == nil {
			return tries
		}
		if !errors.Is(err, ErrAway) || tries > 3 {
			f.Fatalf("try %d: %v", tries, err)
		}
	}
}

func (f *faulty) queue() buffer.Queue {
	f.Helper()
	q, err := f.Queue(buffer.Destination{Name: f.Name()})
	if err != nil {
		f.Fatal(err)
	}
	return q
}

// batch has two records of this test's own source.
func (f *faulty) batch() buffer.Batch {
	return buffer.Batch{Source: f.Name(), Checkpoint: []byte("c"), Records: []buffer.Record{{Key: "a", Raw: []byte("{}")}, {Key: "b", Raw: []byte("{}")}}}
}

func (f *faulty) take(q buffer.Queue, n int) (numbers []uint64) {
	f.Helper()
	ctx, cancel := context.WithTimeout(f.Context(), 20*time.Second)
	defer cancel()
	for len(numbers) < n {
		records, err := buffertest.Take(ctx, q, n, 1<<20)
		if err != nil {
			f.Fatalf("%d of %d records: %v", len(numbers), n, err)
		}
		for i := range records {
			numbers = append(numbers, records[i].Number)
		}
	}
	return numbers
}

// TestUnansweredAppend: a batch is stored once, and its records have the numbers that they are taken with.
func TestUnansweredAppend(t *testing.T) {
	twice(t, "append", func(f *faulty) {
		q, batch := f.queue(), f.batch()
		var o buffer.Outcome
		f.again(func() (err error) { o, err = f.Append(f.Context(), batch); return err })
		if o.New != 2 {
			f.Errorf("outcome %+v", o)
		}
		for i, n := range f.take(q, 2) {
			if n != batch.Records[i].Number {
				f.Errorf("record %d has number %d, and is taken with %d", i, batch.Records[i].Number, n)
			}
		}
		batch.Checkpoint = []byte("d") // a commit without a block
		f.again(func() (err error) { o, err = f.Append(f.Context(), batch); return err })
		if c, err := f.Checkpoint(batch.Source); err != nil || string(c) != "d" || o.Known != 2 {
			f.Errorf("checkpoint %q, %v; outcome %+v", c, err, o)
		}
		if p := q.Pending(); p.Records != 2 {
			f.Errorf("pending %+v", p)
		}
	})
}

// TestUnansweredRelease: what was released is released, also for the next start.
func TestUnansweredRelease(t *testing.T) {
	twice(t, "release", func(f *faulty) {
		q := f.queue()
		if _, err := f.Append(f.Context(), f.batch()); err != nil {
			f.Fatal(err)
		}
		numbers := f.take(q, 2)
		f.again(func() error { return q.Release(f.Context(), numbers[:1]) })
		if p := q.Pending(); p.Records != 1 {
			f.Errorf("pending %+v", p)
		}
		f.reopen()
		q = f.queue()
		if p := q.Pending(); p.Records != 1 {
			f.Errorf("after a restart: pending %+v", p)
		}
		if n := f.take(q, 1); n[0] != numbers[1] {
			f.Errorf("record %d is taken, not %d", n[0], numbers[1])
		}
	})
}

// TestUnansweredNote: a note is there once it was stored without an error.
func TestUnansweredNote(t *testing.T) {
	twice(t, "note", func(f *faulty) {
		f.again(func() error { return f.SetNote("s", f.Name(), []byte("v")) })
		f.reopen()
		if v, err := f.Note("s", f.Name()); err != nil || string(v) != "v" {
			f.Errorf("the note: %q, %v", v, err)
		}
	})
}

// TestUnansweredQuarantine: a record is in quarantine once it was put there without an error; when the commit before had
// happened, twice. One that was removed is gone.
func TestUnansweredQuarantine(t *testing.T) {
	twice(t, "quarantine", func(f *faulty) {
		q := f.Quarantine()
		before, err := q.List()
		if err != nil {
			f.Fatal(err)
		}
		tries := f.again(func() error {
			_, err := q.Put(buffer.Record{Source: "s", API: "alerts", Key: "k", Raw: []byte("{bad")}, "it is no JSON")
			return err
		})
		f.reopen()
		q = f.Quarantine()
		all, err := q.List()
		want := 1
		if f.applied {
			want = tries
		}
		if n := len(all) - len(before); err != nil || n != want {
			f.Errorf("%d in quarantine after %d tries, %v", n, tries, err)
		}
		for _, one := range all {
			f.again(func() error { return q.Remove(one.ID) })
		}
		f.reopen()
		if all, err := f.Quarantine().List(); err != nil || len(all) > 0 {
			f.Errorf("%d are left, %v", len(all), err)
		}
	})
}

// TestUnansweredTokens: a chain of refresh tokens is the one that was stored without an error, and another can follow.
func TestUnansweredTokens(t *testing.T) {
	twice(t, "tokens", func(f *faulty) {
		chain := f.Tokens(f.Name())
		for _, text := range []string{"first", "second"} {
			if _, err := chain.ReadChain(); err != nil {
				f.Fatal(err)
			}
			f.again(func() error { return chain.WriteChain([]byte(text)) })
		}
		f.reopen()
		if got, err := f.Tokens(f.Name()).ReadChain(); err != nil || string(got) != "second" {
			f.Errorf("the chain: %q, %v", got, err)
		}
	})
}

// TestUnansweredQueue: a queue that is opened by a commit which was not answered gets what is appended from then on, and
// a closed one goes on where it was.
func TestUnansweredQueue(t *testing.T) {
	twice(t, "queue", func(f *faulty) {
		var q buffer.Queue
		f.again(func() (err error) { q, err = f.Queue(buffer.Destination{Name: f.Name()}); return err })
		if _, err := f.Append(f.Context(), f.batch()); err != nil {
			f.Fatal(err)
		}
		f.take(q, 2)
		f.again(func() error { return f.CloseQueue(f.Name()) })
		if n := f.take(f.queue(), 2); len(n) != 2 {
			f.Errorf("%d records", len(n))
		}
	})
}
