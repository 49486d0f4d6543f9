// Package flexconnector turns the parser file of an ArcSight FlexConnector for Microsoft Defender into a mapping table, so
// that a shop keeps its fields when siembridge takes the connector's place.
//
// Convert reads a *.jsonparser.properties file: its tokens, mappings, constants, labels, severity map, conditional maps,
// and the functions listed in functions.go. A token whose location is a property of the detections API (AlertTitle,
// MachineName ...) has its value for alerts of the newer APIs too.
//
// What is not understood is reported with its line and never left out in silence. Microsoft's own files are not to be
// had any more, so the syntax is that of ArcSight's documentation and of public parser files.
package flexconnector

import (
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/cef"
)

// Conversion is what Convert made of a parser file.
type Conversion struct {
	// Mapping replaces the attributes of the built-in CEF table and reads the values by Mapping.Computed.
	Mapping *formats.Mapping
	// Problems are the lines that were not understood; the rest was converted.
	Problems Problems
	// Notes are lines that were understood but do not mean here quite what they meant to the connector.
	Notes Problems
}

// IsParser reports whether a file looks like a JSON parser file, as opposed to other properties.
func IsParser(text []byte) bool {
	return slices.ContainsFunc(ReadProperties(text), func(p Property) bool {
		return p.Key == "token.count" || p.Key == "trigger.node.location" || tokenKey.MatchString(p.Key)
	})
}

var (
	tokenKey       = regexp.MustCompile(`^token\[(\d{1,4})\]\.(name|location|type|format)$`)
	severityKey    = regexp.MustCompile(`^severity\.map\.(veryhigh|high|medium|low)\.if\.(\w+)$`)
	conditionKey   = regexp.MustCompile(`^conditionalmap\[(\d{1,3})\]\.(field|mappings\.count|mappings\[(\d{1,4})\]\.(values|event\.(\w+)))$`)
	additionalKey  = regexp.MustCompile(`^additionaldata\.(\w+)$`)
	eventKey       = regexp.MustCompile(`^event\.(\w+)$`)
	conditionCount = "conditionalmap.count"
)

// Convert turns a parser file into a mapping table. It never fails: what it could not read stands in Problems.
func Convert(text []byte) *Conversion {
	p := parser{tokens: map[int]*token{}, byName: map[string]*token{}, events: map[string]Property{}, conditions: map[int]*condition{}}
	if len(text) > MaxFile {
		p.problems = Problems{{Line: 1, Text: fmt.Sprintf("%d bytes are more than any parser file", len(text))}}
		return &Conversion{Mapping: &formats.Mapping{}, Problems: p.problems}
	}
	p.read(last(ReadProperties(text), &p.notes))
	p.compileTokens()
	c := &Conversion{Mapping: p.mapping(), Problems: p.problems, Notes: p.notes}
	if len(c.Problems) == 0 {
		p.check(c.Mapping)
		c.Problems = p.problems
	}
	byLine := func(list Problems) {
		sort.SliceStable(list, func(i, j int) bool { return list[i].Line < list[j].Line })
	}
	byLine(c.Problems)
	byLine(c.Notes)
	return c
}

// last keeps the last of entries with the same key, as Java does.
func last(all []Property, notes *Problems) []Property {
	at := map[string]int{}
	var kept []Property
	for _, p := range all {
		if i, twice := at[p.Key]; twice {
			notes.add(kept[i], "stands again on line %d, which counts", p.Line)
			kept[i] = p
			continue
		}
		at[p.Key] = len(kept)
		kept = append(kept, p)
	}
	return kept
}

// parser collects the parts of a file.
type parser struct {
	tokens     map[int]*token
	byName     map[string]*token
	count      Property // token.count
	events     map[string]Property
	order      []string // keys of events in the order of the file
	additional []Property
	addAll     Property // additionaldata.enabled=true
	severity   []Property
	conditions map[int]*condition

	problems, notes Problems
}

// condition is one conditionalmap.
type condition struct {
	field    Property
	mappings map[int]*conditionMapping
}

type conditionMapping struct {
	values Property
	events map[string]Property
}

