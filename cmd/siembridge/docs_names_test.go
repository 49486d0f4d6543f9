package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/formats"
)

// What the guides name exists: metrics, flags, keys of the configuration, classes of events, and the messages by which
// troubleshooting is looked up.

var (
	codeSpan   = regexp.MustCompile("`([^`\n]+)`")
	metricName = regexp.MustCompile(`siembridge_[a-z_]+`)
	flagName   = regexp.MustCompile(`^--[a-z][a-z-]*`)
	keyAndMore = regexp.MustCompile(`^([a-z]+(?:[._][a-z]+)*)(?: = .*)?$`)
	ownClass   = regexp.MustCompile(`Siembridge[A-Z]\w*`)
)

// spans are the pieces of code within a guide's sentences and tables.
func spans(text string) (all []string) {
	for _, m := range codeSpan.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		all = append(all, m[1])
	}
	return all
}

// programTexts are the string literals of the program, what is joined by + as one.
func programTexts(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			e, ok := n.(ast.Expr)
			if !ok {
				return true
			}
			text, ok := literal(e)
			if ok {
				all.WriteString(text + "\n")
			}
			return !ok
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// literal is the text of an expression of literals; what is not one is left out of a sum.
func literal(e ast.Expr) (text string, ok bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			text, err := strconv.Unquote(e.Value)
			return text, err == nil
		}
	case *ast.BinaryExpr:
		x, left := literal(e.X)
		y, right := literal(e.Y)
		return x + y, e.Op == token.ADD && (left || right)
	}
	return "", false
}

func TestMetricsInGuides(t *testing.T) {
	texts := programTexts(t)
	checked := 0
	for guide, text := range guides(t) {
		for _, name := range metricName.FindAllString(text, -1) {
			checked++
			if !strings.Contains(texts, "\n"+strings.TrimSuffix(name, "_bucket")) { // siembridge_buffer_* names several
				t.Errorf("%s: there is no metric %s", guide, name)
			}
		}
	}
	if checked < 5 {
		t.Errorf("only %d metrics were found in the guides", checked)
	}
}

func TestFlagsInGuides(t *testing.T) {
	var exists func(c *cobra.Command, name string) bool
	exists = func(c *cobra.Command, name string) bool {
		return c.Flags().Lookup(strings.TrimPrefix(name, "--")) != nil ||
			slices.ContainsFunc(c.Commands(), func(part *cobra.Command) bool { return exists(part, name) })
	}
	root := newRoot()
	checked := 0
	for guide, text := range guides(t) {
		for _, span := range spans(text) {
			if name := flagName.FindString(span); name != "" {
				checked++
				if !exists(root, name) {
					t.Errorf("%s: no command has the flag %s", guide, name)
				}
			}
		}
	}
	if checked < 10 {
		t.Errorf("only %d flags were found in the guides", checked)
	}
}

// keyNames adds the names of the keys of a table of the configuration, and of those in it, alone and with their tables.
func keyNames(all map[string]bool, table reflect.Type, path string) {
	for i := range table.NumField() {
		f := table.Field(i)
		key, ok := f.Tag.Lookup("key")
		if !ok {
			continue
		}
		all[key], all[path+key] = true, true
		inner := f.Type
		if inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			keyNames(all, inner, path+key+".")
			keyNames(all, inner, key+".")
		}
	}
}

// others are names in the guides that look like these: what a mapping derives, and keys of nats-server and Prometheus.
var others = []string{"event_class", "service_word", "sync_interval", "rule_files", "bearer_token_file"}

// TestKeysInGuides: what stands in a sentence as a key with its value, or as a name with an underscore, is a key of the
// configuration, a field of a detection, or an attribute of the mapping's own tables.
func TestKeysInGuides(t *testing.T) {
	keys := map[string]bool{}
	keyNames(keys, reflect.TypeFor[config.Config](), "")
	exist := maps.Clone(keys)
	for _, name := range slices.Concat(formats.FieldNames(), others) {
		exist[name] = true
	}
	for _, table := range []reflect.Type{reflect.TypeFor[formats.Mapping](), reflect.TypeFor[formats.Attribute](), reflect.TypeFor[formats.StatusEvent]()} {
		for i := range table.NumField() {
			name, _, _ := strings.Cut(table.Field(i).Tag.Get("toml")+table.Field(i).Tag.Get("json"), ",")
			exist[name] = true
		}
	}
	checked := 0
	for guide, text := range guides(t) {
		for _, span := range spans(text) {
			m := keyAndMore.FindStringSubmatch(span)
			if m == nil || !strings.Contains(m[1], "_") && !strings.Contains(span, " = ") || metricName.MatchString(span) {
				continue
			}
			checked++
			if !exist[m[1]] {
				t.Errorf("%s: %q is no key of the configuration and no field of a detection", guide, span)
			}
		}
	}
	if checked < 100 {
		t.Errorf("only %d keys were found in the guides", checked)
	}
}

func TestClassesInGuides(t *testing.T) {
	for guide, text := range guides(t) {
		for _, name := range ownClass.FindAllString(text, -1) {
			if !slices.Contains(formats.EventClasses(), name) {
				t.Errorf("%s: there is no class of events %s", guide, name)
			}
		}
	}
}

// TestMessagesInTroubleshooting: a message that the tables are looked up by is one that the program or the system writes.
// An ellipsis, and words in capitals, stand for what differs.
func TestMessagesInTroubleshooting(t *testing.T) {
	texts := programTexts(t)
	for _, said := range []error{syscall.EACCES, syscall.EADDRINUSE, syscall.ECONNREFUSED} {
		texts += said.Error() + "\n"
	}
	checked := 0
	for line := range strings.Lines(guides(t)["troubleshooting.md"]) {
		symptom, _, row := strings.Cut(strings.TrimPrefix(line, "| "), " |")
		if !strings.HasPrefix(line, "| ") || !row {
			continue
		}
		for _, m := range codeSpan.FindAllStringSubmatch(symptom, -1) {
			if !strings.Contains(m[1], " ") {
				continue
			}
			for _, part := range regexp.MustCompile(`…|[A-Z]{4,}`).Split(m[1], -1) {
				if part = strings.Trim(part, " :;"); strings.Contains(part, " ") {
					checked++
					if !strings.Contains(texts, part) {
						t.Errorf("nothing says %q", part)
					}
				}
			}
		}
	}
	if checked < 8 {
		t.Errorf("only %d messages were found", checked)
	}
}

// TestDependenciesAreExplained: docs/dependencies.md has a reason for each module that the program or its tests name.
func TestDependenciesAreExplained(t *testing.T) {
	text, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	direct := regexp.MustCompile(`(?m)^\t(\S+) v\S+$`).FindAllSubmatch(text, -1)
	if len(direct) < 10 {
		t.Fatalf("only %d modules were found in go.mod", len(direct))
	}
	for _, m := range direct {
		if module := string(m[1]); !strings.Contains(guides(t)["dependencies.md"], module) {
			t.Errorf("docs/dependencies.md has no reason for %s", module)
		}
	}
}
