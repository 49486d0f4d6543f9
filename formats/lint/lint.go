// Package lint says what is wrong with CEF and LEEF events of any product: header, escapes, types, lengths, labels, keys
// and the syslog header before them. It reads events with the strict decoders of package parse and holds their values
// against the dictionaries of the formats; it uses nothing of the encoders.
package lint

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/cef"
	"github.com/siembridge/siembridge/formats/leef"
	"github.com/siembridge/siembridge/formats/parse"
)

// Where the rules stand.
const (
	cefStandard  = "CEF Implementation Standard, document 27"
	leefStandard = "LEEF version 2, IBM"
)

// Finding is one fault of an event.
type Finding struct {
	Line   int    `json:"line,omitempty"` // of the stream, from 1; octet-counted frames count as lines
	Column int    `json:"column"`         // byte of the line, from 1
	Fault  string `json:"fault"`          // what is wrong, with the value
	Source string `json:"source"`         // the standard that has the rule
}

// String is the finding on one line, without the name of its file: "line:column: fault (source)".
func (f Finding) String() string {
	return fmt.Sprintf("%d:%d: %s (%s)", f.Line, f.Column, f.Fault, f.Source)
}

// checker collects the findings of one line.
type checker struct {
	line       string
	event      int // where the event begins
	dictionary *formats.Dictionary
	source     string
	parsed     *parse.Event
	delimiter  string
	findings   []Finding
}

func (c *checker) add(at int, fault string, args ...any) {
	c.findings = append(c.findings, Finding{Column: at + 1, Fault: fmt.Sprintf(fault, args...), Source: c.source})
}

// Line checks one line: an event with or without its syslog header, without framing. The findings come by column. When
// the event cannot be read, the first violation of its syntax is the only finding about it.
func Line(line string) []Finding {
	c := &checker{line: line, source: "a reader looks for CEF: or LEEF:"}
	c.check()
	slices.SortStableFunc(c.findings, func(a, b Finding) int { return cmp.Compare(a.Column, b.Column) })
	return c.findings
}

func (c *checker) check() {
	line := c.line
	isLEEF := false
	c.event, isLEEF = beginning(line)
	if c.event < 0 {
		c.add(0, "the line has no CEF or LEEF event")
		return
	}
	c.header(line[:c.event])
	read := parse.CEF
	c.dictionary, c.source, c.delimiter = cef.Dictionary(), cefStandard, " "
	if isLEEF {
		read = parse.LEEF
		c.dictionary, c.source = leef.Dictionary(), leefStandard
		c.escapedPipe()
	}
	parsed, err := read(line[c.event:])
	var violation *parse.Error
	if errors.As(err, &violation) {
		c.violation(violation)
		return
	}
	c.parsed = parsed
	if isLEEF {
		c.delimiter = delimiterOf(line[c.event:], parsed)
		c.separators()
		c.suffixes()
	} else {
		c.cefHeader()
		c.labels()
	}
	for _, p := range parsed.Pairs {
		c.pair(p)
	}
}

// violation adds what the strict decoder found; the section that it names goes to the source.
func (c *checker) violation(v *parse.Error) {
	fault := v.Rule
	if at := strings.LastIndex(fault, " (CEF, "); at >= 0 {
		c.source += ", " + strings.Trim(fault[at+len(" (CEF, "):], ")")
		fault = fault[:at]
	}
	c.add(c.event+v.Column-1, "%s", fault)
}

// beginning finds the first CEF: or LEEF:, which is what readers take for the event.
func beginning(line string) (at int, isLEEF bool) {
	c, l := strings.Index(line, "CEF:"), strings.Index(line, "LEEF:")
	if l >= 0 && (c < 0 || l < c) {
		return l, true
	}
	return c, false
}

// delimiterOf returns what separates the attributes of a LEEF event that was read.
func delimiterOf(event string, e *parse.Event) string {
	if e.Version == "1.0" || len(e.Pairs) < 2 {
		return "\t"
	}
	// The first pair is followed by the delimiter, whichever way the header writes it.
	attributes := strings.SplitN(event, "|", 7)[6]
	rest := attributes[len(e.Pairs[0].Key)+1+len(e.Pairs[0].Value):]
	return rest[:strings.Index(rest, e.Pairs[1].Key+"=")]
}

// column finds where a key stands in the line.
func (c *checker) column(key string) int {
	event := c.line[c.event:]
	for _, before := range []string{c.delimiter, "|"} {
		if i := strings.Index(event, before+key+"="); i >= 0 {
			return c.event + i + len(before)
		}
	}
	return c.event
}
