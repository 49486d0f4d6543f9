package source

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// dying is a store whose process dies right after one of the next commits, or instead of it.
type dying struct {
	*store
	left   int
	before bool
	kill   context.CancelFunc
}

func (d *dying) Append(ctx context.Context, b buffer.Batch) (out buffer.Outcome, err error) {
	if d.left--; d.left == 0 {
		if !d.before {
			_, _ = d.store.Append(ctx, b)
		}
		d.kill()
		return out, errors.New("killed")
	}
	return d.store.Append(ctx, b)
}

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil || w.Close() != nil {
		t.Fatal("not compressed")
	}
	return b.String()
}

func zstandard(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil || w.Close() != nil {
		t.Fatal("not compressed")
	}
	return b.String()
}

// TestFileGoesOnWhereItStopped: whatever the shape of a file, a process that dies at any commit goes on behind the last
// record that was stored: in the end all are there, and none was appended twice.
func TestFileGoesOnWhereItStopped(t *testing.T) {
	const n = 2500
	rows := make([]string, n)
	for i := range rows {
		rows[i] = row(fmt.Sprintf("da%04d", i))
	}
	incident := func(i int) string {
		return fmt.Sprintf(`{"incidentId":%d,"incidentName":"n","createdTime":"2026-11-25T00:00:00Z","lastUpdateTime":"2026-11-25T00:00:00Z","alerts":[{"alertId":"da%04d","title":"x"}]}`, 1000+i, i)
	}
	incidents := make([]string, n/2)
	for i := range incidents {
		incidents[i] = incident(i)
	}
	pieces := make([]string, n/5)
	for i := range pieces {
		pieces[i] = strings.TrimSuffix(row(fmt.Sprintf("da%04d", i)), "}") + `,"evidence":[` +
			`{"@odata.type":"#microsoft.graph.security.ipEvidence","ipAddress":"10.0.0.1"},{"@odata.type":"#microsoft.graph.security.ipEvidence","ipAddress":"10.0.0.2"},` +
			`{"@odata.type":"#microsoft.graph.security.ipEvidence","ipAddress":"10.0.0.3"},{"@odata.type":"#microsoft.graph.security.ipEvidence","ipAddress":"10.0.0.4"}]}`
	}
	lines := strings.Join(rows, "\n")
	page := "{\n\"@odata.context\": \"c\",\n\"value\": [\n" + strings.Join(rows, ",\n") + "\n],\n\"@odata.nextLink\": \"n\"\n}\n"
	for name, c := range map[string]struct {
		file, text string
		evidence   bool
		records    int
		again      int // records at most that one death lets be appended again
	}{
		"lines":              {"a.ndjson", lines, false, n, 0},
		"a byte order mark":  {"a.ndjson", "\xef\xbb\xbf" + lines + "\n", false, n, 0},
		"a page":             {"a.json", page, false, n, 0},
		"a list on one line": {"a.json", "\n[" + strings.Join(rows, ",") + "]\n", false, n, 0},
		"pages, one a line":  {"a.json", "{\"value\":[" + strings.Join(rows[:n/2], ",") + "]}\n{\"value\":[" + strings.Join(rows[n/2:], ",") + "]}\n", false, n, 0},
		"values in a row":    {"a.json", "{\n" + rows[0][1:] + strings.Join(rows[1:], " "), false, n, 0},
		"gzip":               {"a.ndjson.gz", gzipped(t, lines), false, n, 0},
		"zstd, a page":       {"a.json.zst", zstandard(t, page), false, n, 0},
		"incidents":          {"a.json", "[\n" + strings.Join(incidents, ",\n") + "]", false, n / 2 * 2, 1},
		"evidence":           {"a.ndjson", strings.Join(pieces, "\n") + "\n", true, n / 5 * 5, 4},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), c.file)
			write(t, path, []byte(c.text))
			to := newStore()
			for death := 1; ; death++ {
				ctx, kill := context.WithCancel(t.Context())
				defer kill()
				d := &dying{store: to, left: 2, before: death%2 == 0, kill: kill}
				if death > 5 {
					d.left = 0 // it lives
				}
				f := fileSource(t, path, nil, to)
				f.o.Buffer, f.o.Evidence = d, c.evidence
				if err := f.restore(); err != nil {
					t.Fatal(err)
				}
				f.look(ctx)
				if got := f.Status(); got.Duplicates > uint64(c.again) {
					t.Errorf("run %d: %d records were appended again", death, got.Duplicates)
				}
				if ctx.Err() == nil {
					if got := f.Status(); got.State != "ok" || got.Read != got.Total || got.Total != int64(len(c.text)) {
						t.Errorf("in the end: %+v", got)
					}
					break
				}
			}
			if len(to.keys) != c.records {
				t.Errorf("%d records are there, not %d", len(to.keys), c.records)
			}
		})
	}
}

