package formats_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/cef"
	"github.com/siembridge/siembridge/formats/coverage"
	"github.com/siembridge/siembridge/formats/defender"
	"github.com/siembridge/siembridge/formats/leef"
	"github.com/siembridge/siembridge/formats/parse"
)

// property is a line of testdata/properties.txt.
type property struct {
	name, kind string
	list       bool
	with       string // a property without which this one says nothing
	leftOut    string // why
}

// section is a heading of testdata/properties.txt with its properties.
type section struct {
	words      []string
	properties []property
}

func readProperties(t *testing.T) (sections []section, types map[string][]property) {
	t.Helper()
	f, err := os.Open("testdata/properties.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	types = map[string][]property{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		if heading, ok := strings.CutPrefix(line, "["); ok {
			sections = append(sections, section{words: strings.Fields(strings.TrimSuffix(heading, "]"))})
			continue
		}
		name, kind, ok := strings.Cut(line, ": ")
		if !ok || len(sections) == 0 {
			t.Fatalf("testdata/properties.txt: %q is no property", line)
		}
		p := property{name: name}
		p.kind, p.leftOut, ok = strings.Cut(kind, " left out: ")
		if ok && p.leftOut == "" {
			t.Errorf("%s is left out for no reason", name)
		}
		p.kind, p.with, _ = strings.Cut(p.kind, " with ")
		p.kind, p.list = strings.TrimPrefix(p.kind, "list "), strings.HasPrefix(p.kind, "list ")
		at := &sections[len(sections)-1]
		at.properties = append(at.properties, p)
	}
	for _, s := range sections {
		if last := s.words[len(s.words)-1]; s.words[0] == "type" || len(s.words) == 3 {
			types[last] = s.properties
		}
	}
	return sections, types
}

// scalars are the types whose values are no objects, each with one.
var scalars = map[string]any{"text": "Marker of 1 text", "number": 7351, "bool": true, "time": "2031-03-04T05:06:07.89Z",
	"address": "203.0.113.77"}

// each calls f with values in which one scalar is set: all those that a property of this type leads to.
func (p property) each(t *testing.T, types map[string][]property, within []string, f func(path string, value any)) {
	yield := func(path string, value any) {
		if p.list {
			path, value = "/*"+path, []any{value}
		}
		f("/"+p.name+path, value)
	}
	if v, ok := scalars[p.kind]; ok {
		yield("", v)
		return
	}
	if p.kind == "dictionary" {
		yield("/anyName", map[string]any{"anyName": "Marker of 1 text"})
		return
	}
	of, ok := types[p.kind]
	if !ok {
		t.Fatalf("testdata/properties.txt: %s has the unknown type %q", p.name, p.kind)
	}
	if slices.Contains(within, p.kind) || len(within) == 3 {
		return // evidence in evidence in evidence
	}
	for _, inner := range of {
		if inner.leftOut == "" {
			inner.each(t, types, append(slices.Clip(within), p.kind), func(path string, value any) {
				object := map[string]any{inner.name: value}
				if inner.with != "" {
					object[inner.with] = "x"
				}
				if strings.HasSuffix(p.kind, "Evidence") {
					object["@odata.type"] = "#microsoft.graph.security." + p.kind
				}
				yield(path, object)
			})
		}
	}
}

// traced are LEEF and CEF as the coverage report sees them, without a limit of length.
func traced(t *testing.T) []coverage.Format {
	t.Helper()
	l, err := leef.New(leef.Options{Version: leef.Version2})
	if err != nil {
		t.Fatal(err)
	}
	c, err := cef.New(cef.Options{Version: cef.Version0})
	if err != nil {
		t.Fatal(err)
	}
	encode := func(e formats.Encoder, read func(string) (*parse.Event, error)) func(string, []byte) ([][]formats.Pair, error) {
		return func(api string, raw []byte) ([][]formats.Pair, error) {
			var d formats.Detection
			if _, err := defender.Decode(defender.API(api), raw, &d); err != nil {
				return nil, err
			}
			d.Change, d.Fresh = formats.ChangeNew, true
			defender.SetTime(&d)
			event, _ := e.AppendEvent(nil, &d, 1<<20)
			p, err := read(string(event))
			if err != nil {
				return nil, err
			}
			pairs := []formats.Pair{{Key: "name", Value: p.Name}, {Key: "event id", Value: p.EventID}}
			for _, pair := range p.Pairs {
				pairs = append(pairs, formats.Pair{Key: pair.Key, Value: pair.Value})
			}
			return [][]formats.Pair{pairs}, nil
		}
	}
	return []coverage.Format{{Name: "leef:2.0", Encode: encode(l, parse.LEEF)}, {Name: "cef:0", Encode: encode(c, parse.CEF)}}
}

