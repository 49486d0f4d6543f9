package source

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// TestRunAfterAnAppendThatWasGivenUp: a source that loses its turn while its first batch is being appended, and gets it
// back, reads again what was not stored.
func TestRunAfterAnAppendThatWasGivenUp(t *testing.T) {
	path, to := filepath.Join(t.TempDir(), "a.ndjson"), newStore()
	write(t, path, []byte(row("da1")+"\n"))
	f := fileSource(t, path, nil, to)
	ctx, cancel := context.WithCancel(t.Context())
	f.o.Buffer = appendFunc{to, func(context.Context, buffer.Batch) (buffer.Outcome, error) {
		cancel()
		return buffer.Outcome{}, context.Canceled
	}}
	if err := f.Run(ctx); err != nil || len(to.keys) != 0 {
		t.Fatal(err, to.ids())
	}
	f.o.Buffer = to
	ctx, cancel = context.WithCancel(t.Context())
	f.o.Buffer = appendFunc{to, func(ctx context.Context, b buffer.Batch) (buffer.Outcome, error) {
		defer cancel()
		return to.Append(ctx, b)
	}}
	if err := f.restore(); err != nil {
		t.Fatal(err)
	}
	f.look(ctx)
	if to.ids() != "da1" {
		t.Errorf("%q is there", to.ids())
	}
}

// appendFunc is a store with another Append.
type appendFunc struct {
	*store
	append func(context.Context, buffer.Batch) (buffer.Outcome, error)
}

func (a appendFunc) Append(ctx context.Context, b buffer.Batch) (buffer.Outcome, error) {
	return a.append(ctx, b)
}

// TestLinesWrittenAnew: a file of lines that was written again, begins as before and is longer, is read from its
// beginning: what was read up to is no longer between two lines.
func TestLinesWrittenAnew(t *testing.T) {
	long := func(id, title string) string {
		return strings.Replace(row(id), `"title":"t"`, `"title":"`+title+`"`, 1) + "\n"
	}
	first := long("da0", strings.Repeat("x", 2*headLength))
	path, to := filepath.Join(t.TempDir(), "a.ndjson"), newStore()
	f := fileSource(t, path, nil, to)
	write(t, path, []byte(first+long("da1", "t")))
	f.look(t.Context())
	write(t, path, []byte(first+long("da2", "another title")+long("da3", strings.Repeat("y", 5000))))
	f.look(t.Context())
	if got := f.Status(); to.ids() != "da0 da1 da2 da3" || got.State != "ok" {
		t.Errorf("%.200q, %+v", to.ids(), got)
	}
}

