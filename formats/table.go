package formats

import (
	"bytes"
	"slices"
	"strings"
)

// Layout is what a format adds to a table so that the engine can count: how text is cleaned and what it costs.
type Layout struct {
	Clean  Cleaning // for values
	Header Cleaning // for the name in the header
	// Escapes are the printable ASCII characters that values are searched for: what is escaped, or could be taken for a
	// pair. A text without them takes its own bytes. Zero: not so, the format writes something round each value.
	Escapes [2]byte
	// Before returns what is written before a value: separator, key and equals sign, with the label of a custom slot
	// before them; label and labelKey are "" where there is none.
	Before func(key, labelKey, label string) string
	// AppendValue appends a cleaned value as it is written.
	AppendValue func(dst, value []byte) []byte
	// AppendHeader does the same for the name in the header; nil: the header has none.
	AppendHeader func(dst, value []byte) []byte
	GuardKeys    bool // no value may hold what looks like a pair of the event: see Event.guard
	JSON         bool // lists and flags become arrays and booleans
	NameCost     int  // bytes that one name takes in the list of shortened keys besides itself
}

// Table is a compiled Mapping: lists of accessors instead of names. It never changes and may be used by several
// goroutines at once.
type Table struct {
	mapping  *Mapping
	version  string
	dict     *Dictionary
	layout   Layout
	attrs    []attribute // entries in order; the name of the header, if the format has one, is the last
	probes   *probes
	index    map[string]int
	objects  map[string]bool // JSON: names of objects, which cannot be values as well
	entities [][][]Field     // sets of alternative groups of fields, shared by attributes

	nameIndex      int               // of the header's name, -1: none
	shortenedIndex int               // of the key that lists what was shortened, -1: none
	devices        map[string]string // by service word: see Device
	classID        []source
	severity       [SeverityHigh + 1]int
	severityWords  [SeverityHigh + 1]string
	guarded        map[string]bool // keys that no value may imitate, beside Detection.Extra's; nil: the format escapes equals signs
	names          lossNames
	extra          extraKeys
}

// attribute is one compiled entry.
type attribute struct {
	key, label string
	before     string // what is written before the value: see Layout
	sources    []source
	kind       ValueType
	all, first bool
	join       string
	joined     form // what join makes of a value
	words      map[string]string
	entity     int // index into Table.entities, -1: none
	max, short int
	whole      bool
	hash       bool
	header     bool
	priority   byte

	conditional bool // any of the conditions below is set, besides kinds
	ifAny       []source
	unless      []source
	with        int // index of an earlier attribute, -1: none
	mistyped    int
	longerThan  int
	fresh       bool
	api         Names
	kinds       Names
}

const maxAttributes = 64 * len(keySet{})

// defaultMax is the longest value of a key for which neither the dictionary nor the mapping says.
const defaultMax = 1023

// Additions are what a configuration lays over a built-in mapping.
type Additions struct {
	// Extend is a table laid over it: an attribute replaces the one with its key in its place or is added at the end, one
	// with Remove takes it out, Replace starts from no attributes; header, severity and word lists replace what they name.
	Extend *Mapping
	Fields []Pair   // constants, as [destination.fields] gives them
	APIs   []string // the names that a condition (Attribute.API) may have, e.g. defender.APIs; nil: any
}

