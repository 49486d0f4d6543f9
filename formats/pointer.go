package formats

import (
	"bytes"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// RawText returns what stands in the record as Microsoft sent it, by the names and indices of a JSON Pointer: strings
// decoded, objects and lists as compact JSON, "" for null and for what is not there.
func (d *Detection) RawText(path ...string) string { return pointerText(d.Raw, path) }

// pointerText returns the value that a JSON Pointer (RFC 6901) finds in raw, as text: strings decoded, numbers and
// booleans as written, objects and arrays as compact JSON; "" for null and for what is not there. Of a name that
// occurs twice the first counts.
func pointerText(raw []byte, path []string) string {
	p := pointerReaders.Get().(*pointerReader)
	defer p.release()
	p.text.Reset(raw)
	dec := &p.dec
	dec.Reset(&p.text, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	for _, token := range path {
		if !descend(dec, token) {
			return ""
		}
	}
	v, err := dec.ReadValue()
	if err != nil {
		return ""
	}
	switch v.Kind() {
	case 'n':
		return ""
	case '"':
		text, _ := jsontext.AppendUnquote(nil, v)
		return string(text)
	case '{', '[':
		if v.Compact(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) != nil {
			return ""
		}
	}
	return string(v)
}

// pointerReader is used again, since each entry of a mapping that is a pointer reads its record anew.
type pointerReader struct {
	dec  jsontext.Decoder
	text bytes.Reader
}

var pointerReaders = sync.Pool{New: func() any { return &pointerReader{} }}

func (p *pointerReader) release() {
	p.text.Reset(nil) // the record is not kept
	pointerReaders.Put(p)
}

// descend moves dec to the member or element that token names.
func descend(dec *jsontext.Decoder, token string) bool {
	t, err := dec.ReadToken()
	if err != nil {
		return false
	}
	switch t.Kind() {
	case '{':
		for dec.PeekKind() == '"' {
			name, err := dec.ReadValue()
			if err != nil {
				return false
			}
			if isName(name, token) {
				return true
			}
			if dec.SkipValue() != nil {
				return false
			}
		}
	case '[':
		n, ok := arrayIndex(token)
		for i := 0; ok && i < n && dec.PeekKind() != ']'; i++ {
			if dec.SkipValue() != nil {
				return false
			}
		}
		return ok && dec.PeekKind() != ']' && dec.PeekKind() != 0
	}
	return false
}

// isName tells whether a quoted name is the one that is looked for.
func isName(quoted jsontext.Value, name string) bool {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1:len(quoted)-1]) == name
	}
	text, _ := jsontext.AppendUnquote(nil, quoted)
	return string(text) == name
}

// arrayIndex reads the index of an array element as RFC 6901 section 4 allows it: no sign, no leading zero.
func arrayIndex(s string) (int, bool) {
	if s == "" || len(s) > 9 || len(s) > 1 && s[0] == '0' {
		return 0, false
	}
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = 10*n + int(s[i]-'0')
	}
	return n, true
}
