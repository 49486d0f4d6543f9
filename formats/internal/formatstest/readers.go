package formatstest

import (
	"fmt"
	"strconv"
	"strings"
)

// ReadLEEFLikeIBM reads a LEEF event as IBM's own parser of the format does: the first LEEF: anywhere is the event,
// nothing is an escape, blanks round keys and values go, empty values are no pairs, of a key that comes twice the
// first value counts, and what has no equals sign becomes part of the next key. It refuses only what has no header.
func ReadLEEFLikeIBM(payload string) (header []string, pairs map[string]string, err error) {
	header, delimiter, rest, err := leefParts(payload, nil)
	if err != nil {
		return nil, nil, err
	}
	pairs = map[string]string{}
	for rest != "" {
		key, after, ok := strings.Cut(rest, "=")
		if !ok {
			break
		}
		value, next, _ := strings.Cut(after, delimiter)
		key, value, rest = trim(key), trim(value), next
		if _, twice := pairs[key]; value != "" && !twice {
			pairs[key] = value
		}
	}
	return header, pairs, nil
}

// ReadLEEFWithEscapes reads a LEEF event as those readers do that know escapes all the same: a backslash before the
// delimiter, an equals sign, a pipe or another backslash takes away what that character means. Of a key that comes
// twice the last value counts.
func ReadLEEFWithEscapes(payload string) (header []string, pairs map[string]string, err error) {
	header, delimiter, rest, err := leefParts(payload, escapedAt)
	if err != nil {
		return nil, nil, err
	}
	pairs = map[string]string{}
	for rest != "" {
		var pair string
		if at := unescapedIndex(rest, delimiter); at >= 0 {
			pair, rest = rest[:at], rest[at+len(delimiter):]
		} else {
			pair, rest = rest, ""
		}
		at := unescapedIndex(pair, "=")
		if at < 0 {
			return nil, nil, fmt.Errorf("pair %.80q", pair)
		}
		pairs[trim(pair[:at])] = Unescape(trim(pair[at+1:]), delimiter)
	}
	return header, pairs, nil
}

// Unescape takes the backslashes away that such a reader takes for escapes.
func Unescape(value, delimiter string) string {
	var b strings.Builder
	for i := 0; i < len(value); i++ {
		if value[i] == '\\' && i+1 < len(value) && strings.IndexByte(`\=|`+delimiter, value[i+1]) >= 0 {
			i++
		}
		b.WriteByte(value[i])
	}
	return b.String()
}

// leefParts splits the header off. escaped says whether the byte at an index has a backslash before it that counts.
func leefParts(payload string, escaped func(s string, at int) bool) (header []string, delimiter, rest string, err error) {
	at := strings.Index(payload, "LEEF:")
	if at < 0 {
		return nil, "", "", fmt.Errorf("no LEEF: in %.40q", payload)
	}
	rest = payload[at:]
	field := func() (string, bool) {
		for i := range len(rest) {
			if rest[i] == '|' && (escaped == nil || !escaped(rest, i)) {
				f := rest[:i]
				rest = rest[i+1:]
				return f, true
			}
		}
		return "", false
	}
	for range 5 {
		f, ok := field()
		if !ok {
			return nil, "", "", fmt.Errorf("the header has %d fields", len(header))
		}
		header = append(header, f)
	}
	delimiter = "\t"
	if header[0] != "LEEF:2.0" {
		return header, delimiter, rest, nil
	}
	if f, ok := field(); ok {
		header = append(header, f)
		delimiter = statedDelimiter(f)
	}
	return header, delimiter, rest, nil
}

// statedDelimiter reads the delimiter field; one that makes no sense is a tab.
func statedDelimiter(field string) string {
	hex := strings.TrimPrefix(strings.ToLower(field), "0")
	if digits, ok := strings.CutPrefix(hex, "x"); ok {
		switch n, err := strconv.ParseUint(digits, 16, 16); {
		case err == nil && len(digits) == 4:
			return string(rune(n >> 8)) // the high byte is taken for the character
		case err == nil:
			return string(rune(n))
		}
	}
	if len([]rune(field)) == 1 {
		return field
	}
	return "\t"
}

func escapedAt(s string, at int) bool {
	n := 0
	for n < at && s[at-1-n] == '\\' {
		n++
	}
	return n%2 == 1
}

func unescapedIndex(s, sep string) int {
	for from := 0; ; {
		i := strings.Index(s[from:], sep)
		if i < 0 {
			return -1
		}
		if !escapedAt(s, from+i) {
			return from + i
		}
		from += i + len(sep)
	}
}

// trim takes blanks and control characters off both ends, as trim of Java does.
func trim(s string) string { return strings.TrimFunc(s, func(r rune) bool { return r <= ' ' }) }
