package formats

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// Mapping is a mapping table as people read and write it: which Detection field goes into which key of a format.
// It is TOML; the built-in tables are embedded, a user's table extends or replaces them (Additions.Extend). Compile turns a
// Mapping into a Table, which encoders use.
type Mapping struct {
	Format   string                       `toml:"format"`   // leef, cef or json; a user's table may leave it out
	Name     string                       `toml:"name"`     // of a built-in table besides the default: the profile's
	Version  string                       `toml:"version"`  // of the mapping: the version field of the header
	Replace  bool                         `toml:"replace"`  // a user's table: forget all attributes of the default
	Header   Header                       `toml:"header"`   // of a user's table: what it does not give is the default's
	Severity map[string]int               `toml:"severity"` // number of each severity word
	Words    map[string]map[string]string `toml:"words"`    // named word lists for Attribute.Words

	// SeverityWords are what stands in the header in place of the number, by severity word: CEF only, and of the words
	// that it has. "" means the number.
	SeverityWords map[string]string `toml:"severity_words"`

	Attributes []Attribute `toml:"attributes"` // in the order in which they are written

	// Computed are values of a program's own, which From and the other lists of sources may name like fields. A
	// function returns "" for nothing, and has to be safe for several goroutines at once.
	Computed map[string]func(*Detection) string `toml:"-"`
}

// Header says what stands in the header of an event. Vendor and Product go by the word of ServiceWord, with "other"
// for the services that are not listed. ClassID and Name are sources in order of preference, as in Attribute.From.
type Header struct {
	Vendor  map[string]string `toml:"vendor"`   // by service word
	Product map[string]string `toml:"product"`  // by service word
	ClassID Names             `toml:"class_id"` // the device event class id of CEF; the EventID of LEEF is EventClass
	Name    Names             `toml:"name"`     // of CEF
}

// Attribute is one entry of a Mapping: a key of the format and where its value comes from.
type Attribute struct {
	Key   string `toml:"key"`   // as it is written
	From  Names  `toml:"from"`  // Detection fields, derived values or JSON Pointers (they begin with /), in order of preference
	Value string `toml:"value"` // a constant, instead of From
	Note  string `toml:"note"`  // for the reader and the documentation

	// What is made of it.

	All    bool   `toml:"all"`    // join all sources that have a value, not only the first
	Join   string `toml:"join"`   // between the members of a list; default ","
	First  bool   `toml:"first"`  // of a list take the first member
	Entity Names  `toml:"entity"` // take only fields of the first of these groups that has any value, so that no hash meets another file's name
	Words  string `toml:"words"`  // word list that translates the value

	// What the key wants.

	Type     ValueType `toml:"type"`     // default: the dictionary's, else text
	Label    string    `toml:"label"`    // custom slots of CEF
	Max      int       `toml:"max"`      // longest value in bytes after cleaning; default: the dictionary's, else 1023
	Whole    bool      `toml:"whole"`    // never cut: identifiers, hashes, links; too long means left out
	Hash     bool      `toml:"hash"`     // too long means replaced by "sha256:" and as much of its SHA-256 as there is room for
	Priority string    `toml:"priority"` // A (kept longest), B or C (dropped first from an event that is too long); default B
	Short    int       `toml:"short"`    // may be cut to so many bytes when the event is too long

	// When it is written.

	If         Names  `toml:"if"`          // only when one of these fields has a value
	Unless     Names  `toml:"unless"`      // only when none of these fields has a value
	With       string `toml:"with"`        // only together with this earlier key
	Mistyped   string `toml:"mistyped"`    // only when this earlier key was left out because the value was not of its type
	LongerThan int    `toml:"longer_than"` // only when the value is longer
	Fresh      bool   `toml:"fresh"`       // only when what the record says of users and hosts still holds
	API        Names  `toml:"api"`         // only for these APIs
	Kind       Names  `toml:"kind"`        // only for these kinds of event
	Versions   Names  `toml:"versions"`    // only in these versions of the format

	Remove bool `toml:"remove"` // a user's table: take the key out of the default

	constantField bool // from Additions.Fields: custom keys need no vendor prefix
}

// Names is one name or a list of them: "x" and ["x", "y"] are both read.
type Names []string

