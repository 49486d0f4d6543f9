package formats

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// JSONOptions choose what NewJSON builds.
type JSONOptions struct {
	Mapping *Mapping // the table of another format that is JSON, which says its Name; nil: DefaultJSONMapping
	Additions
	OmitRaw bool // leave the record as Microsoft sent it out
}

// JSON writes a detection as one line of JSON: its fields under their own names, nested by dots ("device.name" stands
// in the object "device"), and the record as Microsoft sent it under "raw" when the budget has room for it. It
// implements Encoder and may be used by several goroutines at once.
//
// Texts keep every character; those that could end a line or turn its order round are escaped.
type JSON struct {
	table   *Table
	omitRaw bool
}

const rawKey = "raw"

// NewJSON builds an encoder for JSON. Its error is every mistake in the mapping (Problems).
func NewJSON(o JSONOptions) (*JSON, error) {
	if o.Mapping == nil {
		o.Mapping = DefaultJSONMapping()
	}
	table, err := Compile(o.Mapping, o.Additions, jsonDictionary(), "1", Layout{
		Clean:       Cleaning{KeepControls: true},
		Before:      func(key, _, _ string) string { return `,"` + key[strings.LastIndexByte(key, '.')+1:] + `":` },
		AppendValue: appendJSONString[[]byte],
		NameCost:    3,
		JSON:        true,
	})
	if err != nil {
		return nil, err
	}
	return &JSON{table: table, omitRaw: o.OmitRaw}, nil
}

// Table returns the mapping in force.
func (j *JSON) Table() *Table { return j.table }

// AppendEvent implements Encoder.
func (j *JSON) AppendEvent(dst []byte, d *Detection, budget int) ([]byte, Loss) {
	budget = max(budget, MinBudget)
	start := len(dst)
	e := j.table.Make(d)
	defer e.Release()
	// Room for the braces of the objects, and for saying that raw was left out.
	reserve := len(`{}`)
	if i := j.table.shortenedIndex; i >= 0 {
		reserve += len(j.table.attrs[i].before) + len(`["raw"]`)
	}
	e.Fit(budget - e.braces() - reserve)
	dst = append(dst, '{')
	dst = e.appendObjects(dst)
	if !j.omitRaw && len(d.Raw) > 0 {
		dst = e.appendRaw(dst, d.Raw, budget-(len(dst)-start))
	}
	if before, ok := e.shortenedKey(); ok {
		dst = append(appendMember(dst, before), '[')
		e.eachShortened(func(name string) {
			if dst[len(dst)-1] != '[' {
				dst = append(dst, ',')
			}
			dst = append(append(append(dst, '"'), name...), '"')
		})
		dst = append(dst, ']')
	}
	return append(dst, '}'), e.Loss()
}

// appendRaw appends the record under "raw" if it and all that still has to follow fits into room.
func (e *Event) appendRaw(dst, raw []byte, room int) []byte {
	start := len(dst)
	dst = appendMember(dst, `,"`+rawKey+`":`)
	if len(raw) <= 8*room {
		body := len(dst)
		out, err := jsontext.AppendFormat(dst, raw, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
		if err == nil {
			out = escapeInJSON(out, body)
		}
		if err == nil && len(out) > body && len(out)-start+e.listSize()+len("[]}") <= room {
			return out
		}
	}
	e.noteExtra(rawKey)
	return dst[:start]
}

// braces returns the bytes that opening and closing the objects of the event takes.
func (e *Event) braces() int {
	n, open := 0, ""
	for i := range e.values {
		key := e.keyOf(&e.values[i])
		object := key[:max(0, strings.LastIndexByte(key, '.'))]
		if e.values[i].attr < 0 || object == open {
			continue
		}
		n += len(object) + len(`"":{},`)*(1+strings.Count(object, "."))
		open = object
	}
	return n
}

// appendObjects writes the values, opening and closing objects as the keys ask for.
func (e *Event) appendObjects(dst []byte) []byte {
	open := "" // path of the object that is being written
	for i := range e.values {
		v := &e.values[i]
		if v.size == 0 {
			continue
		}
		object := ""
		if key := e.keyOf(v); v.attr >= 0 {
			object = key[:max(0, strings.LastIndexByte(key, '.'))]
		}
		dst = switchObject(dst, open, object)
		open = object
		dst = appendMember(dst, e.pair(v))
	}
	return switchObject(dst, open, "")
}

// switchObject closes what is open and not part of next, and opens what next needs.
func switchObject(dst []byte, open, next string) []byte {
	for open != "" && open != next && !(strings.HasPrefix(next, open) && next[len(open)] == '.') {
		dst = append(dst, '}')
		open = open[:max(0, strings.LastIndexByte(open, '.'))]
	}
	for open != next {
		rest := next[len(open):]
		rest = strings.TrimPrefix(rest, ".")
		name, _, _ := strings.Cut(rest, ".")
		dst = append(append(appendMember(dst, `,"`), name...), `":{`...)
		if open != "" {
			open += "."
		}
		open = next[:len(open)+len(name)]
	}
	return dst
}

// appendMember appends what begins a member, without the comma at its beginning when the member is the first of its
// object.
func appendMember[T string | []byte](dst []byte, member T) []byte {
	if dst[len(dst)-1] == '{' {
		member = member[1:]
	}
	return append(dst, member...)
}
