package flexconnector

import (
	"fmt"
	"strings"
	"time"

	"github.com/siembridge/siembridge/formats"
)

// token is a value of the record under a name: token[i].name, .location, .type, .format.
type token struct {
	name    string
	path    []string
	legacy  *legacyField // set when the location is a property of the detections API
	convert func(args []string) string

	given map[string]Property // as the file has it
	used  bool
}

func (t *token) eval(d *formats.Detection) string {
	text := ""
	switch {
	case t.legacy != nil && (t.legacy.exact || d.API != "detections"):
		text = t.legacy.text(d)
	default:
		text = d.RawText(t.path...)
	}
	// Microsoft's ways to say nothing.
	if text == "" || text == "null" {
		return ""
	}
	if t.convert != nil {
		return t.convert([]string{text})
	}
	return text
}

// compile fills the token from its properties.
func (t *token) compile(problems *Problems) {
	location, ok := t.given["location"]
	if !ok {
		location = t.given["name"]
	}
	var err error
	if t.path, err = pathOf(location.Value); err != nil {
		problems.add(location, "%v", err)
	}
	if len(t.path) == 1 {
		if f, ok := legacyFields[t.path[0]]; ok {
			t.legacy = &f
		}
	}
	kind, format := t.given["type"], t.given["format"]
	switch strings.ToLower(kind.Value) {
	case "", "string":
	case "integer", "long":
		t.convert = integer
	case "ipaddress", "ipv6address":
		t.convert = address
	case "macaddress":
		// The key's own type looks at it.
	case "timestamp", "date":
		t.convert = dateTime
		if format.Value == "" {
			return
		}
		layout, err := goLayout(format.Value)
		if err != nil {
			problems.add(format, "not understood: %v", err)
			return
		}
		t.convert = func(args []string) string { return parseTime(layout, args[0]) }
		return
	default:
		problems.add(kind, "a token of type %q is not understood", kind.Value)
	}
	if format.Value != "" {
		problems.add(format, "the format %q of a token that is no time is not understood", format.Value)
	}
}

// pathOf reads a location: a path with slashes, relative to the record.
func pathOf(location string) ([]string, error) {
	location = strings.Trim(strings.TrimSpace(location), "/")
	if location == "." {
		return nil, nil
	}
	if location == "" {
		return nil, fmt.Errorf("the token has no location")
	}
	path := strings.Split(location, "/")
	for _, name := range path {
		switch {
		case name == "..":
			return nil, fmt.Errorf("%q climbs out of the record, of which siembridge has nothing but itself", location)
		case name == "" || name == "." || strings.ContainsAny(name, "[]*()"):
			return nil, fmt.Errorf("%q is no plain path", location)
		}
	}
	return path, nil
}

func rfc3339(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