// Compile lays the additions over base, which stays as it is, checks the result against dict for one version of the
// format and makes it ready for use. Its error is Problems: every mistake, not only the first.
func Compile(base *Mapping, add Additions, dict *Dictionary, version string, layout Layout) (*Table, error) {
	m := base.Clone()
	var problems Problems
	if add.Extend != nil {
		problems = append(problems, m.extend(add.Extend)...)
	}
	problems = append(problems, m.addFields(add.Fields)...)
	if layout.JSON {
		problems = append(problems, groupKeys(m)...)
	}
	t := &Table{mapping: m, version: version, dict: dict, layout: layout, index: map[string]int{}, nameIndex: -1, shortenedIndex: -1}
	c := compiler{table: t, mapping: m, apis: add.APIs, problems: problems}
	c.header()
	for i := range m.Attributes {
		a := &m.Attributes[i]
		if len(a.Versions) == 0 || contains(a.Versions, version) {
			c.attribute(a)
		}
	}
	var keys []string
	for i := range t.attrs {
		keys = append(keys, t.attrs[i].key)
	}
	c.suffixes(keys)
	c.nameAttribute()
	if layout.JSON {
		t.objects = objectNames(m)
	}
	if len(t.attrs) > maxAttributes {
		c.problems.add("attributes", "%d keys are more than the %d that an event can have", len(t.attrs), maxAttributes)
	}
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	t.names.init(t.attrs)
	t.probes = compileProbes(t)
	if layout.GuardKeys {
		t.guarded = map[string]bool{}
		for i := range t.attrs {
			t.guarded[t.attrs[i].key] = true
		}
		for _, k := range dict.Keys {
			t.guarded[k.Name] = true
		}
	}
	return t, nil
}

// Device returns vendor, product and version as they stand in the header of an event of d, with a pipe behind each: the
// first two by the service that raised d, the last the mapping's.
func (t *Table) Device(d *Detection) string { return t.devices[ServiceWord(d)] }

// Severity returns the number of d's severity. A record without severity counts as unknown.
func (t *Table) Severity(d *Detection) int { return t.severity[knownSeverity(d)] }

// SeverityWord returns what stands in the header in place of the number, or "" where the number does.
func (t *Table) SeverityWord(d *Detection) string { return t.severityWords[knownSeverity(d)] }

func knownSeverity(d *Detection) Severity {
	if d.Severity == SeverityNone || d.Severity > SeverityHigh {
		return SeverityUnknown
	}
	return d.Severity
}

// AppendClassID appends the first class id that d has a value for, cleaned as the header's name is, in which each
// byte of avoid becomes "_". One longer than limit is replaced by its hash: a cut one could be another rule's.
func (t *Table) AppendClassID(dst []byte, d *Detection, avoid string, limit int) []byte {
	start := len(dst)
	for i := range t.classID {
		dst = AppendClean(dst[:start], t.classID[i].text(d, 0), t.layout.Header, -1)
		if len(dst) > start {
			break
		}
	}
	if len(dst) == start {
		service, class := serviceClass(d)
		dst = append(append(dst, service...), '/')
		dst = AppendClean(dst, class, t.layout.Header, -1)
	}
	for i := start; ; i++ {
		n := bytes.IndexAny(dst[i:], avoid)
		if n < 0 {
			break
		}
		i += n
		dst[i] = '_'
	}
	if len(dst)-start > limit {
		dst = appendHash(dst[:start], dst[start:], limit)
	}
	return dst
}

// CheckFields says what is wrong with the constants of a source's [source.fields] as additions to the events of this
// table, alone and beside each other. Its error is Problems, by key.
func (t *Table) CheckFields(constants []Pair) error {
	c := compiler{table: t, mapping: &Mapping{}}
	var keys []string
	for name := range t.index {
		keys = append(keys, name)
	}
	slices.Sort(keys)
	for _, f := range constants {
		if slices.ContainsFunc(keys, func(name string) bool { return strings.EqualFold(name, f.Key) }) {
			c.problems.add(f.Key, "the mapping already fills this key")
			continue
		}
		c.constant(f.Key, f.Value)
		keys = append(keys, f.Key)
	}
	c.suffixes(keys)
	if len(c.problems) > 0 {
		return c.problems
	}
	return nil
}

// Mapping returns the table as people read it, as it was compiled; it must not be changed.
func (t *Table) Mapping() *Mapping { return t.mapping }

func contains(list Names, s string) bool {
	for _, e := range list {
		if e == s {
			return true
		}
	}
	return false
}
