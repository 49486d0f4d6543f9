package formats

import "unsafe"

// probe asks whether the field at an offset of a detection has a value that an attribute may take. A table's probes
// stand in one row of memory, in the order of its attributes, so that an event costs next to nothing for the many keys
// that it does not have.
type probe struct {
	offset uintptr
	attr   int16
	kind   FieldType
	always bool // the attribute may have a value although its fields have none

	// direct: the attribute is the text of the first of its fields that has one, without conditions. Most texts need
	// neither cleaning nor escaping, and are taken with no more than a look.
	direct bool
	max    int
	before string
}

func compileProbes(t *Table) []probe {
	var all []probe
	for i := range t.attrs {
		if i != t.shortenedIndex {
			all = append(all, t.attrs[i].probes(int16(i))...)
		}
	}
	return all
}

func (a *attribute) probes(attr int16) (all []probe) {
	for _, s := range a.sources {
		switch s.kind {
		case fromText, fromList, fromTime, fromFlag:
			all = append(all, probe{attr: attr, kind: s.field.kind, offset: s.field.offset, max: a.max, before: a.before,
				direct: s.kind == fromText && a.kind == ValueText && s.entity < 0 && a.words == nil && a.longerThan == 0 && !a.conditional && !a.all && !a.header})
		default: // not of a field; and a record without severity counts as unknown
			return []probe{{attr: attr, always: true}}
		}
	}
	return all
}

// addDirect adds the text of a direct probe, if it stays as it is.
func (e *Event) addDirect(p *probe) bool {
	text := *(*string)(unsafe.Add(unsafe.Pointer(e.d), p.offset))
	if len(text) > p.max || !e.table.layout.asItIs(text) {
		return false
	}
	i, size := int(p.attr), len(p.before)+len(text)
	e.present.add(i)
	e.total += size
	e.values = append(e.values, eventValue{attr: i, size: size, before: p.before, text: unsafe.Slice(unsafe.StringData(text), len(text))})
	return true
}
