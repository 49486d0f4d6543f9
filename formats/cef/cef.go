// Package cef writes detections as events in ArcSight's Common Event Format, versions 0 and 1.
//
//	CEF:0|Microsoft|Microsoft Defender for Endpoint|2.0|<class>|<title>|8|externalId=… rt=… cat=…
//
// Keys have types and lengths, and strict readers refuse an event for one wrong value: so addresses, numbers and
// times are parsed before they are written, an IPv6 address goes to a key of its own, and what is not of a key's type
// is left out. Values are shortened before they are escaped, never after. A custom slot is always written with its
// label before it, and never a label without its value.
//
// What goes into which key is a table, mapping.toml, that a user's table extends or replaces. Profiles are further
// tables, for receivers that were set up for what Microsoft used to offer.
package cef

import (
	_ "embed"
	"fmt"
	"sync"

	"github.com/siembridge/siembridge/formats"
)

// The versions of the format: specification 0.1 and 1.x.
const (
	Version0 = "0"
	Version1 = "1"
)

//go:embed dictionary.toml
var dictionaryTOML string

var dictionary = sync.OnceValue(func() *formats.Dictionary {
	d, err := formats.ParseDictionary(dictionaryTOML)
	if err != nil {
		panic("cef: " + err.Error())
	}
	return d
})

// Dictionary returns the keys of CEF. It must not be changed.
func Dictionary() *formats.Dictionary { return dictionary() }

// Options choose what New builds. The zero value is CEF 0 with the built-in table.
type Options struct {
	Version string // Version0 or Version1; "": Version0, which all readers take
	Profile string // built-in table to start from: "" for the default, or one of Profiles
	formats.Additions
}

// Encoder writes CEF events. It implements formats.Encoder and may be used by several goroutines at once.
type Encoder struct {
	table *formats.Table
	start string // up to and with the pipe before the vendor
}

// New builds an encoder. Its error is every mistake in the mapping (formats.Problems), or one in the other options.
func New(o Options) (*Encoder, error) {
	if o.Version == "" {
		o.Version = Version0
	}
	if o.Version != Version0 && o.Version != Version1 {
		return nil, fmt.Errorf("no version of CEF is named %q; there are %s, %s", o.Version, Version0, Version1)
	}
	m, err := ProfileMapping(o.Profile)
	if err != nil {
		return nil, err
	}
	table, err := formats.Compile(m, o.Additions, dictionary(), o.Version, layout)
	if err != nil {
		return nil, err
	}
	return &Encoder{table: table, start: "CEF:" + o.Version + "|"}, nil
}

// layout tells the engine how CEF cleans and counts.
var layout = formats.Layout{
	Clean:   formats.Cleaning{KeepNewlines: true},
	Header:  formats.Cleaning{},
	Escapes: [2]byte{'\\', '='},
	Before: func(key, labelKey, label string) string {
		if labelKey != "" {
			return " " + labelKey + "=" + string(appendValue(nil, []byte(label))) + " " + key + "="
		}
		return " " + key + "="
	},
	AppendValue:  appendValue,
	AppendHeader: appendHeaderField[[]byte],
	NameCost:     1,
}

// Table returns the mapping in force.
func (e *Encoder) Table() *formats.Table { return e.table }

// Longest fields of the header, in bytes before escaping. The standard allows 1023 for the class id; ours has to leave
// room for the event.
const maxClassID = 120

// AppendEvent implements formats.Encoder.
func (e *Encoder) AppendEvent(dst []byte, d *formats.Detection, budget int) ([]byte, formats.Loss) {
	event := e.table.Make(d)
	defer event.Release()
	start := len(dst)
	dst = e.appendHeaderStart(dst, d)
	severity := e.table.SeverityWord(d)
	if severity == "" {
		severity = numbers[e.table.Severity(d)]
	}
	// Left to write besides name and pairs: the severity and the pipes round it. The first pair, if any, has no blank before
	// it.
	room := max(budget, formats.MinBudget) - (len(dst) - start) - len("||") - len(severity)
	if event.Fit(room + 1); len(event.Name()) > room {
		event.Fit(room)
	}
	dst = append(append(dst, event.Name()...), '|')
	dst = append(append(dst, severity...), '|')
	return event.AppendPairs(dst), event.Loss()
}

// appendHeaderStart writes the header up to the pipe before the name. The class id comes from the record, so it is
// cleaned, escaped and limited.
func (e *Encoder) appendHeaderStart(dst []byte, d *formats.Detection) []byte {
	dst = append(dst, e.start...)
	dst = append(dst, e.table.Device(d)...)
	dst = e.table.AppendClassID(dst, d, `=%#|\`, maxClassID)
	return append(dst, '|')
}

// numbers are the severities of CEF as text.
var numbers = [...]string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"}