// TestFolderThatCannotBeRead: a glob whose folder is not there or cannot be read finds nothing because of that, and says
// so.
func TestFolderThatCannotBeRead(t *testing.T) {
	dir, to := t.TempDir(), newStore()
	for _, pattern := range []string{filepath.Join(dir, "gone", "*.json"), filepath.Join(dir, "gone", "*", "a.json")} {
		f := fileSource(t, pattern, nil, to)
		f.look(t.Context())
		if got := f.Status(); got.State != "failing" || !strings.Contains(got.Error, filepath.Join(dir, "gone")) {
			t.Errorf("%s: %+v", pattern, got)
		}
		if err := os.MkdirAll(filepath.Join(dir, "gone", "x"), 0o700); err != nil {
			t.Fatal(err)
		}
		f.look(t.Context())
		if got := f.Status(); got.State != "ok" {
			t.Errorf("%s, which is there: %+v", pattern, got)
		}
		if err := os.RemoveAll(filepath.Join(dir, "gone")); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPathThatIsNoFile: a folder, or a pipe, which would keep the source from ending, is no file and is said to be none;
// a glob passes over it.
func TestPathThatIsNoFile(t *testing.T) {
	dir, to := t.TempDir(), newStore()
	paths := []string{filepath.Join(dir, "folder")}
	if err := os.Mkdir(paths[0], 0o700); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" {
		paths = append(paths, filepath.Join(dir, "pipe"))
		makePipe(t, paths[1])
	}
	for _, path := range paths {
		f := fileSource(t, path, nil, to)
		f.look(t.Context())
		if got := f.Status(); got.State != "failing" || !strings.Contains(got.Error, "is no regular file") {
			t.Errorf("%s: %+v", path, got)
		}
	}
	write(t, filepath.Join(dir, "a.json"), []byte(row("da1")))
	f := fileSource(t, filepath.Join(dir, "*"), nil, to)
	f.look(t.Context())
	if got := f.Status(); to.ids() != "da1" || got.State != "ok" {
		t.Errorf("%q, %+v", to.ids(), got)
	}
}

// TestEmptyPackedFile: a packed file into which nothing was written yet is empty, not damaged.
func TestEmptyPackedFile(t *testing.T) {
	for _, name := range []string{"a.ndjson.gz", "a.ndjson.zst"} {
		path, to := filepath.Join(t.TempDir(), name), newStore()
		write(t, path, nil)
		f := fileSource(t, path, nil, to)
		for range 3 {
			f.look(t.Context())
			if got := f.Status(); got.State != "ok" {
				t.Errorf("%+v", got)
			}
		}
		text := gzipped(t, row("da1"))
		if strings.HasSuffix(name, ".zst") {
			text = zstandard(t, row("da1"))
		}
		write(t, path, []byte(text))
		f.look(t.Context())
		if got := f.Status(); to.ids() != "da1" || got.State != "ok" {
			t.Errorf("%q, %+v", to.ids(), got)
		}
	}
}

// TestPackedFileThatGrows: a process that dies while it reads what was appended to a packed file goes on with the rest.
func TestPackedFileThatGrows(t *testing.T) {
	const n = 10_000
	var more strings.Builder
	for i := range n {
		more.WriteString(row(fmt.Sprintf("db%05d", i)) + "\n")
	}
	path, to := filepath.Join(t.TempDir(), "a.ndjson.gz"), newStore()
	begin := gzipped(t, row("da1")+"\n")
	write(t, path, []byte(begin))
	f := fileSource(t, path, nil, to)
	f.look(t.Context())
	write(t, path, []byte(begin+gzipped(t, more.String())))
	ctx, kill := context.WithCancel(t.Context())
	f.o.Buffer = &dying{store: to, left: 1, kill: kill}
	f.look(ctx)
	if len(to.keys) < 2 || len(to.keys) > n {
		t.Fatalf("%d records when it died", len(to.keys))
	}
	f = fileSource(t, path, nil, to)
	if err := f.restore(); err != nil {
		t.Fatal(err)
	}
	f.look(t.Context())
	if got := f.Status(); len(to.keys) != n+1 || got.Duplicates > 0 || got.State != "ok" {
		t.Errorf("%d records of %d, %+v", len(to.keys), n+1, got)
	}
}

// TestManySmallFiles: the positions of all files are stored with each batch, so that files of a record each share one,
// and files that are gone are forgotten when they are many.
func TestManySmallFiles(t *testing.T) {
	const n = 2 * goneKept
	dir, to, appends := t.TempDir(), newStore(), 0
	name := func(i int) string { return filepath.Join(dir, fmt.Sprintf("%05d.json", i)) }
	for i := range n {
		write(t, name(i), []byte(row(fmt.Sprintf("da%05d", i))))
	}
	f := fileSource(t, filepath.Join(dir, "*.json"), nil, to)
	f.o.Buffer = appendFunc{to, func(ctx context.Context, b buffer.Batch) (buffer.Outcome, error) {
		appends++
		return to.Append(ctx, b)
	}}
	for range 2 {
		f.look(t.Context())
		if got := f.Status(); len(to.keys) != n || appends > 5 || got.Duplicates > 0 || got.State != "ok" || len(f.positions) != n {
			t.Fatalf("%d records in %d batches, %+v", len(to.keys), appends, got)
		}
	}
	f = fileSource(t, filepath.Join(dir, "*.json"), nil, to)
	if err := f.restore(); err != nil {
		t.Fatal(err)
	}
	for i := range n - 1 {
		if err := os.Remove(name(i)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, name(n), []byte(row("db1")))
	f.look(t.Context())
	if got := f.Status(); got.Pulled != 1 || got.Duplicates > 0 || got.State != "ok" || len(f.positions) != 2 {
		t.Errorf("%d positions, %+v", len(f.positions), got)
	}
}
