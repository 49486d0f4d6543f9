// Package coverage finds out which values of a record reach a SIEM and which never do.
//
// It does not read mapping tables: a table says what is meant, and whether a value arrives depends on more (which
// evidence is the primary one, which source of a key comes first, what is of a key's type). So it asks the encoder. A
// record is encoded as it is; then values of it are varied, each into another of its kind (a time stays a time, an
// address an address, a hash a hash), and the record is encoded again. A value whose variation changes the event
// reaches the SIEM through the fields that changed; one whose variation changes nothing does not.
//
// How a value shows in a field is said honestly (see As): as itself, as a part, as a time in another form, or only in
// that the field depends on it, like a number made of a severity's word, or everything that hangs on a verdict because
// it decides which evidence is the primary one.
package coverage

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/siembridge/siembridge/formats"
)

// Format is one way in which records reach a SIEM.
type Format struct {
	Name string // e.g. "cef:0"
	// Encode returns the fields that a SIEM reads of each event that a record of that API becomes, header included.
	Encode func(api string, record []byte) ([][]formats.Pair, error)
}

// As says how a value shows in a field of an event.
type As string

// The ways in which a value shows.
const (
	AsValue   As = "value"   // itself, alone or among others
	AsPart    As = "part"    // a part of it: cut, or a name out of a path
	AsTime    As = "time"    // the same moment in the format's form
	AsDerived As = "derived" // the field depends on it and shows it in no way
)

// Report is what Tracer found.
type Report struct {
	Formats []string `json:"formats"` // their names, as New was given them
	APIs    []API    `json:"apis"`    // by name
}

// API is what was found in the records of one API.
type API struct {
	Name    string `json:"api"`                     // of package formats' list
	Records int    `json:"records"`                 // how many were read
	Large   int    `json:"large_records,omitempty"` // records with so many values that a few that arrive may have been missed
	Paths   []Path `json:"paths"`                   // in the order in which they were met
}

// Path is a place in records: a JSON Pointer in which each index of a list is *.
type Path struct {
	Path   string  `json:"path"`   // e.g. /evidence/*/verdict
	Values int     `json:"values"` // values found there
	Empty  int     `json:"empty"`  // places that say nothing: null, "", {}, []
	Reach  []Reach `json:"reach"`  // one for each of Report.Formats
}

// Reach says what of a path reaches the SIEM in one format.
type Reach struct {
	Values int     `json:"values"`           // how many of the path's values
	Fields []Field `json:"fields,omitempty"` // where they show; those that only depend on them come last
}

// Field is a field of events in which values of a path show.
type Field struct {
	Name   string `json:"field"`  // a key, or "name" and the like of a header
	As     As     `json:"as"`     // how much of a value shows there
	Values int    `json:"values"` // how many of the path's values
}

// Reached reports whether any value of the path reaches the SIEM in any format.
func (p *Path) Reached() bool {
	return slices.ContainsFunc(p.Reach, func(r Reach) bool { return r.Values > 0 })
}

// Tracer collects the coverage of records. It is for one goroutine.
type Tracer struct {
	formats []Format
	apis    map[string]*collected
}

type collected struct {
	API
	index map[string]int
}

// New returns a Tracer for these formats.
func New(all ...Format) *Tracer { return &Tracer{formats: all, apis: map[string]*collected{}} }

// Report returns what was found so far.
func (t *Tracer) Report() Report {
	var r Report
	for _, f := range t.formats {
		r.Formats = append(r.Formats, f.Name)
	}
	for _, c := range t.apis {
		r.APIs = append(r.APIs, c.API)
	}
	sort.Slice(r.APIs, func(i, j int) bool { return r.APIs[i].Name < r.APIs[j].Name })
	return r
}

// Add traces the values of one record. Its error is that the record is not JSON, or what an encoder says.
func (t *Tracer) Add(api string, record []byte) error {
	values, err := valuesOf(record)
	if err != nil {
		return err
	}
	c := t.apis[api]
	if c == nil {
		c = &collected{API: API{Name: api}, index: map[string]int{}}
		t.apis[api] = c
	}
	c.Records++
	var varied []value
	for _, v := range values {
		p := c.path(v.path, len(t.formats))
		if v.varied == nil {
			p.Empty++
			continue
		}
		p.Values++
		varied = append(varied, v)
	}
	if len(varied) > maxSingly {
		c.Large++
	}
	for i, f := range t.formats {
		s := search{record: record, values: varied, encode: func(record []byte) ([][]formats.Pair, error) { return f.Encode(api, record) }}
		s.found = func(v *value, changed []change) { c.path(v.path, len(t.formats)).Reach[i].add(v, changed) }
		if err := s.run(); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return nil
}

func (c *collected) path(path string, formats int) *Path {
	at, ok := c.index[path]
	if !ok {
		at = len(c.Paths)
		c.index[path] = at
		c.Paths = append(c.Paths, Path{Path: path, Reach: make([]Reach, formats)})
	}
	return &c.Paths[at]
}

func (r *Reach) add(v *value, changed []change) {
	r.Values++
	counted := map[Field]bool{} // a value may show in one field of several events
	for _, ch := range changed {
		as := v.shownBy(ch)
		if counted[Field{Name: ch.name, As: as}] {
			continue
		}
		counted[Field{Name: ch.name, As: as}] = true
		at := slices.IndexFunc(r.Fields, func(f Field) bool { return f.Name == ch.name && f.As == as })
		if at < 0 {
			at = len(r.Fields)
			r.Fields = append(r.Fields, Field{Name: ch.name, As: as})
		}
		r.Fields[at].Values++
	}
	// Fields that show the value stand before those that merely depend on it.
	sort.SliceStable(r.Fields, func(i, j int) bool { return r.Fields[i].As != AsDerived && r.Fields[j].As == AsDerived })
}

// Text lists the paths that reach the SIEM with their fields, then those that never do, for a terminal.
func (r Report) Text() string {
	var b strings.Builder
	for i := range r.APIs {
		if i > 0 {
			b.WriteByte('\n')
		}
		r.APIs[i].text(&b, r.Formats)
	}
	return b.String()
}
