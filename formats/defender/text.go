package defender

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// text is a scalar of any JSON type as text. null, objects and arrays read as "".
type text string

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (t *text) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*t = ""
	switch dec.PeekKind() {
	case '{', '[':
		return dec.SkipValue()
	}
	tok, err := dec.ReadToken()
	if err != nil {
		return err
	}
	if tok.Kind() != 'n' {
		*t = text(said(tok.String()))
	}
	return nil
}

// detail is a text that neither tells which record it is in nor counts as a change of it: Identify passes over it.
type detail string

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (t *detail) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	return (*text)(t).UnmarshalJSONFrom(dec)
}

// said returns "" for Microsoft's other way to say nothing: the string "null".
func said(s string) string {
	if s == "null" {
		return ""
	}
	return s
}

// texts is a list of scalars, or one scalar. Members that are objects or lists do not count.
type texts []string

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (t *texts) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*t = nil
	if dec.PeekKind() != '[' {
		var one text
		if err := one.UnmarshalJSONFrom(dec); err != nil {
			return err
		}
		if one != "" {
			*t = texts{string(one)}
		}
		return nil
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != ']' && dec.PeekKind() != 0 {
		var one text
		if err := one.UnmarshalJSONFrom(dec); err != nil {
			return err
		}
		if one != "" {
			*t = append(*t, string(one))
		}
	}
	_, err := dec.ReadToken()
	return err
}

// values is a list of JSON values; anything but an array reads as none.
type values []jsontext.Value

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (v *values) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*v = nil
	if dec.PeekKind() != '[' {
		return dec.SkipValue()
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != ']' && dec.PeekKind() != 0 {
		one, err := dec.ReadValue()
		if err != nil {
			return err
		}
		*v = append(*v, one.Clone())
	}
	_, err := dec.ReadToken()
	return err
}

// object is a JSON object read into T; anything else reads as the zero T.
type object[T any] struct{ is *T }

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (o *object[T]) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	o.is = nil
	if dec.PeekKind() != '{' {
		return dec.SkipValue()
	}
	o.is = new(T)
	return unmarshalNext(dec, o.is)
}

// appendLower appends s in lower case.
func appendLower(dst []byte, s string) []byte {
	start := len(dst)
	dst = append(dst, s...)
	for i, c := range dst[start:] {
		switch {
		case 'A' <= c && c <= 'Z':
			dst[start+i] = c + 'a' - 'A'
		case c >= utf8.RuneSelf:
			return append(dst[:start], strings.ToLower(s)...)
		}
	}
	return dst
}

// get returns what was read, or an empty T.
func (o *object[T]) get() *T {
	if o.is == nil {
		return new(T)
	}
	return o.is
}

// list is a JSON array of objects; anything but an array reads as none.
type list[T any] []object[T]

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (l *list[T]) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*l = nil
	if dec.PeekKind() != '[' {
		return dec.SkipValue()
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != ']' && dec.PeekKind() != 0 {
		var one object[T]
		if err := one.UnmarshalJSONFrom(dec); err != nil {
			return err
		}
		*l = append(*l, one)
	}
	_, err := dec.ReadToken()
	return err
}

// pieces is a list of evidence; nil stands for an element that is no object, or is one too many. Anything but an array
// reads as none.
type pieces []*piece

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (all *pieces) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	var elements values
	err := elements.UnmarshalJSONFrom(dec)
	*all = nil
	for i, one := range elements {
		var e *piece
		if one.Kind() == '{' && i < maxEvidence {
			e = &piece{raw: one}
			if err := unmarshal(one, e); err != nil {
				return err
			}
		}
		*all = append(*all, e)
	}
	return err
}

// timeForms are the forms in which the APIs and their collectors write times, without and with a zone, by what stands
// between day and hour. The zone is UTC where none is given.
var timeForms = map[byte][2]string{
	'T': {"2006-01-02T15:04:05.999999999", time.RFC3339Nano},
	' ': {"2006-01-02 15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00"},
}

// parseTime reads a time; ok is false when s is none. The year 1 stands for none.
func parseTime(s string) (t time.Time, ok bool) {
	const day = len("2006-01-02")
	if t, ok := utcTime(s); ok {
		return t, true
	}
	if s = strings.TrimSpace(s); len(s) <= day {
		return time.Time{}, false
	}
	form := timeForms[s[day]][0]
	if strings.ContainsAny(s[day:], "Z+-") {
		form = timeForms[s[day]][1]
	}
	t, err := time.Parse(form, s)
	switch {
	case err != nil || form == "":
		return time.Time{}, false
	case t.Year() <= 1:
		return time.Time{}, true
	}
	return t.UTC(), true
}

// utcTime reads what nearly all times are: 2006-01-02T15:04:05 with a fraction or none, in UTC with a Z or none.
func utcTime(s string) (t time.Time, ok bool) {
	const form = "0000-00-00T00:00:00"
	s = strings.TrimSuffix(s, "Z")
	if len(s) < len(form) {
		return t, false
	}
	if s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' {
		return t, false
	}
	year, month, day := number(s[0:4]), number(s[5:7]), number(s[8:10])
	hour, minute, second := number(s[11:13]), number(s[14:16]), number(s[17:19])
	nanoseconds := 0
	if digits := len(s) - len(form) - 1; digits >= 1 && digits <= 9 && s[len(form)] == '.' {
		nanoseconds = number(s[len(form)+1:])
		for ; digits < 9; digits++ {
			nanoseconds *= 10
		}
	} else if digits >= 0 {
		return t, false
	}
	if year <= 1 || month < 1 || month > 12 || day < 1 || min(hour, minute, second, nanoseconds) < 0 || hour > 23 || minute > 59 || second > 59 {
		return t, false
	}
	t = time.Date(year, time.Month(month), day, hour, minute, second, nanoseconds, time.UTC)
	return t, day <= 28 || t.Day() == day
}

// number reads decimal digits, -1 for anything else.
func number(digits string) (n int) {
	for i := range len(digits) {
		c := digits[i] - '0'
		if c > 9 {
			return -1
		}
		n = 10*n + int(c)
	}
	return n
}

// moment reads a time field; one that is no time is a problem.
func (p *problemList) moment(field string, s text) time.Time {
	if s == "" {
		return time.Time{}
	}
	t, ok := parseTime(string(s))
	if !ok {
		p.add(field, "not a time")
	}
	return t
}
