package parse

import (
	"strconv"
	"strings"
)

// LEEF reads one event of IBM's Log Event Extended Format 1.0 or 2.0, without syslog header. It is strict where readers
// differ: LEEF 2.0 has its delimiter field, which is one character or 0x with one to four hexadecimal digits; keys are
// alphanumeric and occur once; a pair has a key, an equals sign and a value.
// (LEEF event components, https://www.ibm.com/docs/en/dsm?topic=overview-leef-event-components.)
func LEEF(line string) (*Event, error) {
	if err := plainText(line); err != nil {
		return nil, err
	}
	fields := 5
	switch {
	case strings.HasPrefix(line, "LEEF:2.0|"):
		fields = 6
	case !strings.HasPrefix(line, "LEEF:1.0|"):
		return nil, violation(0, "an event begins with LEEF:1.0| or LEEF:2.0|")
	}
	parts := strings.SplitN(line, "|", fields+1)
	if len(parts) <= fields {
		return nil, violation(len(line), "the header of LEEF %s has %d fields, each closed by a pipe", line[5:8], fields)
	}
	e := &Event{Format: "LEEF", Version: line[5:8], Vendor: parts[1], Product: parts[2], Release: parts[3], EventID: parts[4]}
	if e.Vendor == "" || e.Product == "" || e.EventID == "" {
		return nil, violation(9, "vendor, product and EventID have values")
	}
	if len(e.EventID) > 255 {
		return nil, violation(9, "the EventID has at most 255 characters")
	}
	attributes := parts[fields]
	at := len(line) - len(attributes)
	delimiter := "\t"
	if e.Version == "2.0" {
		var err error
		if delimiter, err = leefDelimiter(parts[5], at-len(parts[5])-1); err != nil {
			return nil, err
		}
	}
	if attributes == "" {
		return e, nil
	}
	seen := map[string]bool{}
	for pair := range strings.SplitSeq(attributes, delimiter) {
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, violation(at, "an attribute has a key, an equals sign and a value")
		}
		if key == "" || value == "" {
			return nil, violation(at, "key and value are not empty")
		}
		for i := range len(key) {
			if !isAlphanumeric(key[i]) {
				return nil, violation(at+i, "a key has letters and digits only, this one has %q", key[i])
			}
		}
		if seen[strings.ToLower(key)] {
			return nil, violation(at, "the key %s occurs twice", key)
		}
		seen[strings.ToLower(key)] = true
		e.Pairs = append(e.Pairs, Pair{key, value})
		at += len(pair) + len(delimiter)
	}
	return e, nil
}

func leefDelimiter(field string, at int) (string, error) {
	if digits, ok := strings.CutPrefix(field, "0x"); ok {
		n, err := strconv.ParseUint(digits, 16, 16)
		if err != nil || len(digits) > 4 || n == 0 {
			return "", violation(at, "the delimiter is 0x with one to four hexadecimal digits, not %q", field)
		}
		return string(rune(n)), nil
	}
	if len([]rune(field)) == 1 {
		return field, nil
	}
	return "", violation(at, "the delimiter is one character, or 0x with hexadecimal digits, not %q", field)
}
