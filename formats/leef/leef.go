// Package leef writes detections as events in IBM's Log Event Extended Format, versions 1.0 and 2.0, as QRadar
// reads them.
//
//	LEEF:2.0|Microsoft|Microsoft Defender for Endpoint|1.0|Malware|0x09|cat=microsoftDefenderForEndpoint⇥devTime=…
//
// Three properties of the format shape this package. LEEF has no escaping, so what would break an event is replaced
// before it is written: line ends and delimiters by a blank, control characters by nothing, and the equals sign of what
// lenient readers would take for another pair of the event by the full-width one. QRadar names an event by
// looking up EventID and cat, so both come from closed lists and never from what an alert says. And readers differ
// in what they take for the delimiter, so LEEF 2.0 always states it, in the form that all of them read.
//
// What goes into which attribute is a table, mapping.toml, that a user's table extends or replaces.
package leef

import (
	_ "embed"
	"fmt"
	"sync"

	"github.com/siembridge/siembridge/formats"
)

// The versions of the format.
const (
	Version1 = "1.0"
	Version2 = "2.0"
)

//go:embed dictionary.toml
var dictionaryTOML string

//go:embed mapping.toml
var mappingTOML string

var dictionary = sync.OnceValue(func() *formats.Dictionary {
	d, err := formats.ParseDictionary(dictionaryTOML)
	if err != nil {
		panic("leef: " + err.Error())
	}
	return d
})

var defaultMapping = sync.OnceValue(func() *formats.Mapping {
	m, err := formats.ParseMapping(mappingTOML)
	if err != nil {
		panic("leef: mapping.toml: " + err.Error())
	}
	return m
})

// Dictionary returns the predefined attributes of LEEF. It must not be changed.
func Dictionary() *formats.Dictionary { return dictionary() }

// DefaultMapping returns a copy of the built-in table.
func DefaultMapping() *formats.Mapping { return defaultMapping().Clone() }

// Options choose what New builds. The zero value is LEEF 2.0 with tabs and the built-in table.
type Options struct {
	Version   string // Version1 or Version2; "": Version2
	Delimiter string // between attributes: "0x09" (tab; "" too), or "^", LEEF 2.0 only, where a relay rewrites tabs
	formats.Additions
}

// Encoder writes LEEF events. It implements formats.Encoder and may be used by several goroutines at once.
type Encoder struct {
	table     *formats.Table
	start     string // up to and with the pipe before the vendor
	delimiter byte
	stated    string // the delimiter field with its pipe; "" in LEEF 1.0
}

// New builds an encoder. Its error is every mistake in the mapping (formats.Problems), or one in the other options.
func New(o Options) (*Encoder, error) {
	if o.Version == "" {
		o.Version = Version2
	}
	e := &Encoder{start: "LEEF:" + o.Version + "|", delimiter: '\t'}
	switch {
	case o.Version != Version1 && o.Version != Version2:
		return nil, fmt.Errorf("no version of LEEF is named %q; there are %s, %s", o.Version, Version1, Version2)
	case o.Delimiter == "^" && o.Version == Version2:
		e.delimiter, e.stated = '^', "^|"
	case o.Delimiter == "^":
		return nil, fmt.Errorf("LEEF 1.0 knows only tabs between attributes; use LEEF 2.0 for the delimiter ^")
	case o.Delimiter != "" && o.Delimiter != "0x09":
		return nil, fmt.Errorf("no delimiter is %q; there are 0x09 (tab), ^", o.Delimiter)
	case o.Version == Version2:
		e.stated = "0x09|"
	}
	table, err := formats.Compile(defaultMapping(), o.Additions, dictionary(), o.Version, layout(e.delimiter))
	if err != nil {
		return nil, err
	}
	e.table = table
	return e, nil
}

// layout tells the engine how LEEF cleans and counts.
func layout(delimiter byte) formats.Layout {
	how := formats.Cleaning{}
	if delimiter != '\t' {
		how.Delimiter = delimiter
	}
	return formats.Layout{
		Clean:       how,
		Header:      formats.Cleaning{},
		Escapes:     [2]byte{'\\', '='},
		Before:      func(key, _, _ string) string { return string(delimiter) + key + "=" },
		AppendValue: appendValue,
		NameCost:    1,
		// LEEF has no escape for the equals sign.
		GuardKeys: true,
	}
}

// appendValue appends a cleaned value. One that ends in an odd number of backslashes gets a blank behind it: it would
// draw the next attribute into itself in readers that take a backslash before the delimiter for an escape.
func appendValue(dst, v []byte) []byte {
	n := len(v)
	for n > 0 && v[n-1] == '\\' {
		n--
	}
	dst = append(dst, v...)
	if (len(v)-n)%2 == 1 {
		dst = append(dst, ' ')
	}
	return dst
}

// Table returns the mapping in force.
func (e *Encoder) Table() *formats.Table { return e.table }

// AppendEvent implements formats.Encoder.
func (e *Encoder) AppendEvent(dst []byte, d *formats.Detection, budget int) ([]byte, formats.Loss) {
	start := len(dst)
	dst = e.appendHeader(dst, d)
	event := e.table.Make(d)
	defer event.Release()
	event.Fit(max(budget, formats.MinBudget) - (len(dst) - start) + 1) // no delimiter stands after the last attribute
	return event.AppendPairs(dst), event.Loss()
}

// appendHeader writes the header. Nothing in it comes from the text of an alert: vendor, product and version are the
// table's, EventID is from the closed list.
func (e *Encoder) appendHeader(dst []byte, d *formats.Detection) []byte {
	dst = append(dst, e.start...)
	dst = append(dst, e.table.Device(d)...)
	dst = append(append(dst, formats.EventClass(d)...), '|')
	return append(dst, e.stated...)
}
