package main

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Where the guides lead to: links, files of the repository, commands.

var (
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading  = regexp.MustCompile(`(?m)^#+ (.*)$`)
	ownPath  = regexp.MustCompile(`^(?:bridge|cmd|docs|formats|packaging|\.ci)/[\w./*<>-]+$`)
	sentence = regexp.MustCompile(`(?m)^Commands: .*$`)
)

// anchors are what links may name within a guide: its headings as GitHub makes anchors of them.
func anchors(text string) map[string]bool {
	all := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		name := strings.ToLower(regexp.MustCompile(`[^\w\s-]`).ReplaceAllString(m[1], ""))
		all[strings.ReplaceAll(name, " ", "-")] = true
	}
	return all
}

// contributed are the guides and CONTRIBUTING.md, by their path in the repository.
func contributed(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for name, text := range guides(t) {
		if name != "README.md" {
			name = "docs/" + name
		}
		all[name] = text
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	all["CONTRIBUTING.md"] = string(text)
	return all
}

func TestLinksInGuides(t *testing.T) {
	all := contributed(t)
	checked := 0
	for guide, text := range all {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			to, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(to, "://") {
				continue
			}
			checked++
			path := filepath.ToSlash(filepath.Join(filepath.Dir(guide), to))
			if to == "" {
				path = guide
			}
			if _, err := os.Stat(filepath.Join("..", "..", path)); err != nil {
				t.Errorf("%s: %v", guide, err)
			} else if anchor != "" && !anchors(all[path])[anchor] {
				t.Errorf("%s: %s has no heading %s", guide, path, anchor)
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d links were found in the guides", checked)
	}
}

// TestPathsInGuides: a file or folder of the repository that a sentence names is there. What stands in angle brackets
// differs.
func TestPathsInGuides(t *testing.T) {
	checked := 0
	for guide, text := range contributed(t) {
		for _, span := range spans(text) {
			if !ownPath.MatchString(span) {
				continue
			}
			checked++
			pattern := regexp.MustCompile(`<[^>]*>`).ReplaceAllString(span, "*")
			if found, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(pattern))); err != nil || len(found) == 0 {
				t.Errorf("%s: there is no %s", guide, span)
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d paths were found in the guides", checked)
	}
}

// TestPackagesInContributing: the table of the parts has every package but those that belong to one of them.
func TestPackagesInContributing(t *testing.T) {
	text := contributed(t)["CONTRIBUTING.md"]
	for _, pattern := range []string{"bridge/*/*.go", "bridge/buffer/*/*.go", "formats/*/*.go"} {
		files, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(pattern)))
		if err != nil || len(files) == 0 {
			t.Fatalf("no packages: %v", err)
		}
		for _, file := range files {
			name := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(file)), "../../")
			if !strings.Contains(text, "`"+name+"`") && !strings.Contains(text, "`"+strings.TrimPrefix(name, "bridge/")+"`") {
				t.Errorf("CONTRIBUTING.md does not say what %s is for", name)
			}
		}
	}
}

// TestTestsInContributing: each test that CONTRIBUTING.md tells to run is there, in every package that it names, and with
// -update where it is to write files.
func TestTestsInContributing(t *testing.T) {
	text := contributed(t)["CONTRIBUTING.md"]
	calls := regexp.MustCompile("`go test ([^`]*) -run '?([A-Za-z|\\\\]+)'?( -update)?`").FindAllStringSubmatch(text, -1)
	if len(calls) < 4 {
		t.Errorf("only %d calls of go test were found", len(calls))
	}
	updates := regexp.MustCompile(`flag\.Bool\("update"|formatstest"`)
	declared := regexp.MustCompile(`(?m)^func (Test\w+|Example\w*)\(`)
	for _, call := range calls {
		run := strings.Split(strings.ReplaceAll(call[2], `\`, ""), "|")
		met := map[string]bool{}
		for dir := range strings.FieldsSeq(call[1]) {
			files, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(dir), "*_test.go"))
			if err != nil {
				t.Fatal(err)
			}
			some, knows := false, false
			for _, file := range files {
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				knows = knows || updates.Match(text)
				for _, name := range declared.FindAllStringSubmatch(string(text), -1) {
					for _, part := range run {
						if strings.Contains(name[1], part) {
							some, met[part] = true, true
						}
					}
				}
			}
			if !some || call[3] != "" && !knows {
				t.Errorf("%s: %s has no such tests, or they do not know -update", call[0], dir)
			}
		}
		for _, part := range run {
			if !met[part] {
				t.Errorf("%s: there is no test %s", call[0], part)
			}
		}
	}
}

// TestGoroutinesInContributing: every file that starts a goroutine stands in the table of their owners, or its folder
// does.
func TestGoroutinesInContributing(t *testing.T) {
	_, table, _ := strings.Cut(contributed(t)["CONTRIBUTING.md"], "### Goroutines")
	table, _, _ = strings.Cut(table, "\n## ")
	starts := regexp.MustCompile(`(?m)^\s*go \w|\.(?:Go|AfterFunc)\(`)
	found := 0
	for _, root := range []string{"bridge", "cmd", "formats"} {
		err := fs.WalkDir(os.DirFS(filepath.Join("..", "..")), root, func(file string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
				return err
			}
			text, err := os.ReadFile(filepath.Join("..", "..", file))
			if err != nil || !starts.Match(text) {
				return err
			}
			found++
			if !strings.Contains(table, "`"+file+"`") && !strings.Contains(table, "`"+path.Dir(file)+"/`") {
				t.Errorf("CONTRIBUTING.md does not say who owns the goroutines of %s", file)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if found < 10 {
		t.Errorf("only %d files start goroutines", found)
	}
}

// TestCommandsInReadme: the README's list of commands is complete.
func TestCommandsInReadme(t *testing.T) {
	line := sentence.FindString(guides(t)["README.md"])
	for _, c := range newRoot().Commands() {
		if !c.Hidden && c.Name() != "help" && !strings.Contains(line, "`"+c.Name()+"`") {
			t.Errorf("README.md does not list %s", c.Name())
		}
	}
}
