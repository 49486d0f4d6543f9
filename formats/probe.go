package formats

import (
	"math"
	"math/bits"
	"time"
	"unsafe"
)

// probe asks whether one source of an attribute has a value. Most sources are empty in any one detection, and most of the
// others give a text or a time that goes into the event as it is: those values are made here, with no more than a look
// at them. What a probe cannot do, Event.evaluate does.
type probe struct {
	attr        int16
	choice      int16 // index into Table.entities
	entity      int8  // as in source; -1: none
	how         shortcut
	kind        FieldType
	conditional bool
	offset      uint32
	max         int32
	longerThan  int32
	header      bool
	before      string
	flag        *[2]string // what a flag that is false, true becomes
}

// shortcut is how a probe makes the value of its attribute.
type shortcut uint8

const (
	noShortcut shortcut = iota // Event.evaluate makes it, whatever its sources have
	notDirect                  // Event.evaluate makes it, if the field has a value
	directText                 // the text of the field
	directTime                 // the time of the field in milliseconds
	directFlag                 // one of two texts
)

// probes are what a table asks of a detection, in the order of its attributes. The answers are gathered first, as bits,
// so that an event costs next to nothing for the many keys that it does not have.
type probes struct {
	list    []probe
	lengths []uintptr   // of each probe: where in a detection the length of its text or list stands
	always  []uint64    // bits of the probes whose field has no length: they are looked at each time
	kinds   [4][]uint64 // bits of the probes for events of a kind: see kindAt
}

// kindAt returns the place of a kind of event in probes.kinds.
func kindAt(k Kind) int {
	switch k {
	case KindAlert:
		return 0
	case KindIncident:
		return 1
	case KindStatus:
		return 2
	}
	return 3
}

func compileProbes(t *Table) *probes {
	all := &probes{}
	for i := range t.attrs {
		a := &t.attrs[i]
		for j := range a.sources {
			p := probe{attr: int16(i), choice: int16(a.entity), entity: a.sources[j].entity, conditional: a.conditional,
				max: int32(min(a.max, math.MaxInt32)), longerThan: int32(min(a.longerThan, math.MaxInt32)), header: a.header, before: a.before}
			p.shorten(t, a, &a.sources[j])
			if all.add(p, a); p.how == noShortcut {
				break
			}
		}
	}
	return all
}

// shorten finds out how the attribute's value is made when s is the first of its sources that has one.
func (p *probe) shorten(t *Table, a *attribute, s *source) {
	switch s.kind {
	case fromText, fromList, fromTime, fromFlag:
		p.kind, p.offset, p.how = s.field.kind, uint32(s.field.offset), notDirect
	default: // not of a field; and a record without severity counts as unknown
		return
	}
	switch {
	case a.all || t.layout.Escapes[0] == 0:
	case s.kind == fromText && a.kind == ValueText && a.words == nil:
		p.how = directText
	case s.kind == fromTime && a.kind == ValueTime && a.longerThan == 0 && a.max >= millisDigits:
		p.how = directTime
	case s.kind == fromFlag && a.longerThan == 0 && !a.header:
		var words [2]string
		for i, text := range [...]string{"false", "true"} {
			if a.words != nil {
				text = translate(a.words, text)
			}
			if a.kind != ValueText {
				typed, _ := appendTyped(nil, a.kind, text)
				text = string(typed)
			}
			if clean, escapes := t.layout.look(text); !clean || escapes || len(text) > a.max {
				return
			}
			words[i] = text
		}
		p.how, p.flag = directFlag, &words
	}
}

func (all *probes) add(p probe, a *attribute) {
	word, bit := len(all.list)/64, uint64(1)<<(len(all.list)%64)
	if bit == 1 {
		all.always = append(all.always, 0)
		for k := range all.kinds {
			all.kinds[k] = append(all.kinds[k], 0)
		}
	}
	length := uintptr(p.offset) + unsafe.Sizeof("")/2 // the second word of strings and slices
	if p.how == noShortcut || p.kind != TypeText && p.kind != TypeList {
		length = unsafe.Offsetof(Detection{}.API) + unsafe.Sizeof("")/2
		all.always[word] |= bit
	}
	for _, kind := range [...]Kind{KindAlert, KindIncident, KindStatus, ""} {
		if len(a.kinds) == 0 || contains(a.kinds, string(kind)) {
			all.kinds[kindAt(kind)][word] |= bit
		}
	}
	all.list, all.lengths = append(all.list, p), append(all.lengths, length)
}

// found returns the bits of those of 64 probes whose attributes may have a value.
func (all *probes) found(word, kind int, d *Detection) (bits uint64) {
	lengths := all.lengths[64*word:]
	lengths = lengths[:min(64, len(lengths))]
	for _, at := range lengths {
		n := *(*int)(unsafe.Add(unsafe.Pointer(d), at))
		bits = bits>>1 | uint64(-n)&(1<<63) // without a branch, which could not be foretold
	}
	return (bits>>(64-len(lengths)) | all.always[word]) & all.kinds[kind][word]
}

// fill makes the values of all attributes.
func (e *Event) fill() {
	t, last := e.table, int16(-1)
	kind := kindAt(e.d.Kind)
	for word := range t.probes.always {
		for found := t.probes.found(word, kind, e.d); found != 0; found &= found - 1 {
			p := &t.probes.list[64*word+bits.TrailingZeros64(found)]
			if p.attr == last || p.entity >= 0 && e.choice[p.choice] != p.entity {
				continue
			}
			if p.kind != TypeText && p.how != noShortcut && emptyAt(e.d, p.kind, uintptr(p.offset)) {
				continue
			}
			last = p.attr
			if p.conditional && !e.applies(&t.attrs[last]) || p.how >= directText && e.addDirect(p) {
				continue
			}
			e.evaluate(int(last), &t.attrs[last])
		}
	}
}

// addDirect makes the value of a probe with a shortcut, if it can be taken.
func (e *Event) addDirect(p *probe) bool {
	field, start := unsafe.Add(unsafe.Pointer(e.d), p.offset), len(e.body)
	var text string
	switch p.how {
	case directText:
		text = *(*string)(field)
		clean, escapes := e.table.layout.look(text)
		switch {
		case !clean || len(text) > int(p.max):
			return false
		case len(text) <= int(p.longerThan):
			return true
		case escapes || p.header:
			return e.addSpecial(text, p)
		}
	case directFlag:
		text = p.flag[*(*Flag)(field)-FlagFalse]
	}
	e.body = append(e.body, p.before...)
	from := len(e.body)
	if p.how == directTime {
		var how fit
		if e.body, how = appendMillis(e.body, *(*time.Time)(field)); how != fits {
			e.body = e.body[:start]
			return false
		}
	} else {
		e.body = append(e.body, text...)
	}
	v := e.next(int(p.attr))
	v.at, v.size, v.from, v.to = start, len(e.body)-start, from, len(e.body)
	e.total += v.size
	e.present.add(v.attr)
	return true
}

// addSpecial is addDirect for a clean text that may be written otherwise than as it is.
func (e *Event) addSpecial(text string, p *probe) bool {
	start := len(e.arena)
	e.arena = append(e.arena, text...)
	if e.table.guarded != nil && e.imitation(start, start) >= 0 {
		e.arena = e.arena[:start]
		return false
	}
	e.present.add(int(p.attr))
	e.add(int(p.attr), p.before, start, p.header, special)
	return true
}
