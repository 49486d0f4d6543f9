package disk

import (
	"context"
	"fmt"
	"os"
	"testing"
	"testing/synctest"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/disk/vfs"
)

// meanwhileFS does something while the log is synced, which is in the middle of a commit.
type meanwhileFS struct {
	vfs.System
	do *func()
}

type meanwhileFile struct {
	vfs.File
	do *func()
}

func (f meanwhileFS) OpenFile(name string, flag int, perm os.FileMode) (vfs.File, error) {
	file, err := f.System.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return meanwhileFile{file, f.do}, nil
}

func (f meanwhileFile) Sync() error {
	if do := *f.do; do != nil {
		*f.do = nil
		do()
	}
	return f.File.Sync()
}

// together has the committer find some calls at once.
func together(t *testing.T, b *Buffer, calls ...func() error) {
	t.Helper()
	held, done := make(chan struct{}), make(chan error, len(calls)+1)
	go func() { done <- b.ask(context.Background(), &request{admin: func() error { <-held; return nil }}) }()
	synctest.Wait()
	for _, call := range calls {
		go func() { done <- call() }()
	}
	synctest.Wait()
	close(held)
	for range len(calls) + 1 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestTakeDuringCommit: records that a destination does not want, and that Take passes over while a release is
// committed, are no damage to the next start when the process is killed behind that commit.
func TestTakeDuringCommit(t *testing.T) {
	for name, other := range map[string]string{"it takes one behind them": "s", "nothing is behind them": "unwanted"} {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			var meanwhile func()
			o := Options{Dir: t.TempDir(), Simulated: true, FS: meanwhileFS{do: &meanwhile}}
			destination := buffer.Destination{Name: "d", Sources: []string{"s"}}
			add := func(b *Buffer, source string, key int) error {
				_, err := b.Append(ctx, buffer.Batch{Source: source, Records: []buffer.Record{{Key: fmt.Sprint(key), Raw: []byte("{}")}}})
				return err
			}
			wanted, outer := 0, t
			synctest.Test(t, func(t *testing.T) {
				b := open(t, o)
				opened, err := b.Queue(destination)
				if err != nil {
					t.Fatal(err)
				}
				q := opened.(*Queue)
				for i, source := range []string{"s", "unwanted", "unwanted", other} {
					if source == "s" {
						wanted++
					}
					if err := add(b, source, i); err != nil {
						t.Fatal(err)
					}
				}
				first, _, err := readOnce(q, 1)
				if err != nil || len(first) != 1 {
					t.Fatal(first, err)
				}
				meanwhile = func() { takeAll(t, q) }
				together(t, b,
					func() error { return q.Release(ctx, numbers(first)) },
					func() error { return add(b, "s", 100) })
				if meanwhile != nil {
					t.Error("nothing was synced")
				}
				o.Dir = copyState(outer, o.Dir) // as a kill leaves it
				if err := b.Close(); err != nil {
					t.Error(err)
				}
			})
			b := open(t, o)
			defer b.Close()
			opened, err := b.Queue(destination)
			if err != nil {
				t.Fatal(err)
			}
			if got := takeAll(t, opened.(*Queue)); len(got) != wanted {
				t.Errorf("%d records come, not %d", len(got), wanted)
			}
			if r := b.Report(); !r.OK() {
				t.Errorf("%+v", r)
			}
		})
	}
}
