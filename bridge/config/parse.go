package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// maxFile is the largest configuration file in bytes.
const maxFile = 1 << 20

// Load reads and checks a file. Its error is Problems, all of them, or that the file cannot be read.
func Load(path string) (*Config, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, text)
}

// readFile returns the text of a configuration file.
func readFile(path string) (string, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxFile {
		return "", fmt.Errorf("%s has %d bytes, which is no configuration; name the file with --config", path, info.Size())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("the configuration cannot be read: %w; name the file with --config", err)
	}
	return string(text), nil
}

// Parse reads and checks a configuration. name is the file's name in messages. Its error is Problems.
func Parse(name, text string) (*Config, error) {
	p := &parser{file: name, lines: indexLines(text)}
	tree := map[string]any{}
	if _, err := toml.Decode(text, &tree); err != nil {
		return nil, notTOML(name, text, err)
	}
	c := &Config{}
	p.table(reflect.ValueOf(c).Elem(), tree, "")
	p.misread = map[string]bool{}
	for _, one := range p.problems {
		p.misread[one.Key] = true
	}
	p.check(c)
	if len(p.problems) > 0 {
		p.problems.sort()
		return nil, p.problems
	}
	p.warnings.sort()
	c.Warnings = p.warnings
	return c, nil
}

// notTOML is the problem of a text that the TOML library refused.
func notTOML(name, text string, err error) Problems {
	var syntax toml.ParseError
	if !errors.As(err, &syntax) {
		return Problems{{File: name, Message: "this is not TOML: " + err.Error()}}
	}
	// The library's line is one too far when the mistake is the end of a line.
	before := text[:min(syntax.Position.Start, len(text))]
	line := 1 + strings.Count(before, "\n")
	said := syntax.Message
	if key, _, _ := cutKey(strings.TrimSpace(strings.Split(text, "\n")[line-1])); key == "client_secret" { // its words may be the secret's
		said = "write the secret in quotes, in single ones where it has a backslash or a double quote"
	}
	return Problems{{File: name, Line: line, Message: "this is not TOML: " + said}}
}

// parser fills a Config from a tree and collects what is wrong.
type parser struct {
	file     string
	lines    lineIndex
	given    map[string]bool
	misread  map[string]bool // keys whose value was not taken over, so that what it means is not judged
	problems Problems
	warnings Problems
}

func (p *parser) fail(key, format string, args ...any) {
	if p.misread[key] {
		return
	}
	p.problems = append(p.problems, Problem{p.file, p.lines.line(key), key, fmt.Sprintf(format, args...)})
}

func (p *parser) warn(key, format string, args ...any) {
	p.warnings = append(p.warnings, Problem{p.file, p.lines.line(key), key, fmt.Sprintf(format, args...)})
}

// table fills a struct from a TOML table: defaults first, presets over them, then what the file says.
func (p *parser) table(v reflect.Value, tree map[string]any, path string) {
	known := map[string]bool{}
	preset := presetOf(v.Type(), tree)
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key, ok := f.Tag.Lookup("key")
		if !ok {
			continue
		}
		known[key] = true
		at := join(path, key)
		value, given := tree[key]
		if given {
			p.note(at)
		}
		switch {
		case f.Type.Kind() == reflect.Struct:
			sub, ok := value.(map[string]any)
			if given && !ok {
				p.fail(at, "this is a table: write [%s]", indexPattern.ReplaceAllString(at, ""))
			}
			p.table(v.Field(i), sub, at)
		case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct && f.Type.Elem() != reflect.TypeFor[Field]():
			p.array(v.Field(i), value, given, at)
		case f.Type == reflect.TypeFor[[]Field]():
			p.fields(v.Field(i), value, given, at)
		default:
			if !given {
				text, ok := preset[key]
				if !ok {
					text = f.Tag.Get("default")
				}
				value = defaultValue(f.Type, text)
			}
			p.set(v.Field(i), f, value, at)
		}
	}
	for _, key := range sortedKeys(tree) {
		if !known[key] {
			p.unknown(join(path, key), key, known)
		}
	}
}

func (p *parser) note(path string) {
	if p.given == nil {
		p.given = map[string]bool{}
	}
	p.given[path] = true
}

// indexPattern is which of several tables a key is in, which a file does not write.
var indexPattern = regexp.MustCompile(`\[\d+\]`)

// array fills a slice of structs from an array of tables.
func (p *parser) array(v reflect.Value, value any, given bool, at string) {
	if !given {
		return
	}
	tables, ok := value.([]map[string]any)
	if !ok {
		p.fail(at, "write each as a table of its own: [[%s]]", at)
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(tables), len(tables)))
	for i, t := range tables {
		p.table(v.Index(i), t, at+"["+strconv.Itoa(i)+"]")
	}
}

// fields reads a table of free keys with text values.
func (p *parser) fields(v reflect.Value, value any, given bool, at string) {
	if !given {
		return
	}
	table, ok := value.(map[string]any)
	if !ok {
		p.fail(at, "this is a table of key = \"value\"")
		return
	}
	var list []Field
	for _, key := range sortedKeys(table) {
		text, ok := table[key].(string)
		if !ok {
			p.fail(join(at, key), "the value is text: write it in quotes")
			continue
		}
		list = append(list, Field{key, text})
	}
	sort.SliceStable(list, func(i, j int) bool {
		return p.lines.line(join(at, list[i].Key)) < p.lines.line(join(at, list[j].Key))
	})
	v.Set(reflect.ValueOf(list))
}
