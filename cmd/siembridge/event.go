package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/delivery"
	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/defender"
	"github.com/siembridge/siembridge/formats/parse"
)

// decodeLive decodes a record as if it had been pulled just after Microsoft made it, so that its event has the
// identity keys which records of a back-fill do without.
func decodeLive(api defender.API, raw []byte, d *formats.Detection) error {
	return delivery.Decode(&buffer.Record{API: string(api), Raw: raw}, d)
}

// eventFields reads an event back as a SIEM does and returns its fields in order, those of the header included under
// their long names. The record that a JSON event carries is none of them.
func eventFields(event []byte) ([]formats.Pair, error) {
	var e *parse.Event
	var err error
	switch {
	case bytes.HasPrefix(event, []byte("{")):
		return jsonFields(event)
	case bytes.HasPrefix(event, []byte("LEEF:")):
		if e, err = parse.LEEF(string(event)); err != nil {
			return nil, fmt.Errorf("an event that does not parse: %w", err)
		}
	default:
		// The strict decoder knows CEF:0 and CEF:1 alike.
		if e, err = parse.CEF(string(event)); err != nil {
			return nil, fmt.Errorf("an event that does not parse: %w", err)
		}
	}
	header := []formats.Pair{{Key: "deviceVendor", Value: e.Vendor}, {Key: "deviceProduct", Value: e.Product}, {Key: "deviceVersion", Value: e.Release}}
	if e.Format == "CEF" {
		header = append(header, formats.Pair{Key: "deviceEventClassId", Value: e.EventID}, formats.Pair{Key: "name", Value: e.Name},
			formats.Pair{Key: "severity", Value: e.Severity})
	} else {
		header = append(header, formats.Pair{Key: "EventID", Value: e.EventID})
	}
	for _, p := range e.Pairs {
		header = append(header, formats.Pair(p))
	}
	return header, nil
}

// jsonFields lists the values of a JSON event under their dotted names; a list is one value.
func jsonFields(event []byte) ([]formats.Pair, error) {
	var pairs []formats.Pair
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
			pairs = append(pairs, formats.Pair{Key: name, Value: text})
		}
		_, err := dec.ReadToken()
		return err
	}
	return pairs, object("")
}

// eachRecord calls f for every record of the files, "-" being standard input. Records of no known kind are reported on
// errs and left out; unknown is how many there were.
func eachRecord(paths []string, in io.Reader, errs io.Writer, f func(api defender.API, raw []byte) error) (unknown int, err error) {
	for _, path := range paths {
		n, err := fileRecords(path, in, errs, f)
		unknown += n
		if err != nil {
			return unknown, err
		}
	}
	return unknown, nil
}

func fileRecords(path string, in io.Reader, errs io.Writer, f func(api defender.API, raw []byte) error) (unknown int, err error) {
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return 0, usageError{err}
		}
		defer file.Close()
		in = file
	}
	n := 0
	_, err = defender.Split(defender.Unknown, in, func(raw []byte) error {
		n++
		api, legacy, ok := defender.Detect(raw)
		if !ok || legacy {
			unknown++
			why := "of no known kind"
			if legacy {
				why = "of Graph's first alerts API; use alerts_v2 (api = \"graph-alerts\")"
			}
			fmt.Fprintf(errs, "%s: record %d is %s; it is left out\n", path, n, why)
			return nil
		}
		if err := f(api, raw); err != nil {
			return fmt.Errorf("%s: record %d: %w", path, n, err)
		}
		return nil
	})
	if err != nil && !strings.HasPrefix(err.Error(), path+": ") {
		err = fmt.Errorf("%s: record %d: %w", path, n+1, err)
	}
	return unknown, err
}