// record makes the smallest record in which the property can stand, and says where in it.
func (s section) record(t *testing.T, name, path string, value any) (raw []byte, at string) {
	t.Helper()
	id := map[string]string{"detections": "FullId", "incidents": "incidentId"}[s.words[0]]
	if id == "" {
		id = "id"
	}
	list := ""
	if len(s.words) > 1 {
		list = map[string]string{"alert": "", "device": "devices", "entity": "entities"}[s.words[1]]
		if s.words[1] == "evidence" {
			list = "evidence"
		}
		if s.words[0] == "incidents" {
			id = "alertId"
		}
	}
	record := map[string]any{id: "r1"}
	if list == "" {
		record[name] = value
		at = path
	} else {
		piece := map[string]any{}
		switch {
		case len(s.words) < 3:
		case s.words[0] == "graph-alerts":
			piece["@odata.type"] = "#microsoft.graph.security." + s.words[2]
		default:
			piece["entityType"] = s.words[2]
		}
		piece[name] = value
		record[list] = []any{piece}
		at = "/" + list + "/*" + path
	}
	raw, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	return raw, at
}

// Every property that Microsoft's APIs have reaches the SIEM in LEEF and in CEF, as itself, in part, or as the time
// that it is; those that do not are named in the list with the reason.
func TestEveryProperty(t *testing.T) {
	sections, types := readProperties(t)
	all := traced(t)
	evidence, reached, leftOut := 0, 0, 0
	for _, s := range sections {
		if s.words[0] == "type" {
			continue
		}
		if len(s.words) == 3 && s.words[0] == "graph-alerts" {
			evidence++
		}
		for _, p := range s.properties {
			p.each(t, types, s.words[min(2, len(s.words)):], func(path string, value any) {
				raw, at := s.record(t, p.name, path, value)
				missing := missingIn(t, all, s.words[0], raw, at, p.kind == "bool")
				switch {
				case len(missing) == 0 && p.leftOut == "":
					reached++
				case len(missing) == 0:
					t.Errorf("%v %s is named as left out, but reaches the SIEM", s.words, path)
				case p.leftOut != "":
					leftOut++
				default:
					t.Errorf("%v %s does not reach the SIEM in %v: %s", s.words, path, missing, raw)
				}
			})
		}
	}
	if evidence < 48 || reached < 500 {
		t.Errorf("%d types of evidence, %d properties", evidence, reached)
	}
	t.Logf("%d types of evidence; %d properties reach the SIEM, %d are left out on purpose", evidence, reached, leftOut)
}

// missingIn names the formats whose event does not show the value at a path of the record. A truth value may show as
// the number that stands for it.
func missingIn(t *testing.T, all []coverage.Format, api string, raw []byte, at string, truth bool) (missing []string) {
	t.Helper()
	tracer := coverage.New(all...)
	if err := tracer.Add(api, raw); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	for _, path := range tracer.Report().APIs[0].Paths {
		if path.Path != at {
			continue
		}
		for i, r := range path.Reach {
			if !slices.ContainsFunc(r.Fields, func(f coverage.Field) bool { return f.As != coverage.AsDerived || truth }) {
				missing = append(missing, all[i].Name)
			}
		}
		return missing
	}
	return []string{fmt.Sprintf("any format: the record has no %s", at)}
}
