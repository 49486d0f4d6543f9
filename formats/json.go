package formats

import (
	"errors"
	"fmt"
	"sort"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// JSONOptions choose what NewJSON builds.
type JSONOptions struct {
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

// jsonDictionary has no keys of its own: any dotted name will do.
var jsonDictionary = sync.OnceValue(func() *Dictionary {
	d := &Dictionary{Format: "json", Versions: []string{"1"}, CheckCustom: checkJSONKey}
	d.index()
	return d
})

func checkJSONKey(key string) error {
	for part := range strings.SplitSeq(key, ".") {
		if !isWord(strings.ReplaceAll(part, "_", "")) || part[0] == '_' {
			return errors.New("a key is letters, digits and _, beginning with a letter, in parts joined by dots")
		}
	}
	if key == rawKey || strings.HasPrefix(key, rawKey+".") {
		return fmt.Errorf("%q is the record as Microsoft sent it", rawKey)
	}
	return nil
}

// DefaultJSONMapping returns the built-in table of JSON: every field of Detection under its own name.
func DefaultJSONMapping() *Mapping {
	m := &Mapping{Format: "json", Version: "1.0"}
	m.Attributes = append(m.Attributes,
		Attribute{Key: "event_class", From: Names{"event_class"}, Priority: "A", Max: 64},
		Attribute{Key: "service_word", From: Names{"service_word"}, Priority: "A", Max: 64})
	names := FieldNames()
	sort.Slice(names, func(i, j int) bool { return fields[names[i]].offset < fields[names[j]].offset })
	for _, name := range names {
		m.Attributes = append(m.Attributes, jsonAttribute(fields[name]))
	}
	m.Attributes = append(m.Attributes, Attribute{Key: shortenedName, From: Names{shortenedName}, Priority: "A", Max: 1024})
	return m
}

// jsonAttribute decides how a field is treated when an event is too long.
func jsonAttribute(f Field) Attribute {
	a := Attribute{Key: f.name, From: Names{f.name}, Priority: "B", Max: 4096}
	switch f.name {
	case "api", "kind", "event_kind", "id", "alert_id", "incident_id", "tenant_id", "severity", "category", "time", "source":
		a.Priority, a.Max = "A", 256
	case "title":
		a.Priority, a.Max, a.Short = "A", 2048, 200
	case "description", "recommended_actions", "process.command_line", "summary", "last_comment", "resolving_comment":
		a.Priority, a.Max, a.Short = "C", 32768, 256
	case "evidence_details", "alert_details":
		a.Priority = "C"
	}
	if f.kind == TypeList {
		a.Max = 16384
	}
	leaf := f.name[strings.LastIndexByte(f.name, '.')+1:]
	for _, end := range []string{"id", "link", "sha1", "sha256", "md5", "address", "mac"} {
		a.Whole = a.Whole || a.Short == 0 && strings.HasSuffix(leaf, end)
	}
	return a
}

// NewJSON builds an encoder for JSON. Its error is every mistake in the mapping (Problems).
func NewJSON(o JSONOptions) (*JSON, error) {
	table, err := Compile(DefaultJSONMapping(), o.Additions, jsonDictionary(), "1", Layout{
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

// groupKeys brings keys of one object together, since an object can be written only once, and finds keys that would
// have to be an object and a value at the same time.
func groupKeys(m *Mapping) (problems Problems) {
	first := map[string]int{}
	for i, a := range m.Attributes {
		for at := range len(a.Key) {
			if _, ok := first[a.Key[:at]]; a.Key[at] == '.' && !ok {
				first[a.Key[:at]] = i
			}
		}
		if _, ok := first[a.Key]; !ok {
			first[a.Key] = i
		}
	}
	isLeaf := map[string]bool{}
	for _, a := range m.Attributes {
		isLeaf[a.Key] = true
	}
	rank := func(key string) []int {
		var r []int
		for at := range len(key) {
			if key[at] == '.' {
				r = append(r, first[key[:at]])
			}
		}
		return append(r, first[key])
	}
	for _, a := range m.Attributes {
		for at := range len(a.Key) {
			if a.Key[at] == '.' && isLeaf[a.Key[:at]] {
				problems.add(a.Key, "%q is a value and cannot be an object as well", a.Key[:at])
			}
		}
	}
	sort.SliceStable(m.Attributes, func(i, j int) bool { return lessRank(rank(m.Attributes[i].Key), rank(m.Attributes[j].Key)) })
	return problems
}

// objectNames returns the names that stand for objects: all but the last part of each key.
func objectNames(m *Mapping) map[string]bool {
	names := map[string]bool{}
	for _, a := range m.Attributes {
		for at := range len(a.Key) {
			if a.Key[at] == '.' {
				names[a.Key[:at]] = true
			}
		}
	}
	return names
}

func lessRank(a, b []int) bool {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return len(a) < len(b)
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
	e.Fit(budget - e.braces() - len(`{}`) - len(`"shortened":["raw"],`))
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
		out, err := jsontext.AppendFormat(dst, raw, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true), jsontext.EscapeForJS(true))
		if err == nil && len(out) > body && len(out)-start+e.listSize()+len("}") <= room {
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
