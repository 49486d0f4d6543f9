package parse

import (
	"strings"
	"unicode/utf8"
)

// CEF reads one event of ArcSight's Common Event Format, without syslog header. It refuses what a strict reader
// refuses: other escapes than \\ and \| in the header and \\ \= \n \r in values, a bare equals sign in a value, a key
// that is not alphanumeric, a key that occurs twice, fewer than seven pipes, and text that is not UTF-8 or holds a
// line end. (CEF Implementation Standard, document 27, "Header" and "Character Encoding".)
func CEF(line string) (*Event, error) {
	if err := plainText(line); err != nil {
		return nil, err
	}
	rest, ok := strings.CutPrefix(line, "CEF:")
	if !ok {
		return nil, violation(0, "an event begins with CEF: (CEF, Header)")
	}
	var header [7]string
	at := len(line) - len(rest)
	for i := range header {
		field, n, err := cefHeaderField(rest, at)
		if err != nil {
			return nil, err
		}
		header[i] = field
		rest, at = rest[n:], at+n
	}
	if header[0] != "0" && header[0] != "1" {
		return nil, violation(4, "the version is 0 or 1, not %q (CEF, Header)", header[0])
	}
	e := &Event{Format: "CEF", Version: header[0], Vendor: header[1], Product: header[2], Release: header[3],
		EventID: header[4], Name: header[5], Severity: header[6]}
	var err error
	e.Pairs, err = cefExtension(rest, at)
	return e, err
}

// cefHeaderField reads up to a pipe that is not escaped and returns how many bytes that took with the pipe.
func cefHeaderField(s string, at int) (field string, n int, err error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '|':
			return b.String(), i + 1, nil
		case '\\':
			if i+1 == len(s) || s[i+1] != '\\' && s[i+1] != '|' {
				return "", 0, violation(at+i, `only \\ and \| are escapes in the header (CEF, Character Encoding)`)
			}
			i++
		}
		b.WriteByte(s[i])
	}
	return "", 0, violation(at+len(s), "each of the seven header fields ends in a pipe (CEF, Header)")
}

// cefExtension reads the pairs. Blanks before a key belong to the value before it, less the one that separates.
func cefExtension(s string, at int) ([]Pair, error) {
	var pairs []Pair
	seen := map[string]bool{}
	for s != "" {
		eq := strings.IndexByte(s, '=')
		if eq <= 0 {
			return nil, violation(at, "a key and an equals sign are expected (CEF, Extension)")
		}
		key := s[:eq]
		for i := range len(key) {
			if !isAlphanumeric(key[i]) {
				return nil, violation(at+i, "a key has letters and digits only, this one has %q (CEF, Key Names)", key[i])
			}
		}
		if seen[key] {
			return nil, violation(at, "the key %s occurs twice (CEF, Extension)", key)
		}
		seen[key] = true
		value, n, err := cefValue(s[eq+1:], at+eq+1)
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, Pair{key, value})
		s, at = s[eq+1+n:], at+eq+1+n
	}
	return pairs, nil
}

// cefValue reads a value up to the blank before the next key, or to the end.
func cefValue(s string, at int) (value string, n int, err error) {
	end, next := len(s), len(s)
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
			continue
		}
		if s[i] != '=' {
			continue
		}
		blank := strings.LastIndexByte(s[:i], ' ')
		if blank < 0 || blank+1 == i {
			return "", 0, violation(at+i, `an equals sign in a value is written \= (CEF, Character Encoding)`)
		}
		for j := blank + 1; j < i; j++ {
			if !isAlphanumeric(s[j]) {
				return "", 0, violation(at+i, `an equals sign in a value is written \= (CEF, Character Encoding)`)
			}
		}
		end, next = blank, blank+1
		break
	}
	var b strings.Builder
	for i := 0; i < end; i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 == end {
			return "", 0, violation(at+i, "a backslash stands alone at the end of a value (CEF, Character Encoding)")
		}
		i++
		switch s[i] {
		case '\\', '=':
			b.WriteByte(s[i])
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		default:
			return "", 0, violation(at+i-1, `only \\ \= \n \r are escapes in a value (CEF, Character Encoding)`)
		}
	}
	return b.String(), next, nil
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// plainText refuses what no event may hold.
func plainText(s string) error {
	for i, r := range s {
		switch {
		case r == utf8.RuneError:
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return violation(i, "the event is not UTF-8")
			}
		case r == '\n' || r == '\r' || r == 0:
			return violation(i, "a line end or NUL within an event")
		case r < ' ' && r != '\t' || r == 0x7f:
			return violation(i, "a control character within an event")
		}
	}
	return nil
}
