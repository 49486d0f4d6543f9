package formats

import (
	"fmt"
	"strings"

	"github.com/BurntSushi/toml"
)

// ValueType is the type that a key of a format has.
type ValueType string

// The types that occur in the dictionaries of LEEF and CEF.
const (
	ValueText     ValueType = "text"
	ValueInteger  ValueType = "integer" // 32 bits, signed
	ValueLong     ValueType = "long"    // 64 bits, signed
	ValueFloat    ValueType = "float"
	ValuePort     ValueType = "port" // 0 to 65535
	ValueIPv4     ValueType = "ipv4"
	ValueIPv6     ValueType = "ipv6"
	ValueIP       ValueType = "ip"       // either family
	ValueMAC      ValueType = "mac"      // six pairs of hexadecimal digits with colons
	ValueTime     ValueType = "time"     // milliseconds since 1970-01-01 UTC
	ValueSeverity ValueType = "severity" // 1 to 10
	ValueBool     ValueType = "bool"     // true, false
)

// Key is one key of a format's dictionary.
type Key struct {
	Name       string    `toml:"key"`         // as it is written
	Full       string    `toml:"full"`        // the long name, where the format has one
	Type       ValueType `toml:"type"`        // of its value
	Max        int       `toml:"max"`         // longest value in bytes; 0: the format states none
	Since      string    `toml:"since"`       // first version of the format that has the key; "": all
	LabelKey   string    `toml:"label_key"`   // custom slot: the key that carries its label
	FixedLabel string    `toml:"fixed_label"` // custom slot: the label that the format lays down
	Reserved   string    `toml:"reserved"`    // why a sender must not use the key; "": it may
}

// Dictionary is what a format says of its keys.
type Dictionary struct {
	Format   string   `toml:"format"`   // leef, cef, json
	Versions []string `toml:"versions"` // ascending
	Keys     []Key    `toml:"keys"`     // in the order of its file

	// CheckCustom says what is wrong with a key that is not in the dictionary; nil: nothing.
	CheckCustom func(key string) error `toml:"-"`
	// NoSuffixes forbids keys that end, letter for letter, in another key of the same event: LEEF, where properties
	// are read by expressions that are not anchored.
	NoSuffixes bool `toml:"no_suffixes"`

	byName, byFold, byLabel, byFull map[string]*Key // all but byName by the name in lower case
}

// ParseDictionary reads a dictionary from TOML.
func ParseDictionary(text string) (*Dictionary, error) {
	var d Dictionary
	if _, err := toml.Decode(text, &d); err != nil {
		return nil, fmt.Errorf("dictionary: %w", err)
	}
	d.index()
	return &d, nil
}

func (d *Dictionary) index() {
	d.byName, d.byFold, d.byLabel, d.byFull = map[string]*Key{}, map[string]*Key{}, map[string]*Key{}, map[string]*Key{}
	for i := range d.Keys {
		k := &d.Keys[i]
		if k.Type == "" {
			k.Type = ValueText
		}
		d.byName[k.Name] = k
		d.byFold[strings.ToLower(k.Name)] = k
		if k.LabelKey != "" {
			d.byLabel[strings.ToLower(k.LabelKey)] = k
		}
		if k.Full != "" {
			d.byFull[strings.ToLower(k.Full)] = k
		}
	}
}

// Key finds a key by its exact name.
func (d *Dictionary) Key(name string) (Key, bool) {
	if k := d.byName[name]; k != nil {
		return *k, true
	}
	return Key{}, false
}

// checkKey says what is wrong with name as a key in this version of the format.
func (d *Dictionary) checkKey(name, version string) error {
	k, fold := d.byName[name], strings.ToLower(name)
	switch {
	case k != nil && k.Reserved != "":
		return fmt.Errorf("the key is not for senders: %s", k.Reserved)
	case k != nil && !d.has(version, k.Since):
		return fmt.Errorf("the key exists from %s:%s on", d.Format, k.Since)
	case k != nil:
		return nil
	case d.byFold[fold] != nil:
		return fmt.Errorf("the dictionary spells the key %q", d.byFold[fold].Name)
	case d.byLabel[fold] != nil:
		return fmt.Errorf("a label is set by the entry of %q", d.byLabel[fold].Name)
	case d.byFull[fold] != nil:
		return fmt.Errorf("this is the long name of the key %q, which receivers take for it", d.byFull[fold].Name)
	}
	if !isWord(name) && d.Format != "json" {
		return fmt.Errorf("a key is letters and digits, beginning with a letter")
	}
	if d.CheckCustom != nil {
		return d.CheckCustom(name)
	}
	return nil
}

// has reports whether version is since or later; both are in Versions.
func (d *Dictionary) has(version, since string) bool {
	for _, v := range d.Versions {
		switch {
		case since == "" || v == since:
			return true
		case v == version:
			return false
		}
	}
	return true
}

func isWord(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if !('a' <= c && c <= 'z' || i > 0 && '0' <= s[i] && s[i] <= '9') {
			return false
		}
	}
	return s != ""
}
