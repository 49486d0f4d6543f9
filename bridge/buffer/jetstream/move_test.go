package jetstream

import (
	"slices"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/keys"
)

// TestUnansweredImport: a buffer is carried over whole, in order and once, though the first commit of each step is not
// answered.
func TestUnansweredImport(t *testing.T) {
	for name, applied := range map[string]bool{"did not happen": false, "happened and was not answered": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each step is tried again half a second later
			f := &faulty{T: t, applied: applied}
			f.o = Options{URLs: []string{serve(t).ClientURL()}, Replicas: 1, surround: f.surround}
			ctx := t.Context()
			f.left.Store(1)
			i, done, err := BeginImport(ctx, f.o, "old")
			if err != nil || done {
				t.Fatal(done, err)
			}
			step := func(what string, do func() error) {
				t.Helper()
				if f.left.Load() > 0 {
					t.Errorf("the fault before %s was not met", what)
				}
				f.left.Store(1)
				if err := do(); err != nil {
					t.Fatalf("%s: %v", what, err)
				}
			}
			var records []buffer.Record
			for n := range 3 {
				records = append(records, buffer.Record{Number: uint64(n + 1), Source: "s", API: "alerts", Key: "k", Raw: []byte("{}"), Pulled: time.Now()})
			}
			step("records", func() error { return i.Records(ctx, records[:2]) })
			step("more records", func() error { return i.Records(ctx, records[2:]) })
			step("a destination", func() error {
				return i.Destination(ctx, buffer.Destination{Name: "d"}, time.Now(), 0, func(uint64) bool { return true }, func(uint64) bool { return false })
			})
			id, _ := keys.IDOf(nil, "s", "k")
			step("keys", func() error { return i.Keys(ctx, []Key{{id, keys.State{Number: 3}}}) })
			step("a checkpoint", func() error { return i.Checkpoint(ctx, "s", []byte("c")) })
			step("a note", func() error { return i.Note(ctx, "s", "k", []byte("v")) })
			step("quarantine", func() error {
				return i.Quarantined(ctx, buffer.Quarantined{ID: 1, Record: buffer.Record{Source: "s", API: "alerts", Key: "bad", Raw: []byte("{")}, Reason: "odd"})
			})
			step("tokens", func() error { return i.Tokens(ctx, "s", []byte("chain")) })
			step("the end", func() error { return i.Done(ctx) })
			i.Close()
			f.left.Store(0)

			f.reopen()
			q, err := f.Queue(buffer.Destination{Name: "d"})
			if err != nil {
				t.Fatal(err)
			}
			if p := q.Pending(); p.Records != 3 {
				t.Errorf("pending %+v", p)
			}
			if numbers := f.take(q, 3); !slices.IsSorted(numbers) {
				t.Errorf("taken: %d", numbers)
			}
			if c, err := f.Checkpoint("s"); err != nil || string(c) != "c" {
				t.Errorf("checkpoint %q, %v", c, err)
			}
			if v, err := f.Note("s", "k"); err != nil || string(v) != "v" {
				t.Errorf("note %q, %v", v, err)
			}
			if chain, err := f.Tokens("s").ReadChain(); err != nil || string(chain) != "chain" {
				t.Errorf("tokens %q, %v", chain, err)
			}
			if list, err := f.Quarantine().List(); err != nil || len(list) != 1 {
				t.Errorf("quarantine %+v, %v", list, err)
			}
		})
	}
}
