package flexconnector

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/cef"
)

// prefix marks the values that a parser file computes, in the mapping as people read it.
const prefix = "flexconnector:"

// cefKeys are the keys of CEF by the long names that parser files use.
var cefKeys = sync.OnceValue(func() map[string]string {
	keys := map[string]string{}
	for _, k := range cef.Dictionary().Keys {
		if k.Full != "" {
			keys[k.Full] = k.Name
		} else {
			keys[k.Name] = k.Name
		}
	}
	return keys
})

func cefKey(full string) (string, bool) {
	key, ok := cefKeys()[full]
	return key, ok
}

// headerFields are the event fields that stand in the header.
var headerFields = map[string]bool{"name": true, "deviceVendor": true, "deviceProduct": true, "deviceVersion": true,
	"deviceEventClassId": true, "deviceSeverity": true}

// mapping makes the table.
func (p *parser) mapping() *formats.Mapping {
	m := &formats.Mapping{Format: "cef", Replace: true, Severity: map[string]int{}, Computed: map[string]func(*formats.Detection) string{}}
	defaults, err := cef.ProfileMapping("")
	if err != nil {
		p.problems = append(p.problems, Problem{Line: 1, Text: err.Error()})
		return m
	}
	b := builder{parser: p, m: m, defaults: map[string]formats.Attribute{}}
	for _, a := range defaults.Attributes {
		b.defaults[a.Key] = a
	}
	b.compile()
	b.header(defaults)
	b.severity(defaults)
	for _, name := range p.order {
		b.event(name)
	}
	b.additional()
	// What siembridge says of an event itself goes where ArcSight keeps what it has no field for.
	for _, key := range []string{"MicrosoftDefenderEventKind", "MicrosoftDefenderShortened"} {
		if a, ok := b.defaults[key]; ok {
			m.Attributes = append(m.Attributes, a)
		}
	}
	return m
}

// builder fills a table from the parts of a file.
type builder struct {
	*parser
	m        *formats.Mapping
	defaults map[string]formats.Attribute // entries of the built-in table by their keys
	nodes    map[string]node              // expressions by the event fields they fill
}

// compile compiles the expressions of all fields, then lays the conditional maps over them.
func (b *builder) compile() {
	b.nodes = map[string]node{}
	for _, name := range b.order {
		if n := b.expression(b.events[name]); n != nil {
			b.nodes[name] = n
		}
	}
	for _, i := range sortedKeys(b.conditions) {
		b.applyCondition(b.conditions[i])
	}
}

func (b *builder) expression(e Property) node {
	n, err := parseExpr(e.Value, b.byName)
	if err != nil {
		b.problems.add(e, "not understood: %v", err)
		return nil
	}
	markUsed(n)
	return n
}

// markUsed notes which tokens go into a field; the others are additional data.
func markUsed(n node) {
	switch n := n.(type) {
	case *token:
		n.used = true
	case *call:
		for _, a := range n.args {
			markUsed(a)
		}
	}
}

// applyCondition lays a conditional map over the fields it changes.
func (b *builder) applyCondition(c *condition) {
	field, ok := strings.CutPrefix(strings.TrimSpace(c.field.Value), "event.")
	on := b.nodes[field]
	if !ok || on == nil {
		at := c.field
		for _, j := range sortedKeys(c.mappings) {
			if at.Line == 0 {
				at = c.mappings[j].values
			}
		}
		b.problems.add(at, "not understood: a conditional map goes by an event field that has a mapping")
		return
	}
	for _, j := range sortedKeys(c.mappings) {
		m := c.mappings[j]
		values := map[string]bool{}
		for v := range strings.SplitSeq(m.values.Value, ",") {
			values[strings.TrimSpace(v)] = true
		}
		for _, name := range slices.Sorted(maps.Keys(m.events)) {
			e := m.events[name]
			then := b.expression(e)
			if then == nil {
				continue
			}
			if headerFields[name] && name != "name" && name != "deviceEventClassId" {
				b.problems.add(e, "siembridge cannot change this field of the header from record to record")
				continue
			}
			if _, known := b.events[name]; !known {
				b.events[name] = e
				b.order = append(b.order, name)
			}
			otherwise := b.nodes[name]
			if otherwise == nil {
				otherwise = literal("")
			}
			b.nodes[name] = &when{field: on, values: values, then: then, otherwise: otherwise}
		}
	}
}

