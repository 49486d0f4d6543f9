package formats

import (
	"maps"
	"slices"
	"strings"
)

// compiler makes a Table of a Mapping and collects what is wrong with it.
type compiler struct {
	table    *Table
	mapping  *Mapping
	apis     []string // Additions.APIs
	problems Problems
}

var kindNames = Names{string(KindAlert), string(KindIncident), string(KindStatus)}

func (c *compiler) header() {
	t, m := c.table, c.mapping
	if m.Format != t.dict.Format {
		c.problems.add("format", "the table is for %q, not for %q", m.Format, t.dict.Format)
	}
	vendor, product := m.Header.Vendor, m.Header.Product
	services := ServiceWords()
	for _, part := range []struct {
		name  string
		words map[string]string
	}{{"header.vendor", vendor}, {"header.product", product}} {
		name, words := part.name, part.words
		if words["other"] == "" && t.dict.Format != "json" {
			c.problems.add(name, "needs a text for \"other\", the services that are not listed")
		}
		for _, service := range slices.Sorted(maps.Keys(words)) {
			text := words[service]
			if !slices.Contains(services, service) {
				c.problems.add(name, "%q is no service; services are %s", service, strings.Join(services, ", "))
			}
			if !fitsHeader(text, 63) || text == "" {
				c.problems.add(name, "%q: vendor and product are 1 to 63 bytes without pipes, backslashes and control characters", text)
			}
		}
	}
	if !fitsHeader(m.Version, 31) {
		c.problems.add("version", "%q: a version is at most 31 bytes without pipes, backslashes and control characters", m.Version)
	}
	t.devices = map[string]string{}
	for _, service := range services {
		t.devices[service] = byService(vendor, service) + "|" + byService(product, service) + "|" + m.Version + "|"
	}
	if len(m.Header.ClassID) > 0 && t.dict.Format != "cef" {
		c.problems.add("header.class_id", "only the header of CEF takes a class id of one's own; the EventID of LEEF is the event's class")
	}
	t.classID = c.sources("header.class_id", m.Header.ClassID)
	for _, s := range t.classID {
		if s.kind == fromTime {
			c.problems.add("header.class_id", "%s is a time", s.name)
		}
	}
	c.severity()
}

func byService(words map[string]string, service string) string {
	if w, ok := words[service]; ok {
		return w
	}
	return words["other"]
}

// fitsHeader reports whether a configured text may stand in a header as it is, without any escape.
func fitsHeader(text string, longest int) bool {
	return len(text) <= longest && !strings.ContainsAny(text, `|\`) && string(AppendClean(nil, text, Cleaning{}, -1)) == text
}

// severity fills the numbers of the severity words. A word without number counts as unknown, unknown as 2.
func (c *compiler) severity() {
	numbers := &c.table.severity
	for s := range numbers {
		numbers[s] = 2
		if n, ok := c.mapping.Severity["unknown"]; ok {
			numbers[s] = n
		}
	}
	for _, word := range slices.Sorted(maps.Keys(c.mapping.Severity)) {
		n := c.mapping.Severity[word]
		at := slices.Index(severityWords[:], word)
		if at <= 0 {
			c.problems.add("severity", "%q is no severity; severities are %s", word, strings.Join(severityWords[1:], ", "))
			continue
		}
		if n < 0 || n > 10 || n == 0 && c.table.dict.Format == "leef" {
			c.problems.add("severity", "%s = %d: CEF takes 0 to 10, LEEF 1 to 10", word, n)
		}
		numbers[at] = n
	}
	for _, word := range slices.Sorted(maps.Keys(c.mapping.SeverityWords)) {
		text, at := c.mapping.SeverityWords[word], slices.Index(severityWords[:], word)
		switch {
		case at <= 0:
			c.problems.add("severity_words", "%q is no severity; severities are %s", word, strings.Join(severityWords[1:], ", "))
		case c.table.dict.Format != "cef":
			c.problems.add("severity_words", "only the header of CEF takes a word for a severity")
		case text != "" && !contains(cefSeverities, text):
			c.problems.add("severity_words", "%s = %q: CEF has the words %s", word, text, strings.Join(cefSeverities, ", "))
		default:
			c.table.severityWords[at] = text
		}
	}
}

// cefSeverities are the words that the severity field may hold (CEF Implementation Standard, "Header Field Definitions").
var cefSeverities = Names{"Unknown", "Low", "Medium", "High", "Very-High"}

// nameAttribute adds the name of the header as an attribute that takes part in the size budget.
func (c *compiler) nameAttribute() {
	if len(c.mapping.Header.Name) == 0 {
		return
	}
	if c.table.layout.AppendHeader == nil {
		c.problems.add("header.name", "only the header of CEF has a name")
		return
	}
	c.table.nameIndex = len(c.table.attrs)
	c.table.attrs = append(c.table.attrs, attribute{
		key: "name", header: true, priority: 'A', max: 512, short: 200, kind: ValueText, join: ",",
		sources: c.sources("header.name", c.mapping.Header.Name), with: -1, mistyped: -1, entity: -1,
	})
}

func (c *compiler) sources(entry string, names Names) []source {
	var list []source
	for _, name := range names {
		s, err := compileSource(name, c.mapping.Computed)
		if err != nil {
			c.problems.add(entry, "%v", err)
			continue
		}
		list = append(list, s)
	}
	return list
}
