package parse

import (
	"bytes"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// LEEFFields reads a LEEF event as a SIEM does and returns its fields in order, those of the header included under their
// long names.
func LEEFFields(event []byte) ([]Pair, error) {
	e, err := LEEF(string(event))
	if err != nil {
		return nil, fmt.Errorf("an event that does not parse: %w", err)
	}
	return append(e.product(), append([]Pair{{"EventID", e.EventID}}, e.Pairs...)...), nil
}

// CEFFields is LEEFFields for CEF.
func CEFFields(event []byte) ([]Pair, error) {
	e, err := CEF(string(event)) // CEF:0 and CEF:1 alike
	if err != nil {
		return nil, fmt.Errorf("an event that does not parse: %w", err)
	}
	return append(e.product(), append([]Pair{{"deviceEventClassId", e.EventID}, {"name", e.Name}, {"severity", e.Severity}}, e.Pairs...)...), nil
}

// product is what the header says of the sender.
func (e *Event) product() []Pair {
	return []Pair{{"deviceVendor", e.Vendor}, {"deviceProduct", e.Product}, {"deviceVersion", e.Release}}
}

// JSONFields lists the values of a JSON event under their dotted names; a list is one value. The record that the event
// carries under raw is none of them. Its error is what is no JSON.
func JSONFields(event []byte) ([]Pair, error) {
	var pairs []Pair
	dec := jsontext.NewDecoder(bytes.NewReader(event))
	var object func(prefix string) error
	object = func(prefix string) error {
		if _, err := dec.ReadToken(); err != nil {
			return err
		}
		for dec.PeekKind() != '}' {
			token, err := dec.ReadToken()
			if err != nil {
				return err
			}
			name := prefix + token.String()
			if dec.PeekKind() == '{' && name != "raw" {
				if err := object(name + "."); err != nil {
					return err
				}
				continue
			}
			v, err := dec.ReadValue()
			if err != nil {
				return err
			}
			if name == "raw" {
				continue
			}
			text := string(v)
			if v.Kind() == '"' {
				unquoted, _ := jsontext.AppendUnquote(nil, v)
				text = string(unquoted)
			}
			pairs = append(pairs, Pair{Key: name, Value: text})
		}
		_, err := dec.ReadToken()
		return err
	}
	return pairs, object("")
}