// aside collects what a source sets aside.
func aside(f *File) *[]string {
	var all []string
	f.o.SetAside = func(r buffer.Record, reason string) error {
		if len(reason) > 1024 || len(r.Raw) > 1024 || r.Key == "" {
			return fmt.Errorf("not bounded: %d, %d", len(reason), len(r.Raw))
		}
		all = append(all, fmt.Sprintf("%s|%.20s", reason, r.Raw))
		return nil
	}
	return &all
}

// TestLineThatIsTooLong: a line of more than 32 MiB is set aside with where it is, how long and how it begins, and the
// rest of the file goes on; one that is a list of records gives them all. A file of one such line alone, too.
func TestLineThatIsTooLong(t *testing.T) {
	const longest = 2 << 20
	huge := `{"id":"huge","title":"` + strings.Repeat("x", buffer.MaxRecord) + `"}`
	garbage := strings.Repeat("y", longest+longest/2)
	pad := `,"description":"` + strings.Repeat("z", longest/4) + `"}`
	long := strings.TrimSuffix(row("da9"), "}") + strings.Repeat(" ", longest) + "}"
	list := "[" + strings.TrimSuffix(row("da3"), "}") + pad + "," + strings.TrimSuffix(row("da4"), "}") + pad + "," +
		strings.TrimSuffix(row("da5"), "}") + pad + "," + strings.TrimSuffix(row("da6"), "}") + pad + "," + row("da7") + "]"
	for name, c := range map[string]struct {
		text, ids string
		aside     []string
	}{
		"a record": {row("da1") + "\n" + huge + "\n" + row("da2") + "\n", "da1 da2",
			[]string{fmt.Sprintf("at byte %d: a record of %d bytes", len(row("da1"))+1, len(huge))}},
		"blanks": {row("da1") + "\n" + long + "\n" + row("da2") + "\n", "da1 da2 da9", nil},
		"no JSON": {row("da1") + "\n" + garbage + "\n" + row("da2") + "\n", "da1 da2",
			[]string{fmt.Sprintf("at byte %d: a line of %d bytes", len(row("da1"))+1, len(garbage)+1)}},
		"a list":         {row("da1") + "\n" + list + "\n" + row("da2") + "\n", "da1 da2 da3 da4 da5 da6 da7", nil},
		"no JSON, first": {garbage + "\n" + row("da2") + "\n", "da2", []string{"at byte 0: a line of"}},
		"a list alone":   {list, "da3 da4 da5 da6 da7", nil},
	} {
		t.Run(name, func(t *testing.T) {
			path, to := filepath.Join(t.TempDir(), "a.ndjson"), newStore()
			write(t, path, []byte(c.text))
			f := fileSource(t, path, nil, to)
			f.longest = longest
			all := aside(f)
			f.look(t.Context())
			f.look(t.Context())
			if got := f.Status(); to.ids() != c.ids || got.State != "ok" || got.Duplicates != 0 {
				t.Errorf("%q, %+v", to.ids(), got)
			}
			if len(*all) != len(c.aside) || !slices.EqualFunc(*all, c.aside, strings.Contains) {
				t.Errorf("set aside: %.300q, want %q", *all, c.aside)
			}
		})
	}
}

// TestFaultsOfSettingAside: what could not be set aside, or was and is reported as failed, is set aside at the next look,
// and the file goes on from there.
func TestFaultsOfSettingAside(t *testing.T) {
	for name, applied := range map[string]bool{"did not happen": false, "happened and was reported as failed": true} {
		for shape, text := range map[string]string{
			"a line":     row("da1") + "\n" + strings.Repeat("y", 3<<20) + "\n" + row("da2") + "\n",
			"a document": "[\n" + row("da1") + ",\n{broken},\n" + row("da2") + "\n]\n",
		} {
			t.Run(shape+" "+name, func(t *testing.T) {
				path, to := filepath.Join(t.TempDir(), "a.json"), newStore()
				write(t, path, []byte(text))
				f := fileSource(t, path, nil, to)
				f.longest = 2 << 20
				all := aside(f)
				works, failed := f.o.SetAside, false
				f.o.SetAside = func(r buffer.Record, reason string) error {
					if failed {
						return works(r, reason)
					}
					failed = true
					if applied {
						_ = works(r, reason)
					}
					return errors.New("input/output error")
				}
				f.look(t.Context())
				if got := f.Status(); got.State != "failing" || !strings.Contains(got.Error, "input/output error") {
					t.Errorf("after the fault: %+v", got)
				}
				for range 3 {
					f.look(t.Context())
				}
				want := 1
				if applied {
					want = 2
				}
				if got := f.Status(); to.ids() != "da1 da2" || got.State != "ok" || got.Duplicates > 0 || len(*all) != want {
					t.Errorf("%q, %+v, set aside: %q", to.ids(), got, *all)
				}
			})
		}
	}
}

