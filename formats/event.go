package formats

import (
	"crypto/sha256"
	"encoding/hex"
	"sync"
)

// Event is one event in the making: the values of one detection, cleaned and typed, in the order of the table, each
// written down as soon as it is made. Get one with Table.Make, hold it to a size with Fit, write it, give it back with
// Release. Nothing of it may be kept after that.
type Event struct {
	table  *Table
	d      *Detection
	values []eventValue
	extras []string // keys of pairs of Detection.Extra
	body   []byte   // the pairs as they are written; what was cut is written anew at its end
	arena  []byte   // values in the making, and those that are written otherwise than as they are
	choice []int8   // chosen group of each of Table.entities, -1: none has a value

	present, shortened, mistyped keySet
	shortenedExtra               []string // keys of Detection.Extra that were cut or dropped
	total                        int      // bytes of all pairs, without the list of shortened keys
	listed                       int      // bytes of the names in that list
	listDropped                  bool
}

// eventValue is one value of an event.
type eventValue struct {
	attr     int  // index into Table.attrs; below zero, -1-i: the i-th of Event.extras
	at, size int  // where in Event.body the pair stands, and its bytes; no bytes: dropped
	from, to int  // where the value itself stands, not escaped: in Event.arena if apart, else in Event.body
	apart    bool // see from, to
	header   bool // it is the name in the header
	fragment bool // JSON that is already written: an array or a boolean
}

var events = sync.Pool{New: func() any { return new(Event) }}

// Make takes from d what the table asks for. Release gives the memory back.
func (t *Table) Make(d *Detection) *Event {
	e := events.Get().(*Event)
	*e = Event{table: t, d: d, values: e.values[:0], extras: e.extras[:0], body: e.body[:0], arena: e.arena[:0], choice: e.choice[:0]}
	for _, set := range t.entities {
		e.choice = append(e.choice, chooseGroup(set, d))
	}
	e.fill()
	for _, p := range d.Extra {
		e.addExtra(p)
	}
	return e
}

// Release gives the event's memory back for the next one.
func (e *Event) Release() {
	e.d, e.table = nil, nil
	clear(e.extras)
	if cap(e.arena)+cap(e.body) < 1<<20 {
		events.Put(e)
	}
}

func chooseGroup(set [][]Field, d *Detection) int8 {
	for i, group := range set {
		for _, f := range group {
			if !f.Empty(d) {
				return int8(i)
			}
		}
	}
	return -1
}

// evaluate makes the value of one attribute whose conditions are met, if it has one.
func (e *Event) evaluate(i int, a *attribute) {
	start := len(e.arena)
	fragment, bad := e.read(a)
	n := len(e.arena) - start
	if n == 0 || n <= a.longerThan {
		if bad {
			e.mistyped.add(i)
		}
		e.arena = e.arena[:start]
		return
	}
	if n > a.max {
		e.note(i)
		switch {
		case a.hash:
			e.arena = appendHash(e.arena[:start], e.arena[start:], a.max)
			e.unnote(i)
		case a.whole || fragment || a.kind != ValueText:
			e.arena = e.arena[:start]
			return
		default:
			e.arena = e.arena[:start+len(cutText(e.arena[start:], a.max))]
		}
	}
	e.present.add(i)
	e.add(i, a.before, start, a.header, fragment)
}

// next returns the place of the next value. Writing it there is cheaper than copying it there.
func (e *Event) next(attr int) *eventValue {
	e.values = append(e.values, eventValue{})
	v := &e.values[len(e.values)-1]
	v.attr = attr
	return v
}

// add adds a value that stands in the arena from from on.
func (e *Event) add(attr int, before string, from int, header, fragment bool) {
	v := e.next(attr)
	v.from, v.to, v.apart, v.header, v.fragment = from, len(e.arena), true, header, fragment
	e.write(v, before)
}

// write writes a value of the arena as it stands in the event, with what is before it.
func (e *Event) write(v *eventValue, before string) {
	v.at = len(e.body)
	e.body = append(e.body, before...)
	text := e.arena[v.from:v.to]
	switch {
	case v.fragment:
		e.body = append(e.body, text...)
	case v.header:
		e.body = e.table.layout.AppendHeader(e.body, text)
	default:
		e.body = e.table.layout.AppendValue(e.body, text)
	}
	v.size = len(e.body) - v.at
	e.total += v.size
}

func (e *Event) applies(a *attribute) bool {
	if a.fresh && !e.d.Fresh ||
		a.with >= 0 && !e.present.has(a.with) ||
		a.mistyped >= 0 && !e.mistyped.has(a.mistyped) ||
		len(a.api) > 0 && !contains(a.api, e.d.API) ||
		len(a.ifAny) > 0 && !anyOf(a.ifAny, e.d) ||
		len(a.unless) > 0 && anyOf(a.unless, e.d) {
		return false
	}
	return true
}

func anyOf(sources []source, d *Detection) bool {
	for i := range sources {
		if !sources[i].empty(d) {
			return true
		}
	}
	return false
}

// read appends the value of a to the arena. bad: there was a value, but none of the key's type.
func (e *Event) read(a *attribute) (fragment, bad bool) {
	start := len(e.arena)
	for i := range a.sources {
		s := &a.sources[i]
		if s.entity >= 0 && e.choice[a.entity] != s.entity {
			continue
		}
		switch {
		case a.kind != ValueText:
			bad = e.readTyped(a, s) || bad
		case e.table.layout.JSON && !a.all && !a.first && (s.kind == fromList || s.kind == fromFlag):
			fragment = e.readFragment(s)
		default:
			e.readText(a, s, start)
		}
		if len(e.arena) > start && !a.all {
			return fragment, false
		}
	}
	return fragment, bad
}