// computed puts an expression into the table and returns the name under which attributes find it.
func (b *builder) computed(field string, n node) string {
	name := prefix + field
	if e := b.events[field]; e.Line > 0 {
		name = prefix + strings.TrimSpace(e.Value)
	}
	if b.m.Computed[name] != nil {
		name += " (" + field + ")"
	}
	b.m.Computed[name] = n.eval
	return name
}

// event makes the attribute of an event field.
func (b *builder) event(name string) {
	n, e := b.nodes[name], b.events[name]
	if base, ok := strings.CutSuffix(name, "Label"); ok && !headerFields[base] {
		if _, slot := cefKey(base); slot {
			b.labelOf(base, n, e)
			return
		}
	}
	if headerFields[name] || n == nil {
		return
	}
	key, ok := cefKey(name)
	if !ok {
		b.problems.add(e, "CEF has no key for the field %q", name)
		return
	}
	a := b.entry(key)
	if text, constant := n.(literal); constant {
		if a.Value = string(text); a.Value == "" {
			b.notes.add(e, "an empty text is not written")
			return
		}
	} else {
		a.From = formats.Names{b.computed(name, n)}
	}
	b.label(&a, name, e)
	b.m.Attributes = append(b.m.Attributes, a)
}

// entry is a key with the limits that the built-in table gives it, where it has the key.
func (b *builder) entry(key string) formats.Attribute {
	d, ok := b.defaults[key]
	if !ok {
		return formats.Attribute{Key: key, Priority: "B"}
	}
	return formats.Attribute{Key: key, Label: d.Label, Max: d.Max, Whole: d.Whole, Hash: d.Hash, Priority: d.Priority, Short: d.Short, Type: d.Type}
}

// label gives a custom slot the label of the file, else that of the built-in table, else the name of its field.
func (b *builder) label(a *formats.Attribute, name string, e Property) {
	k, _ := cef.Dictionary().Key(a.Key)
	if k.LabelKey == "" || k.FixedLabel != "" {
		a.Label = ""
		return
	}
	if text, ok := b.nodes[name+"Label"].(literal); ok && text != "" {
		a.Label = string(text)
		return
	}
	if a.Label == "" {
		a.Label = name
	}
	b.notes.add(e, "the file has no label for it; it is %q", a.Label)
}

// labelOf looks at a label, which label has used already or will.
func (b *builder) labelOf(base string, n node, e Property) {
	if _, ok := n.(literal); n != nil && !ok {
		b.problems.add(e, "a label has to be a constant")
	}
	if b.nodes[base] == nil {
		if _, given := b.events[base]; !given {
			b.notes.add(e, "a label without a value is not written")
		}
	}
}

// additional writes additional data under keys of siembridge's own, which ArcSight keeps as additional data.
func (b *builder) additional() {
	add := func(name string, n node) {
		key := additionalName(name)
		a := formats.Attribute{Key: key, Priority: "C", From: formats.Names{prefix + "additionaldata." + name}}
		if text, ok := n.(literal); ok {
			a.From, a.Value = nil, string(text)
		} else {
			b.m.Computed[a.From[0]] = n.eval
		}
		b.m.Attributes = append(b.m.Attributes, a)
	}
	for _, e := range b.parser.additional {
		if n := b.expression(e); n != nil {
			add(additionalKey.FindStringSubmatch(e.Key)[1], n)
		}
	}
	if !strings.EqualFold(strings.TrimSpace(b.addAll.Value), "true") {
		return
	}
	for _, i := range sortedKeys(b.tokens) {
		if t := b.tokens[i]; t.name != "" && !t.used && b.byName[t.name] == t {
			add(t.name, t)
		}
	}
}

// additionalName is a key of CEF for a name of any kind.
func additionalName(name string) string {
	clean := strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' {
			return r
		}
		return -1
	}, name)
	return "MicrosoftDefender" + strings.ToUpper(clean[:min(1, len(clean))]) + clean[min(1, len(clean)):]
}
