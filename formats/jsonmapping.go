package formats

import (
	"errors"
	"fmt"
	"sort"
	"strings"
	"sync"
)

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
