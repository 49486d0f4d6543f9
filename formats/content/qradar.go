package content

import (
	_ "embed"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/template"

	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/leef"
)

//go:embed qradar.sh.tmpl
var qradarScript string

// qidPrefix begins the names of all QID records that the script makes.
const qidPrefix = "Defender: "

// propertyPrefix begins the names of all custom properties that the script makes: names are shared with all other
// content of a console.
const propertyPrefix = "Defender "

// EventMapping is one row of QRadar's lookup from what an event carries to the record that names it.
type EventMapping struct{ EventID, Category, QIDName string }

// EventMappings returns every pair of EventID and cat that an event can carry.
func EventMappings() []EventMapping {
	var all []EventMapping
	status := statusService()
	own := map[string]bool{}
	for _, w := range formats.StatusClasses() {
		own[w.ID] = true
	}
	for _, id := range formats.EventClasses() {
		for _, service := range formats.ServiceWords() {
			if own[id] == (service == status) {
				all = append(all, EventMapping{id, service, qidName(id)})
			}
		}
	}
	return all
}

// qidName is what QRadar shows as the event's name.
func qidName(id string) string { return qidPrefix + id }

// Property is one custom event property: a LEEF key that QRadar does not read by itself.
type Property struct {
	Name  string // of the property
	Key   string // of LEEF: the property's expression
	Type  string // string, numeric, ip
	Rules bool   // parsed on arrival, so that rules and indexes can use it
	Text  string // what it is, for the console
}

// Properties returns a custom property for each key of the LEEF mapping that QRadar puts into no field of its own.
// Keys of priority A are for rules; the others are parsed when a search asks for them, which costs the console nothing.
func Properties() (all []Property) {
	m := leef.DefaultMapping()
	for i := range m.Attributes {
		a := &m.Attributes[i]
		if _, predefined := leef.Dictionary().Key(a.Key); predefined && !slices.Contains(tables.NotNormalised, a.Key) {
			continue
		}
		p := Property{Name: propertyPrefix + a.Key, Key: a.Key, Type: "string", Rules: a.Priority == "A", Text: "LEEF key " + a.Key}
		switch a.Type {
		case formats.ValueInteger, formats.ValueLong, formats.ValuePort:
			p.Type = "numeric"
		case formats.ValueTime:
			p.Type, p.Text = "numeric", p.Text+", milliseconds since 1970 UTC"
		case formats.ValueIP, formats.ValueIPv4:
			p.Type = "ip"
		}
		all = append(all, p)
	}
	return all
}

// QRadarScript writes the POSIX shell script that makes all objects by QRadar's REST API. It needs curl and awk, and
// may be run again: what is there stays.
func QRadarScript(w io.Writer, version string) error {
	t, err := template.New("qradar").Funcs(template.FuncMap{"join": strings.Join}).Parse(qradarScript)
	if err != nil {
		return err
	}
	var classes []class
	for _, id := range formats.EventClasses() {
		classes = append(classes, classOf(id))
	}
	return t.Execute(w, map[string]any{
		"Version": version, "Prefix": qidPrefix, "PropertyPrefix": propertyPrefix, "Classes": classes, "Mappings": EventMappings(), "Properties": Properties(),
		"Heartbeat": statusClass("heartbeat"), "Status": statusService(),
	})
}

// matcher is one leef-matcher of a log source extension, or the pattern it refers to.
type matcher struct {
	Field   string `xml:"field,attr"`
	Order   int    `xml:"order,attr"`
	Pattern string `xml:"pattern-id,attr"`
	Replace bool   `xml:"enable-substitutions,attr"`
}

type pattern struct {
	ID   string `xml:"id,attr"`
	Type string `xml:"type,attr"`
	NS   string `xml:"xmlns,attr"`
	Text string `xml:",chardata"`
}

// eventMatch lets the parsed name, whatever it is, be looked up with the category in the map of QIDs.
type eventMatch struct {
	Pattern  string `xml:"pattern-id,attr"`
	Group    int    `xml:"capture-group-index,attr"`
	Lookup   bool   `xml:"force-qidmap-lookup-on-fixup,attr"`
	Identity string `xml:"send-identity,attr"`
}

type extension struct {
	XMLName  xml.Name  `xml:"device-extension"`
	NS       string    `xml:"xmlns,attr"`
	Patterns []pattern `xml:"pattern"`
	Group    struct {
		Order       int        `xml:"order,attr"`
		Description string     `xml:"description,attr"`
		NS          string     `xml:"xmlns,attr"`
		Matchers    []matcher  `xml:"leef-matcher"`
		Event       eventMatch `xml:"event-match-multiple"`
	} `xml:"match-group"`
}

// LogSourceExtension writes the extension for log source types that do not read LEEF by themselves. Universal LEEF
// does and needs none.
func LogSourceExtension(w io.Writer, version string) error {
	m := leef.DefaultMapping()
	e := extension{NS: "event_parsing/device_extension"}
	e.Group.Order, e.Group.Description = 1, "siembridge "+version
	add := func(field, key string) {
		e.Patterns = append(e.Patterns, pattern{ID: field, Type: "LeefKey", Text: key})
		e.Group.Matchers = append(e.Group.Matchers, matcher{Field: field, Order: 1, Pattern: field})
	}
	add("EventName", "$eventid$")
	add("EventCategory", "cat")
	for _, f := range tables.Extension {
		if !slices.ContainsFunc(m.Attributes, func(a formats.Attribute) bool { return a.Key == f.Key }) {
			return fmt.Errorf("the LEEF mapping has no key %s for the extension's field %s", f.Key, f.Field)
		}
		add(f.Field, f.Key)
	}
	e.Patterns = append(e.Patterns, pattern{ID: "AllEvents", Type: "JavaPattern", Text: "(.*)"})
	e.Group.Event = eventMatch{Pattern: "AllEvents", Group: 1, Lookup: true, Identity: "UseDSMResults"}
	text, err := xml.MarshalIndent(e, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?>
<!-- For a log source type that does not read LEEF by itself. Universal LEEF does: it needs no extension.
     Written after IBM's documentation and not tried on a live console. The time of an event is the time of its arrival,
     since an extension reads times by a date pattern and devTime is milliseconds. -->
%s
`, text)
	return err
}
