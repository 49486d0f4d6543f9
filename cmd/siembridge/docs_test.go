package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/siembridge/siembridge/bridge/config"
)

// The guides are held against the program: every command line in them names a command and flags that exist, and every
// piece of configuration is one that is accepted.

// guides are the documents, by path.
func guides(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no guides: %v", err)
	}
	texts := map[string]string{}
	for _, path := range append(paths, "../../README.md") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.Base(path)] = string(text)
	}
	return texts
}

var (
	fence      = regexp.MustCompile("(?ms)^ *(?:\\d+\\. )?```([a-z]*)\n(.*?)^ *```$")
	inlineCall = regexp.MustCompile("`siembridge ([^`]+)`")
	firstOf    = regexp.MustCompile(`^\s*(?:sudo (?:-u \S+ )?)?(?:siembridge|go run \./cmd/siembridge) (.*)$`)
	endOfCall  = regexp.MustCompile(`\s+(?:#|>|\||2>).*$`)
)

// calls returns the arguments of every call of siembridge in a guide.
func calls(text string) []string {
	var out []string
	for _, block := range fence.FindAllStringSubmatch(text, -1) {
		if block[1] != "" && block[1] != "sh" {
			continue
		}
		for line := range strings.Lines(block[2]) {
			if m := firstOf.FindStringSubmatch(strings.TrimRight(line, "\n")); m != nil {
				out = append(out, m[1])
			}
		}
	}
	for _, m := range inlineCall.FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	return out
}

func TestCommandLinesInGuides(t *testing.T) {
	checked := 0
	for guide, text := range contributed(t) {
		for _, call := range calls(text) {
			var args []string
			for _, arg := range strings.Fields(endOfCall.ReplaceAllString(call, "")) {
				if !strings.HasPrefix(arg, "…") && arg != "..." {
					args = append(args, strings.Trim(arg, `"'[]`))
				}
			}
			if args[0] == "help" {
				continue
			}
			command, rest, err := newRoot().Find(args)
			if err != nil || command.Name() == "siembridge" {
				t.Errorf("%s: siembridge %s: there is no such command", guide, call)
				continue
			}
			if strings.HasSuffix(call, " …") || strings.HasSuffix(call, "...") {
				continue // in part
			}
			if err := command.ParseFlags(rest); err != nil {
				t.Errorf("%s: siembridge %s: %v", guide, call, err)
			}
			checked++
		}
	}
	if checked < 20 {
		t.Errorf("only %d command lines were found in the guides", checked)
	}
}

func TestConfigurationsInGuides(t *testing.T) {
	t.Setenv("AZURE_FEDERATED_TOKEN_FILE", "docs_test.go") // as the cluster of workload identities does
	checked := 0
	for guide, text := range guides(t) {
		for _, block := range fence.FindAllStringSubmatch(text, -1) {
			if block[1] == "" {
				t.Errorf("%s: a block does not say what it is: sh, text, toml, ...\n%.200s", guide, block[2])
			}
			if block[1] != "toml" {
				continue
			}
			checked++
			_, err := config.Parse(guide, completed(block[2]))
			var problems config.Problems
			if !errors.As(err, &problems) {
				continue
			}
			for _, p := range problems {
				if !strings.Contains(p.Message, "no such file") {
					t.Errorf("%s\n%s", p, block[2])
				}
			}
		}
	}
	if checked < 8 {
		t.Errorf("only %d pieces of configuration were found in the guides", checked)
	}
}

// TestConfigurationOfThePackage: what a package installs is accepted once its lines are taken out of their comments.
func TestConfigurationOfThePackage(t *testing.T) {
	text, err := os.ReadFile("../../packaging/siembridge.toml")
	if err != nil {
		t.Fatal(err)
	}
	filled := regexp.MustCompile(`(?m)^#(\S)`).ReplaceAllString(string(text), "$1")
	_, err = config.Parse("siembridge.toml", filled)
	var problems config.Problems
	if !errors.As(err, &problems) || len(problems) != 1 || !strings.Contains(problems[0].Message, "no such file") {
		t.Errorf("%v, want the credential's file alone", err)
	}
}

// completed makes a whole configuration of a piece of one: keys without a table are a source's.
func completed(piece string) string {
	const destination = "\n[[destination]]\nname = \"siem\"\naddress = \"127.0.0.1:6514\"\n"
	source := "[[source]]\nname = \"tenant\"\n"
	for key, value := range map[string]string{"api": "graph-alerts", "tenant_id": "00000000-0000-0000-0000-000000000000", "client_id": "00000000-0000-0000-0000-000000000000"} {
		managed := strings.Contains(piece, `"managed-identity"`)
		if !regexp.MustCompile(`(?m)^\s*`+key+`\s*=`).MatchString(piece) && !(managed && key != "api") {
			source += key + " = \"" + value + "\"\n"
		}
	}
	switch {
	case strings.Contains(piece, "[[source]]") && strings.Contains(piece, "[[destination]]"):
		return piece
	case strings.Contains(piece, "[[source]]"):
		return piece + destination
	case strings.Contains(piece, "[[destination]]"):
		return source + "client_secret = \"x\"\n" + piece
	case regexp.MustCompile(`(?m)^\[`).MatchString(piece):
		return piece + source + "client_secret = \"x\"\n" + destination
	default:
		return source + piece + destination
	}
}

// TestEventsInReadme: the events that the README shows are what preview makes of the sample today.
func TestEventsInReadme(t *testing.T) {
	sample := filepath.Join("..", "..", "formats", "defender", "testdata", "detections", "mapping-doc-av-mikatz.json")
	readme := strings.ReplaceAll(guides(t)["README.md"], "⇥", "\t")
	for _, format := range []string{"leef:2.0", "cef:0"} {
		root := newRoot()
		var out strings.Builder
		root.SetOut(&out)
		root.SetArgs([]string{"preview", "--format", format, sample})
		if err := root.Execute(); err != nil {
			t.Fatal(err)
		}
		event, _, _ := strings.Cut(out.String(), "\n")
		if len(event) < 100 || !strings.Contains(readme, "\n"+event+"\n") {
			t.Errorf("README.md does not show this event of %s:\n%s", format, event)
		}
	}
}
