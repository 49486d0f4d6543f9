package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMistakes holds what is said of each file in testdata/mistakes: every mistake at once, with its line, its key and
// what to do, then the warnings. With -update it writes the answers anew.
func TestMistakes(t *testing.T) {
	paths, err := filepath.Glob("testdata/mistakes/*.toml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var said strings.Builder
			c, err := Parse(filepath.Base(path), string(text))
			if err != nil {
				said.WriteString(err.Error() + "\n")
			} else {
				for _, w := range c.Warnings {
					said.WriteString("warning: " + w.String() + "\n")
				}
			}
			if strings.HasPrefix(filepath.Base(path), "secret") && strings.Contains(said.String(), "hidden") {
				t.Errorf("a secret is shown:\n%s", &said)
			}
			answer := strings.TrimSuffix(path, ".toml") + ".txt"
			if *update {
				if err := os.WriteFile(answer, []byte(said.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(answer)
			if err != nil {
				t.Fatal(err)
			}
			if got := said.String(); got != string(want) || got == "" {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}
