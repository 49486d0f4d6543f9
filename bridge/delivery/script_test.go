package delivery

import (
	"bufio"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write what the scripts give into the scripts")

// night0 is when every script begins.
var night0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// runScripts runs the scripts of a machine, testdata/<name>/*.txt: a command a line, then ---- and what came of it, then an
// empty line; # begins a comment. Each script has a machine of its own, which start makes; what it returns runs a command.
func runScripts(t *testing.T, name string, start func(t *testing.T) (command func(words []string) string)) {
	paths, err := filepath.Glob("testdata/" + name + "/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := runScript(string(text), start(t))
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(text) {
				t.Errorf("got:\n%s\nwant:\n%s", got, text)
			}
		})
	}
}

func runScript(text string, command func(words []string) string) string {
	var out strings.Builder
	expected := false
	scan := bufio.NewScanner(strings.NewReader(text))
	for scan.Scan() {
		line := scan.Text()
		switch {
		case line == "----":
			expected = true
		case line == "":
			expected = false
			out.WriteString("\n")
		case expected:
		case strings.HasPrefix(line, "#"):
			out.WriteString(line + "\n")
		default:
			out.WriteString(line + "\n----\n" + command(strings.Fields(line)))
		}
	}
	return out.String()
}
