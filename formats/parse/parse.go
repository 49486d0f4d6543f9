// Package parse reads LEEF and CEF events strictly. It shares nothing with the packages that write them, so that each
// can prove the other: what one wrote, the other must read back as it was meant.
package parse

import "fmt"

// Pair is one attribute of an event.
type Pair struct{ Key, Value string }

// Event is a parsed event.
type Event struct {
	Format   string // "LEEF" or "CEF"
	Version  string // "1.0", "2.0"; "0", "1"
	Vendor   string // of the header
	Product  string // of the header
	Release  string // version of the product or mapping
	EventID  string // LEEF EventID, CEF deviceEventClassId
	Name     string // CEF only
	Severity string // CEF header only
	Pairs    []Pair // in the order of the event
}

// Get returns the value of a key, "" when it is not there.
func (e *Event) Get(key string) string {
	for _, p := range e.Pairs {
		if p.Key == key {
			return p.Value
		}
	}
	return ""
}

// Error is a violation of a format: where, and which rule.
type Error struct {
	Column int    // byte, from 1
	Rule   string // the rule and where it stands
}

// Error returns column and rule.
func (e *Error) Error() string { return fmt.Sprintf("column %d: %s", e.Column, e.Rule) }

func violation(at int, rule string, args ...any) error {
	return &Error{Column: at + 1, Rule: fmt.Sprintf(rule, args...)}
}
