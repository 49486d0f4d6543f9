package coverage

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// value is one scalar value of a record.
type value struct {
	path       string // JSON Pointer with * for indices
	start, end int    // where it stands in the record
	varied     []byte // another value of its kind, as JSON; nil: the value says nothing
	old, new   string // both as text
}

// maxDepth is how deep a record may be nested; the JSON library stops at 10,000, which no alert comes near.
const maxDepth = 256

var errDepth = errors.New("the record is nested too deeply")

// valuesOf lists the scalar values of a record, and its empty lists and objects, in their order.
func valuesOf(record []byte) ([]value, error) {
	w := walker{dec: jsontext.NewDecoder(bytes.NewReader(record), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))}
	err := w.walk("", 0)
	return w.values, err
}

type walker struct {
	dec    *jsontext.Decoder
	values []value
}

func (w *walker) walk(path string, depth int) error {
	if depth > maxDepth {
		return errDepth
	}
	kind := w.dec.PeekKind()
	if kind != '{' && kind != '[' {
		v, err := w.dec.ReadValue()
		if err != nil {
			return err
		}
		end := int(w.dec.InputOffset())
		w.values = append(w.values, newValue(path, v, end))
		return nil
	}
	if _, err := w.dec.ReadToken(); err != nil {
		return err
	}
	count := 0
	for ; w.dec.PeekKind() != kind+2; count++ { // '}' is two behind '{', and ']' behind '['
		name := "*"
		if kind == '{' {
			token, err := w.dec.ReadToken()
			if err != nil {
				return err
			}
			name = strings.NewReplacer("~", "~0", "/", "~1").Replace(token.String())
		}
		if err := w.walk(path+"/"+name, depth+1); err != nil {
			return err
		}
	}
	if _, err := w.dec.ReadToken(); err != nil {
		return err
	}
	if count == 0 {
		w.values = append(w.values, value{path: path})
	}
	return nil
}

func newValue(path string, v jsontext.Value, end int) value {
	n := value{path: path, start: end - len(v), end: end}
	switch v.Kind() {
	case '"':
		text, err := jsontext.AppendUnquote(nil, v)
		if err != nil && len(text) == 0 || strings.TrimSpace(string(text)) == "" {
			return n
		}
		n.old = string(text)
		n.new = varyText(n.old)
		n.varied, _ = jsontext.AppendQuote(nil, strings.ToValidUTF8(n.new, "\uFFFD"))
	case 't', 'f':
		n.old = string(v)
		n.new = varyText(n.old)
		n.varied = []byte(n.new)
	case '0':
		n.old = string(v)
		n.new = varyNumber(n.old)
		n.varied = []byte(n.new)
	}
	return n
}

// varyText makes another text of the same kind: a time of a time, an address of an address, a hash of a hash. What is
// neither is changed at both ends, so that it shows in a part of it too.
func varyText(s string) string {
	switch strings.ToLower(s) {
	case "true":
		return "false"
	case "false":
		return "true"
	}
	if _, ok := moment(s); ok {
		const minute = len("2006-01-02T15:0")
		return s[:minute] + string(varyByte(s[minute])) + s[minute+1:]
	}
	b := []byte(s)
	first, last := -1, -1
	for i, c := range b {
		if isWord(c) {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	if last < 0 {
		return s + "x"
	}
	b[last] = varyByte(b[last])
	if _, err := netip.ParseAddr(s); err == nil || isNumber(s) {
		return string(b) // its end is enough, and its beginning says what kind of address it is
	}
	if first != last {
		b[first] = varyByte(b[first])
	}
	return string(b)
}

// varyNumber changes the last digit before an exponent.
func varyNumber(s string) string {
	b := []byte(s)
	end := len(b)
	if e := bytes.IndexAny(b, "eE"); e >= 0 {
		end = e
	}
	b[end-1] = varyByte(b[end-1])
	return string(b)
}

// varyByte returns another letter of the same case or another digit; hexadecimal digits stay hexadecimal, and a
// number never grows by it, but from 0 to 1.
func varyByte(c byte) byte {
	switch {
	case c == '0', 'a' <= c && c < 'f', 'A' <= c && c < 'F', 'f' < c && c < 'z', 'F' < c && c < 'Z':
		return c + 1
	}
	return c - 1 // a digit, f, F, z or Z
}

func isWord(c byte) bool {
	lower := c | 0x20
	return '0' <= c && c <= '9' || 'a' <= lower && lower <= 'z'
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// moment reads a time as the APIs write it: RFC 3339, or the same without zone.
func moment(s string) (time.Time, bool) {
	if len(s) < len("2006-01-02T15:04:05") || s[4] != '-' || s[10] != 'T' && s[10] != ' ' {
		return time.Time{}, false
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
