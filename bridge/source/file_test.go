package source

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus"
)

// fileSource makes a source of a path that appends to to.
func fileSource(t *testing.T, path string, stdin io.Reader, to *store) *File {
	t.Helper()
	f, err := NewFile(FileOptions{Name: "f", Path: path, PollInterval: time.Hour, Stdin: stdin, Buffer: to,
		Metrics: NewMetrics(prometheus.NewRegistry()), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// ids returns the keys that a store has, in order.
func (s *store) ids() string {
	var ids []string
	for key := range s.keys {
		ids = append(ids, key)
	}
	sort.Strings(ids)
	return strings.Join(ids, " ")
}

// row is an alert of Graph on one line.
func row(id string) string {
	return `{"id":"` + id + `","title":"t","createdDateTime":"2026-11-25T00:00:00Z","lastUpdateDateTime":"2026-11-25T00:00:00Z","alertWebUrl":"https://security.microsoft.com/alerts/` + id + `"}`
}

const pretty = "{\n  \"@odata.context\": \"c\",\n  \"value\": [\n    ROW1,\n    ROW2\n  ]\n}\n"

func prettyPage(one, two string) string {
	return strings.NewReplacer("ROW1", row(one), "ROW2", row(two)).Replace(pretty)
}

// TestFileShapes: every shape of file is read whole at the first look, and nothing at the second.
func TestFileShapes(t *testing.T) {
	compressed := func(w io.WriteCloser, b *bytes.Buffer, text string) string {
		if _, err := io.WriteString(w, text); err != nil || w.Close() != nil {
			t.Fatal("not compressed")
		}
		return b.String()
	}
	var gz, zst bytes.Buffer
	z, err := zstd.NewWriter(&zst)
	if err != nil {
		t.Fatal(err)
	}
	lines := row("da1") + "\n" + row("da2") + "\n"
	for name, c := range map[string]struct{ file, text string }{
		"lines":               {"a.ndjson", lines},
		"no line feed at end": {"a.ndjson", strings.TrimSpace(lines)},
		"CRLF, blank lines":   {"a.ndjson", "\r\n" + strings.ReplaceAll(lines, "\n", "\r\n\r\n")},
		"a byte order mark":   {"a.ndjson", "\xef\xbb\xbf" + lines},
		"a list on one line":  {"a.json", "[" + row("da1") + "," + row("da2") + "]"},
		"a page on one line":  {"a.json", `{"value":[` + row("da1") + "," + row("da2") + "]}\n"},
		"a pretty page":       {"a.json", prettyPage("da1", "da2")},
		"a pretty list":       {"a.json", "[\n" + row("da1") + ",\n" + row("da2") + "\n]\n"},
		"gzip":                {"a.json.gz", compressed(gzip.NewWriter(&gz), &gz, prettyPage("da1", "da2"))},
		"zstd":                {"a.json.zst", compressed(z, &zst, lines)},
	} {
		t.Run(name, func(t *testing.T) {
			path, to := filepath.Join(t.TempDir(), c.file), newStore()
			write(t, path, []byte(c.text))
			f := fileSource(t, path, nil, to)
			f.look(t.Context())
			if to.ids() != "da1 da2" || f.Status().State != "ok" {
				t.Errorf("%q, %+v", to.ids(), f.Status())
			}
			f.look(t.Context())
			if got := f.Status(); got.Duplicates > 0 || got.Pulled != 2 {
				t.Errorf("read again: %+v", got)
			}
		})
	}
}

// TestFileGrows: appended lines are read once, a line or document that is being written when it is whole, a rotated
// file from its beginning, and a restart goes on where the last run stopped.
func TestFileGrows(t *testing.T) {
	path, to := filepath.Join(t.TempDir(), "a.json"), newStore()
	f := fileSource(t, path, nil, to)
	look := func(text, want string, duplicates uint64) {
		t.Helper()
		write(t, path, []byte(text))
		before := f.Status().Duplicates
		f.look(t.Context())
		if got := f.Status(); to.ids() != want || got.Duplicates-before != duplicates || got.State != "ok" {
			t.Errorf("%q, want %q; %+v", to.ids(), want, got)
		}
	}
	one := row("da1") + "\n"
	look(one, "da1", 0)
	look(one+row("da2")[:50], "da1", 0)
	look(one+row("da2")+"\n", "da1 da2", 0)
	f = fileSource(t, path, nil, to) // a restart
	if err := f.restore(); err != nil {
		t.Fatal(err)
	}
	look(one+row("da2")+"\n"+row("da3")+"\n", "da1 da2 da3", 0)
	look(row("da4")+"\n", "da1 da2 da3 da4", 0) // rotated
	page := prettyPage("da5", "da6")
	path = filepath.Join(t.TempDir(), "b.json")
	f = fileSource(t, path, nil, to)
	look(page[:len(page)-10-len(row("da6"))], "da1 da2 da3 da4 da5", 0)
	look(page, "da1 da2 da3 da4 da5 da6", 0)
}

// TestBrokenLineIsDelivered: a line that is no JSON is a record too, when nothing is appended to it any more.
func TestBrokenLineIsDelivered(t *testing.T) {
	path, to := filepath.Join(t.TempDir(), "a.ndjson"), newStore()
	write(t, path, []byte(row("da1")+"\nbroken\n"+row("da2")+"\n{\"id\":"))
	f := fileSource(t, path, nil, to)
	f.look(t.Context())
	if len(to.keys) != 3 {
		t.Errorf("at first: %q", to.ids())
	}
	f.look(t.Context())
	if len(to.keys) != 4 || to.total != 4 {
		t.Errorf("in the end: %q", to.ids())
	}
}

// TestGlobAndMissing: a glob reads files that appear, without one it is no error; a path that is not there is.
func TestGlobAndMissing(t *testing.T) {
	dir, to := t.TempDir(), newStore()
	f := fileSource(t, filepath.Join(dir, "*.json"), nil, to)
	f.look(t.Context())
	if got := f.Status(); got.State != "ok" {
		t.Errorf("%+v", got)
	}
	write(t, filepath.Join(dir, "a.json"), []byte(row("da1")))
	f.look(t.Context())
	write(t, filepath.Join(dir, "b.json"), []byte(row("da2")))
	f.look(t.Context())
	if to.ids() != "da1 da2" || to.total != 2 {
		t.Error(to.ids())
	}
	f = fileSource(t, filepath.Join(dir, "c.json"), nil, to)
	f.look(t.Context())
	if got := f.Status(); got.State != "failing" || !strings.Contains(got.Error, "there is no file") {
		t.Errorf("%+v", got)
	}
}

// TestSilentStandardInput: a source whose standard input is open and says nothing ends with its context.
func TestSilentStandardInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, out := io.Pipe()
		to := newStore()
		f := fileSource(t, "-", in, to)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- f.Run(ctx) }()
		if _, err := io.WriteString(out, row("da1")+"\n"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Error("it waits for its input")
		}
		out.Close()
	})
}

// TestStandardInputEnds: what comes by standard input is stored, and its end is the source's.
func TestStandardInputEnds(t *testing.T) {
	to := newStore()
	f := fileSource(t, "-", strings.NewReader(prettyPage("da1", "da2")), to)
	if err := f.Run(context.Background()); !errors.Is(err, ErrEnded) {
		t.Error(err)
	}
	if to.ids() != "da1 da2" || f.Status().State != "ended" {
		t.Errorf("%q, %+v", to.ids(), f.Status())
	}
}
