package lint

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// Headers of RFC 3164 and RFC 5424 behind the priority (with RFC 3164 it may be gone, as in files), each with one blank
// before the event.
var (
	rfc3164 = regexp.MustCompile(`^[A-Z][a-z]{2} [ 0-3]\d \d\d:\d\d:\d\d (\S+) (?:[^\s:]{1,48}: ?)?$`)
	rfc5424 = regexp.MustCompile(`^1 (?:-|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)) ` +
		`(\S{1,255}) \S{1,48} \S{1,128} \S{1,32} (?:-|(?:\[[^\s=\]"]{1,32}(?: [^\s=\]"]{1,32}="(?:[^"\\\]]|\\.)*")*\])+) $`)
)

const mark = "\ufeff"

// header checks what stands before the event.
func (c *checker) header(header string) {
	c.source = "RFC 3164, RFC 5424"
	if at := strings.Index(header, mark); at >= 0 {
		c.add(at, "a byte-order mark before the event, which readers take for a part of it")
		header = strings.Replace(header, mark, "", 1)
	}
	if header == "" {
		return
	}
	priority, rest := c.priority(header)
	m := rfc3164.FindStringSubmatch(rest)
	if m == nil && priority {
		m = rfc5424.FindStringSubmatch(rest)
	}
	if m == nil {
		if strings.Count(header, `"`)%2 == 1 {
			c.add(c.event, "the first CEF: or LEEF: stands inside the syslog header, and readers take it for the event")
			return
		}
		c.add(0, "the text before the event is no syslog header")
		return
	}
	if a, err := netip.ParseAddr(m[1]); err == nil && a.Is6() {
		c.add(strings.Index(header, m[1]), "the host is an IPv6 address, which QRadar cannot assign to a log source")
	}
}

// priority checks the number in angle brackets and returns what is behind it; ok is false when there is none.
func (c *checker) priority(header string) (ok bool, rest string) {
	number, rest, ok := strings.Cut(strings.TrimPrefix(header, "<"), ">")
	if header[0] != '<' || !ok {
		return false, header
	}
	switch n, err := strconv.ParseUint(number, 10, 32); {
	case err != nil || n > 191:
		c.add(1, "the priority is 0 to 191, not %q", number)
	case len(number) > 1 && number[0] == '0':
		c.add(1, "the priority %s has leading zeros, which some readers take for no header", number)
	}
	return true, rest
}

// escapedPipe finds a pipe with a backslash in a LEEF header, where there are no escapes.
func (c *checker) escapedPipe() {
	event := c.line[c.event:]
	pipes := 0
	for i := range len(event) {
		if event[i] != '|' {
			continue
		}
		if pipes++; pipes > 5 {
			return
		}
		if event[i-1] == '\\' {
			c.add(c.event+i-1, `a backslash before a pipe of the header: LEEF has no escapes, the fields after it shift`)
			return
		}
	}
}

// cefHeader checks the fields of a CEF header: lengths and severity.
func (c *checker) cefHeader() {
	e := c.parsed
	for _, f := range []struct {
		name, value string
		max         int
	}{{"device vendor", e.Vendor, 63}, {"device product", e.Product, 63}, {"device version", e.Release, 31},
		{"device event class id", e.EventID, 1023}, {"name", e.Name, 512}} {
		if len(f.value) > f.max {
			c.add(c.event, "the %s has %d bytes, at most %d are allowed", f.name, len(f.value), f.max)
		}
	}
	switch e.Severity {
	case "Unknown", "Low", "Medium", "High", "Very-High":
		return
	}
	if n, err := strconv.Atoi(e.Severity); err != nil || n < 0 || n > 10 {
		c.add(c.event, "the severity is 0 to 10, Unknown, Low, Medium, High or Very-High, not %q", e.Severity)
	}
}