// readText appends the texts of s, joined to what is there since start.
func (e *Event) readText(a *attribute, s *source, start int) {
	if s.kind == fromTime {
		if t := s.field.Time(e.d); !t.IsZero() {
			e.arena = t.UTC().AppendFormat(e.arena, "2006-01-02T15:04:05.000Z")
		}
		return
	}
	for i, n := 0, s.count(e.d); i < n; i++ {
		text := s.text(e.d, i)
		if a.words != nil {
			text = translate(a.words, text)
		}
		if text == "" {
			continue
		}
		at := len(e.arena)
		if at > start {
			if at-start > a.max+1 && !a.hash {
				return
			}
			e.arena = append(e.arena, a.join...)
		}
		how := e.table.layout.Clean
		if a.header {
			how = e.table.layout.Header
		}
		from := len(e.arena)
		limit := a.max
		if a.hash {
			limit = -1
		}
		e.arena = AppendClean(e.arena, text, how, limit)
		if e.table.guarded != nil {
			e.arena = e.table.guard(e.arena, start, from)
		}
		if len(e.arena) == from {
			e.arena = e.arena[:at]
		} else if a.first || s.kind == fromList && a.header {
			return
		}
	}
}

// translate looks text up in a word list; "*" stands for every other word. Without one a word stays as it is.
func translate(words map[string]string, text string) string {
	if w, ok := findWord(words, text); ok {
		return w
	}
	if w, ok := words["*"]; ok && text != "" {
		return w
	}
	return text
}

// readTyped appends the first text of s that is of the key's type.
func (e *Event) readTyped(a *attribute, s *source) (bad bool) {
	start := len(e.arena)
	if s.kind == fromTime || a.kind == ValueTime {
		t := s.time(e.d)
		if t.IsZero() {
			return s.kind != fromTime && !s.empty(e.d)
		}
		var how fit
		e.arena, how = appendMillis(e.arena, t)
		return how == misfits
	}
	if s.kind == fromSeverity {
		e.arena = appendSmall(e.arena, e.table.Severity(e.d))
		return false
	}
	for i, n := 0, s.count(e.d); i < n; i++ {
		text := s.text(e.d, i)
		if a.words != nil {
			text = translate(a.words, text)
		}
		if text == "" {
			continue
		}
		var how fit
		if e.arena, how = appendTyped(e.arena, a.kind, text); how == fits {
			return false
		}
		e.arena = e.arena[:start]
		bad = bad || how == misfits
	}
	return bad
}

func appendSmall(dst []byte, n int) []byte {
	if n >= 10 {
		dst = append(dst, byte('0'+n/10))
	}
	return append(dst, byte('0'+n%10))
}

// readFragment appends a list or a flag as JSON.
func (e *Event) readFragment(s *source) bool {
	if s.kind == fromFlag {
		e.arena = append(e.arena, s.text(e.d, 0)...)
		return true
	}
	list := s.field.List(e.d)
	if len(list) == 0 {
		return false
	}
	e.arena = append(e.arena, '[')
	for i, text := range list {
		if i > 0 {
			e.arena = append(e.arena, ',')
		}
		e.arena = appendJSONString(e.arena, text)
	}
	e.arena = append(e.arena, ']')
	return true
}

// appendHash appends "sha256:" and as much of the hash of value as limit leaves room for.
func appendHash(dst, value []byte, limit int) []byte {
	sum := sha256.Sum256(value)
	var digits [2 * sha256.Size]byte
	hex.Encode(digits[:], sum[:])
	const prefix = "sha256:"
	return append(append(dst, prefix...), digits[:min(len(digits), limit-len(prefix))]...)
}

// Name returns the name for the header as it is written, "" when d has none.
func (e *Event) Name() []byte {
	for i := len(e.values) - 1; i >= 0; i-- {
		if v := &e.values[i]; v.header {
			return e.pair(v)
		}
	}
	return nil
}

// pair returns what v takes in the event.
func (e *Event) pair(v *eventValue) []byte { return e.body[v.at : v.at+v.size] }

// AppendPairs appends all pairs and the list of what was shortened, without the separator at the beginning of the first.
func (e *Event) AppendPairs(dst []byte) []byte {
	start := len(dst)
	from, to := 0, 0 // pairs that stand one behind the other
	for i := range e.values {
		v := &e.values[i]
		switch {
		case v.header || v.size == 0:
		case v.at == to:
			to += v.size
		default:
			dst = appendPairs(dst, e.body[from:to], start)
			from, to = v.at, v.at+v.size
		}
	}
	dst = appendPairs(dst, e.body[from:to], start)
	if before, ok := e.shortenedKey(); ok {
		dst = appendPairs(dst, before, start)
		e.eachShortened(func(name string) {
			if dst[len(dst)-1] != '=' {
				dst = append(dst, ',')
			}
			dst = append(dst, name...)
		})
	}
	return dst
}

// appendPairs appends pairs to those that began at start.
func appendPairs[T string | []byte](dst []byte, pairs T, start int) []byte {
	if len(dst) == start && len(pairs) > 0 {
		pairs = pairs[1:]
	}
	return append(dst, pairs...)
}