// UnmarshalTOML implements toml.Unmarshaler.
func (n *Names) UnmarshalTOML(v any) error {
	switch v := v.(type) {
	case string:
		*n = Names{v}
		return nil
	case []any:
		*n = make(Names, 0, len(v))
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return fmt.Errorf("a list of names holds %v, which is not text", e)
			}
			*n = append(*n, s)
		}
		return nil
	}
	return fmt.Errorf("%v is neither a name nor a list of names", v)
}

// Problem is one mistake in a mapping.
type Problem struct {
	Entry string // the key of the entry, or the part of the table
	Text  string // what is wrong
}

// Problems is every mistake in a mapping; it is the error of ParseMapping and Compile.
type Problems []Problem

// Error lists all problems, one a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, q := range p {
		lines[i] = q.Entry + ": " + q.Text
	}
	return strings.Join(lines, "\n")
}

func (p *Problems) add(entry, format string, args ...any) {
	*p = append(*p, Problem{entry, fmt.Sprintf(format, args...)})
}

// ParseMapping reads a mapping table from TOML. Keys it does not know are problems.
func ParseMapping(text string) (*Mapping, error) {
	var m Mapping
	meta, err := toml.Decode(text, &m)
	if err != nil {
		return nil, Problems{{Entry: "mapping", Text: err.Error()}}
	}
	var problems Problems
	seen := map[string]bool{}
	for _, k := range meta.Undecoded() {
		if name := k.String(); !seen[name] {
			seen[name] = true
			problems.add(name, "no such key in a mapping table")
		}
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return &m, nil
}

// Clone returns a copy that shares nothing that Compile changes.
func (m *Mapping) Clone() *Mapping {
	c := *m
	c.Attributes = slices.Clone(m.Attributes)
	c.Header.Vendor, c.Header.Product = cloneMap(m.Header.Vendor), cloneMap(m.Header.Product)
	c.Severity, c.SeverityWords = cloneMap(m.Severity), cloneMap(m.SeverityWords)
	c.Words = cloneMap(m.Words)
	c.Computed = cloneMap(m.Computed)
	return &c
}

// cloneMap is maps.Clone that never returns nil, so that the copy can be written to.
func cloneMap[V any](m map[string]V) map[string]V {
	c := make(map[string]V, len(m))
	maps.Copy(c, m)
	return c
}

// extend lays a user's table over m.
func (m *Mapping) extend(user *Mapping) (problems Problems) {
	if user.Format != "" && user.Format != m.Format {
		problems.add("format", "the table is for %q, the destination's format is %q", user.Format, m.Format)
	}
	if user.Version != "" {
		m.Version = user.Version
	}
	maps.Copy(m.Header.Vendor, user.Header.Vendor)
	maps.Copy(m.Header.Product, user.Header.Product)
	maps.Copy(m.Severity, user.Severity)
	maps.Copy(m.SeverityWords, user.SeverityWords)
	maps.Copy(m.Words, user.Words)
	maps.Copy(m.Computed, user.Computed)
	if len(user.Header.ClassID) > 0 {
		m.Header.ClassID = user.Header.ClassID
	}
	if len(user.Header.Name) > 0 {
		m.Header.Name = user.Header.Name
	}
	if user.Replace {
		m.Attributes = nil
	}
	given := map[string]bool{}
	for _, a := range user.Attributes {
		if given[a.Key] {
			problems.add(a.Key, "the key has two entries")
			continue
		}
		given[a.Key] = true
		at := slices.IndexFunc(m.Attributes, func(b Attribute) bool { return b.Key == a.Key })
		switch {
		case a.Remove && at < 0:
			problems.add(a.Key, "nothing to remove: the default table has no such key")
		case a.Remove:
			m.Attributes = slices.Delete(m.Attributes, at, at+1)
		case at >= 0:
			m.Attributes[at] = a
		default:
			m.Attributes = append(m.Attributes, a)
		}
	}
	return problems
}

// addFields adds constant attributes. A key that the table already has is a problem: a table changes it, a constant
// must not hide it.
func (m *Mapping) addFields(constants []Pair) (problems Problems) {
	for _, f := range constants {
		if slices.ContainsFunc(m.Attributes, func(b Attribute) bool { return strings.EqualFold(b.Key, f.Key) }) {
			problems.add(f.Key, "the mapping already fills this key; a mapping file can change it")
			continue
		}
		m.Attributes = append(m.Attributes, Attribute{Key: f.Key, Value: f.Value, constantField: true})
	}
	return problems
}