// TestDamagedDocument: what cannot be read of a document is set aside, and the records behind it that stand on lines of
// their own are taken. A broken first line is no document.
func TestDamagedDocument(t *testing.T) {
	for name, c := range map[string]struct {
		text, ids string
		aside     int
	}{
		"in a list":          {"[\n" + row("da1") + ",\n{broken},\n" + row("da2") + ",\n" + row("da3") + "\n]\n", "da1 da2 da3", 1},
		"an error in a page": {"{\n\"error\": {\"code\":\"c\",\"message\":\"m\"}}\n" + row("da1") + "\n", "da1", 1},
		"a first line":       {"{broken\n" + row("da1") + "\n" + row("da2") + "\n", "da1 da2 sha", 0},
		"a record cut short": {"{\"id\":\"da0\",\n" + row("da1") + "\n" + row("da2") + "\n", "da1 da2", 1},
	} {
		t.Run(name, func(t *testing.T) {
			path, to := filepath.Join(t.TempDir(), "a.json"), newStore()
			write(t, path, []byte(c.text))
			f := fileSource(t, path, nil, to)
			all := aside(f)
			f.look(t.Context())
			f.look(t.Context())
			ids := to.ids()
			if i := strings.Index(ids, "sha"); i >= 0 {
				ids = ids[:i+3]
			}
			if got := f.Status(); ids != c.ids || got.State != "ok" || got.Duplicates != 0 || len(*all) != c.aside {
				t.Errorf("%q, %+v, aside %q", to.ids(), got, *all)
			}
		})
	}
}

// TestOneFileOfMany: a file that cannot be read does not keep the others from being read; it is not read again until it
// changes, and then from where it stopped.
func TestOneFileOfMany(t *testing.T) {
	dir, to := t.TempDir(), newStore()
	whole := prettyPage("da1", "da2")
	a, b, c := filepath.Join(dir, "a.json"), filepath.Join(dir, "b.json.gz"), filepath.Join(dir, "c.json")
	packed := gzipped(t, row("da3")+"\n"+row("da4")+"\n")
	write(t, a, []byte(whole[:len(whole)-8]))
	write(t, b, []byte(packed[:len(packed)-12]))
	write(t, c, []byte(row("da5")))
	f := fileSource(t, filepath.Join(dir, "*"), nil, to)
	f.look(t.Context())
	if got := f.Status(); got.State != "ok" || !strings.Contains(to.ids(), "da5") {
		t.Errorf("while they are written: %q, %+v", to.ids(), got)
	}
	for range 2 {
		f.look(t.Context())
		if got := f.Status(); got.State != "failing" || !strings.Contains(got.Error, "a.json: it ends in the middle") || !strings.Contains(got.Error, "1 files more") {
			t.Errorf("when nothing comes any more: %+v", got)
		}
	}
	write(t, a, []byte(whole))
	write(t, b, []byte(packed))
	f.look(t.Context())
	if got := f.Status(); got.State != "ok" || to.ids() != "da1 da2 da3 da4 da5" || got.Duplicates != 0 {
		t.Errorf("in the end: %q, %+v", to.ids(), got)
	}
}

// TestFileWrittenAnew: another file of the same name is read from its beginning, though it is larger; so is a document
// that was written again with more in it.
func TestFileWrittenAnew(t *testing.T) {
	path, to := filepath.Join(t.TempDir(), "a.json"), newStore()
	f := fileSource(t, path, nil, to)
	for _, step := range []struct{ text, ids string }{
		{row("da1") + "\n", "da1"},
		{row("da2") + "\n" + row("da3") + "\n", "da1 da2 da3"},
		{prettyPage("da4", "da5"), "da1 da2 da3 da4 da5"},
		{strings.Replace(prettyPage("da4", "da5"), "\n  ]", ",\n"+row("da6")+"\n  ]", 1), "da1 da2 da3 da4 da5 da6"},
	} {
		write(t, path, []byte(step.text))
		f.look(t.Context())
		if got := f.Status(); to.ids() != step.ids || got.State != "ok" {
			t.Errorf("%q, want %q; %+v", to.ids(), step.ids, got)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// TestDamagedStandardInput: it cannot be read again, so what cannot be read of it is set aside, and it ends.
func TestDamagedStandardInput(t *testing.T) {
	whole, to := prettyPage("da1", "da2"), newStore()
	f := fileSource(t, "-", strings.NewReader(whole[:len(whole)-7]), to)
	all := aside(f)
	if err := f.Run(t.Context()); !errors.Is(err, ErrEnded) || len(*all) != 1 || to.ids() != "da1 da2" {
		t.Errorf("%v, %q, aside %q", err, to.ids(), *all)
	}
}
