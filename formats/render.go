package formats

import (
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Row describes one key of a table in words, for documentation and for the content that the SIEM side needs.
type Row struct {
	Key, Name string    // Name is the long name of the dictionary
	Label     string    // of a custom slot; "": it has none
	Custom    bool      // not in the format's dictionary
	From      string    // where the value comes from, and what is made of it
	Type      ValueType // of the value
	Max       int       // bytes; 0 for numbers, times and addresses
	Priority  string    // A, B or C
	When      string    // conditions; "" when there are none
	Note      string    // of the mapping
}

// Rows describes the keys of the table, in its order.
func (t *Table) Rows() []Row {
	var rows []Row
	for i := range t.mapping.Attributes {
		m := &t.mapping.Attributes[i]
		at, ok := t.index[m.Key]
		if !ok {
			continue
		}
		a := &t.attrs[at]
		k, known := t.dict.Key(m.Key)
		r := Row{Key: m.Key, Name: k.Full, Label: m.Label, Custom: !known && t.dict.Format != "json", From: describeSource(m), Type: a.kind,
			Priority: string(a.priority), When: describeConditions(m), Note: m.Note}
		if k.FixedLabel != "" {
			r.Label = k.FixedLabel
		}
		if a.kind == ValueText {
			r.Max = a.max
		}
		rows = append(rows, r)
	}
	return rows
}

func describeSource(m *Attribute) string {
	if m.Value != "" {
		return strconv.Quote(m.Value)
	}
	between := ", else "
	switch {
	case m.All:
		between = " " + m.Join + " "
	case len(m.Entity) > 0:
		between = ", or "
	}
	s := strings.Join(m.From, between)
	if m.First {
		s = "first of " + s
	}
	if m.Words != "" {
		s += " (words: " + m.Words + ")"
	}
	return s
}

func describeConditions(m *Attribute) string {
	var all []string
	say := func(present bool, format string, args ...any) {
		if present {
			all = append(all, fmt.Sprintf(format, args...))
		}
	}
	say(m.Fresh, "the record is fresh")
	say(m.With != "", "with %s", m.With)
	say(m.Mistyped != "", "not of the type of %s", m.Mistyped)
	say(len(m.If) > 0, "there is %s", strings.Join(m.If, " or "))
	say(len(m.Unless) > 0, "there is no %s", strings.Join(m.Unless, " or "))
	say(m.LongerThan > 0, "longer than %d", m.LongerThan)
	say(len(m.API) > 0, "API %s", strings.Join(m.API, ", "))
	say(len(m.Kind) > 0, "kind %s", strings.Join(m.Kind, ", "))
	say(len(m.Versions) > 0, "version %s", strings.Join(m.Versions, ", "))
	return strings.Join(all, "; ")
}

// limit says in one word how long a value may be and what happens when it is longer.
func (t *Table) limit(r *Row) string {
	a := &t.attrs[t.index[r.Key]]
	switch {
	case r.Max == 0:
		return ""
	case a.hash:
		return strconv.Itoa(r.Max) + ", else hashed"
	case a.whole:
		return strconv.Itoa(r.Max) + ", else left out"
	case a.short > 0:
		return fmt.Sprintf("%d, cut to %d", r.Max, a.short)
	}
	return strconv.Itoa(r.Max)
}

// Markdown renders the mapping in force as a Markdown document fragment under a heading of the second level.
func (t *Table) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s %s", strings.ToUpper(t.dict.Format), t.version)
	if t.mapping.Name != "" {
		fmt.Fprintf(&b, ", profile %s", t.mapping.Name)
	}
	b.WriteString("\n\n")
	fmt.Fprintf(&b, "Version %s of the mapping. Keys are written in this order; of the sources in \"from\" the first that has a value counts. ", t.mapping.Version)
	b.WriteString("When an event is too long, keys of priority C go first, then B, each from the bottom upwards.\n\n")
	t.headerMarkdown(&b)
	b.WriteString("| key | from | label | type | longest (bytes) | priority | only when | note |\n|---|---|---|---|---|---|---|---|\n")
	for _, r := range t.Rows() {
		key := "`" + r.Key + "`"
		if r.Name != "" && r.Name != r.Key {
			key += " " + r.Name
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", key, cell(r.From), cell(r.Label), r.Type, t.limit(&r), r.Priority, cell(r.When), cell(r.Note))
	}
	return b.String()
}

func (t *Table) headerMarkdown(b *strings.Builder) {
	h := &t.mapping.Header
	if len(h.Vendor) == 0 {
		return
	}
	b.WriteString("| header | value |\n|---|---|\n")
	fmt.Fprintf(b, "| vendor | %s |\n| product | %s |\n| version | %s |\n", cell(describeWords(h.Vendor)), cell(describeWords(h.Product)), cell(t.mapping.Version))
	if t.nameIndex >= 0 {
		class := append(append(Names{}, h.ClassID...), "service/category")
		fmt.Fprintf(b, "| class id | %s |\n| name | %s |\n", strings.Join(class, ", else "), strings.Join(h.Name, ", else "))
	} else {
		b.WriteString("| EventID | event_class |\n")
	}
	b.WriteString("| severity |")
	for s := SeverityInformational; s <= SeverityHigh; s++ {
		if word := t.severityWords[s]; word != "" {
			fmt.Fprintf(b, " %s %s", s, word)
			continue
		}
		fmt.Fprintf(b, " %s %d", s, t.severity[s])
	}
	b.WriteString(" |\n\n")
}

func describeWords(words map[string]string) string {
	var parts []string
	for _, service := range ServiceWords() {
		if text, ok := words[service]; ok {
			parts = append(parts, text+" ("+service+")")
		}
	}
	return strings.Join(parts, ", ")
}

func cell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }

// Text renders the mapping in force as a plain table for a terminal.
func (t *Table) Text() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KEY\tFROM\tTYPE\tLONGEST\tPRIORITY\tONLY WHEN")
	for _, r := range t.Rows() {
		key := r.Key
		if r.Label != "" {
			key += " (" + r.Label + ")"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", key, r.From, r.Type, t.limit(&r), r.Priority, r.When)
	}
	w.Flush()
	return b.String()
}
