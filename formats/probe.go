package formats

// probe asks whether the field at an offset of a detection has a value that an attribute may take. A table's probes
// stand in one row of memory, in the order of its attributes, so that an event costs next to nothing for the many keys
// that it does not have.
type probe struct {
	offset uintptr
	attr   int16
	kind   FieldType
	always bool // the attribute may have a value although its fields have none
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
			all = append(all, probe{attr: attr, kind: s.field.kind, offset: s.field.offset})
		default: // not of a field; and a record without severity counts as unknown
			return []probe{{attr: attr, always: true}}
		}
	}
	return all
}
