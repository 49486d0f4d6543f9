package formatstest

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/defender"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Samples returns the paths of all sample pages below a folder. Each lies in a folder that has the name of its API;
// other folders are no samples.
func Samples(t testing.TB, dir string) (pages []string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if slices.Contains(defender.APIs(), apiOf(path)) {
			pages = append(pages, path)
		}
	}
	if len(pages) == 0 {
		t.Fatalf("no samples in %s", dir)
	}
	return pages
}

func apiOf(path string) string { return filepath.Base(filepath.Dir(path)) }

// Detections returns the detections of a sample page as the bridge would make them, new and fresh.
func Detections(t testing.TB, path string) (all []*formats.Detection) {
	t.Helper()
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	api := defender.API(apiOf(path))
	_, err = defender.Split(api, bytes.NewReader(page), func(record []byte) error {
		d := &formats.Detection{}
		if _, err := defender.Decode(api, record, d); err != nil {
			return err
		}
		d.Change, d.Source, d.Fresh = formats.ChangeNew, "contoso", true
		defender.SetTime(d)
		all = append(all, d)
		return nil
	})
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return all
}

// Golden holds a text against the file at path, line by line; with -update it writes the file instead.
func Golden(t testing.TB, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Errorf("%v; -update makes it", err)
		return
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}
