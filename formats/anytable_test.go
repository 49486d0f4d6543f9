package formats_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/cef"
	"github.com/siembridge/siembridge/formats/internal/formatstest"
	"github.com/siembridge/siembridge/formats/leef"
	"github.com/siembridge/siembridge/formats/lint"
	"github.com/siembridge/siembridge/formats/parse"
)

// tables makes mapping tables as users could write them, from a seed.
type tables struct{ *rand.Rand }

func (r tables) pick(words ...string) string { return words[r.IntN(len(words))] }

func (r tables) in(n int) bool { return r.IntN(n) == 0 }

func (r tables) source() string {
	switch r.IntN(8) {
	case 0:
		return r.pick("/id", "/title", "/list", "/list/0", "/object/x", "/number", "/none")
	case 1:
		return r.pick("event_class", "service_word", "fresh", "severity", "time", "was_executing", "tags")
	}
	names := formats.FieldNames()
	return names[r.IntN(len(names))]
}

func (r tables) attribute(dict *formats.Dictionary) formats.Attribute {
	a := formats.Attribute{Key: r.pick("Aa", "Bb", "KeyOne", "KeyTwo", "x.y", "x.z", "p.q.r", "deviceX") + r.pick("", "1", "q"),
		All: r.in(3), First: r.in(4), Join: r.pick("", "", ";", " ", "=", " src=", "|", `\`, "; ", "ü"), Priority: r.pick("", "A", "B", "C"), Max: r.IntN(2) * r.IntN(60)}
	if dict != nil && r.in(2) {
		a.Key = dict.Keys[r.IntN(len(dict.Keys))].Name
	}
	for range 1 + r.IntN(3) {
		a.From = append(a.From, r.source())
	}
	switch r.IntN(12) {
	case 0:
		a.From, a.Value = nil, r.pick("x", "a=b", `C:\`, " src=1", "1", "10.0.0.1", "true", "\u2028", "a\nb", "a\tb", "|", "^")
	case 1:
		a.From = formats.Names{"shortened"}
	case 2:
		a.Type = formats.ValueType(r.pick("integer", "long", "float", "port", "ipv4", "ipv6", "ip", "mac", "time", "severity", "bool"))
	}
	switch r.IntN(6) {
	case 0:
		a.Whole = true
	case 1:
		a.Hash, a.Max = true, 39+r.IntN(40)
	case 2, 3:
		a.Short = r.IntN(30)
	}
	if r.in(4) {
		a.Words = "w"
	}
	if r.in(8) {
		a.Entity = formats.Names{"file", "process"}
	}
	if r.in(8) {
		a.If, a.LongerThan = formats.Names{r.source()}, r.IntN(20)
	}
	if dict != nil {
		if k, _ := dict.Key(a.Key); k.LabelKey != "" && k.FixedLabel == "" {
			a.Label = r.pick("L", "a=b", `x\`, "Lab el", "pipe|")
		}
	}
	return a
}

func (r tables) mapping(dict *formats.Dictionary) *formats.Mapping {
	m := &formats.Mapping{Replace: r.in(2), Words: map[string]map[string]string{"w": {
		"true": r.pick("yes", "1", "", "a=b", " src=1", "\n", `x\`), "*": r.pick("", "other", "|sev=1", `\`)}}}
	for range 1 + r.IntN(12) {
		m.Attributes = append(m.Attributes, r.attribute(dict))
	}
	return m
}

// encoder compiles a table without the entries that are mistakes; nil when there is nothing left of it.
func (r tables) encoder(m *formats.Mapping, build func(formats.Additions) (formats.Encoder, error)) formats.Encoder {
	for len(m.Attributes) > 0 {
		e, err := build(formats.Additions{Extend: m})
		problems, _ := err.(formats.Problems)
		if len(problems) == 0 {
			return e
		}
		kept := m.Attributes[:0:0]
		for _, a := range m.Attributes {
			if a.Key != problems[0].Entry {
				kept = append(kept, a)
			}
		}
		if len(kept) == len(m.Attributes) { // a mistake of no entry
			return nil
		}
		m.Attributes = kept
	}
	return nil
}

// TestAnyTableMakesEventsThatParse: whatever table compiles, its events keep to the format and to the budget.
func TestAnyTableMakesEventsThatParse(t *testing.T) {
	strict := func(read func(string) (*parse.Event, error)) func([]byte) ([]parse.Pair, error) {
		return func(event []byte) ([]parse.Pair, error) {
			e, err := read(string(event))
			if err != nil {
				return nil, err
			}
			return e.Pairs, nil
		}
	}
	looked := 0
	for seed := range uint64(*generated / 5) {
		r := tables{rand.New(rand.NewPCG(seed, 9))}
		dict, read := leef.Dictionary(), strict(parse.LEEF)
		build := func(add formats.Additions) (formats.Encoder, error) {
			return leef.New(leef.Options{Delimiter: []string{"", "^"}[seed/3%2], Additions: add})
		}
		switch seed % 3 {
		case 1:
			dict, read = cef.Dictionary(), strict(parse.CEF)
			build = func(add formats.Additions) (formats.Encoder, error) {
				return cef.New(cef.Options{Version: []string{"0", "1"}[seed/3%2], Additions: add})
			}
		case 2:
			dict, read = nil, parse.JSONFields
			build = func(add formats.Additions) (formats.Encoder, error) {
				return formats.NewJSON(formats.JSONOptions{Additions: add})
			}
		}
		m := r.mapping(dict)
		e := r.encoder(m, build)
		if e == nil {
			continue
		}
		g := formatstest.NewGenerator(seed, 5)
		for range 12 {
			d := g.Next()
			d.Raw, _ = json.Marshal(map[string]any{"id": d.ID, "title": d.Title, "list": d.Tags, "object": map[string]any{"x": d.Description}, "number": 12345678901})
			budget := []int{512, 600, 900, 2000, 1 << 20}[r.IntN(5)]
			event, _ := e.AppendEvent(nil, d, budget)
			pairs, err := read(event)
			fault := ""
			switch {
			case err != nil:
				fault = err.Error()
			case len(event) > budget:
				fault = "too long"
			case strings.ContainsAny(string(event), "\n\r\x00\u0085\u2028\u2029\u202e\ufeff"):
				fault = "a character that ends a line or turns it round"
			case dict != nil:
				for _, f := range lint.Line(string(event)) {
					fault = f.String()
				}
			}
			for _, p := range pairs {
				if p.Value == "" {
					fault = p.Key + " has no value"
				}
			}
			if looked++; fault != "" {
				t.Fatalf("seed %d, budget %d: %s\n%q\n%+v", seed, budget, fault, event, m.Attributes)
			}
		}
	}
	if looked < 100 {
		t.Errorf("only %d events", looked)
	}
}