func (p *parser) read(all []Property) {
	for _, e := range all {
		if len(e.Key) > maxKey {
			e.Key = e.Key[:maxKey]
		}
		switch {
		case e.Key == "trigger.node.location":
			p.trigger(e)
		case e.Key == "token.count":
			p.count = e
		case e.Key == conditionCount:
			// The conditional maps themselves are counted.
		case e.Key == "additionaldata.enabled":
			p.addAll = e
		case tokenKey.MatchString(e.Key):
			m := tokenKey.FindStringSubmatch(e.Key)
			i, _ := strconv.Atoi(m[1])
			if p.tokens[i] == nil {
				p.tokens[i] = &token{given: map[string]Property{}}
			}
			p.tokens[i].given[m[2]] = e
		case severityKey.MatchString(e.Key):
			p.severity = append(p.severity, e)
		case conditionKey.MatchString(e.Key):
			p.condition(e)
		case additionalKey.MatchString(e.Key):
			p.additional = append(p.additional, e)
		case eventKey.MatchString(e.Key):
			name := eventKey.FindStringSubmatch(e.Key)[1]
			p.events[name] = e
			p.order = append(p.order, name)
		default:
			p.problems.add(e, "not understood")
		}
	}
}

// trigger looks at the node that makes an event: siembridge hands out one record at a time.
func (p *parser) trigger(e Property) {
	switch strings.Trim(strings.TrimSpace(e.Value), "/") {
	case "", ".":
	case "value":
		p.notes.add(e, "records come one by one, whatever list they stand in")
	default:
		p.problems.add(e, "%q: locations begin at the record itself, so this has to be /", e.Value)
	}
}

func (p *parser) condition(e Property) {
	m := conditionKey.FindStringSubmatch(e.Key)
	i, _ := strconv.Atoi(m[1])
	c := p.conditions[i]
	if c == nil {
		c = &condition{mappings: map[int]*conditionMapping{}}
		p.conditions[i] = c
	}
	if m[2] == "field" {
		c.field = e
		return
	}
	if m[3] == "" { // mappings.count
		return
	}
	j, _ := strconv.Atoi(m[3])
	if c.mappings[j] == nil {
		c.mappings[j] = &conditionMapping{events: map[string]Property{}}
	}
	if m[4] == "values" {
		c.mappings[j].values = e
		return
	}
	c.mappings[j].events[m[5]] = e
}

// compileTokens makes the tokens ready for expressions.
func (p *parser) compileTokens() {
	count := -1
	if p.count.Line > 0 {
		n, err := strconv.Atoi(strings.TrimSpace(p.count.Value))
		if err != nil || n < 0 {
			p.problems.add(p.count, "%q is no number", p.count.Value)
		} else {
			count = n
		}
	}
	for _, i := range sortedKeys(p.tokens) {
		t := p.tokens[i]
		name, ok := t.given["name"]
		if !ok {
			for _, any := range t.given {
				p.problems.add(any, "the token has no name")
			}
			continue
		}
		if count >= 0 && i >= count {
			p.problems.add(name, "token.count is %d, so the connector would not read this token", count)
			continue
		}
		t.name = strings.TrimSpace(name.Value)
		if p.byName[t.name] != nil {
			p.problems.add(name, "there are two tokens named %q", t.name)
			continue
		}
		p.byName[t.name] = t
		t.compile(&p.problems)
	}
	if missing := count - len(p.tokens); missing > 0 {
		p.problems.add(p.count, "%d tokens are announced, %d are there", count, len(p.tokens))
	}
}

func sortedKeys[V any](m map[int]V) []int {
	keys := make([]int, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Ints(keys)
	return keys
}

// check compiles the table for a trial, so that mistakes are told with their lines.
func (p *parser) check(m *formats.Mapping) {
	_, err := cef.New(cef.Options{Additions: formats.Additions{Extend: m}})
	problems, ok := err.(formats.Problems)
	if err != nil && !ok {
		p.problems = append(p.problems, Problem{Line: 1, Text: err.Error()})
	}
	for _, q := range problems {
		p.problems = append(p.problems, Problem{Line: p.lineOf(q.Entry), Key: q.Entry, Text: q.Text})
	}
}

// lineOf finds the line that made an entry of the table.
func (p *parser) lineOf(entry string) int {
	for name, e := range p.events {
		if key, _ := cefKey(name); key == entry {
			return e.Line
		}
	}
	for _, e := range p.additional {
		if additionalName(additionalKey.FindStringSubmatch(e.Key)[1]) == entry {
			return e.Line
		}
	}
	return 1
}
