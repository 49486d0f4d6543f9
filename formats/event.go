package formats

import "sync"

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
	fragment bool // of that form
}

// form says what a value is to the format that writes it.
type form uint8

const (
	plain    form = iota // it is written as it is
	special              // Layout.AppendValue writes it
	fragment             // JSON that is already written: an array or a boolean
)

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

// next returns the place of the next value. Writing it there is cheaper than copying it there.
func (e *Event) next(attr int) *eventValue {
	e.values = append(e.values, eventValue{})
	v := &e.values[len(e.values)-1]
	v.attr = attr
	return v
}

// add adds a value that stands in the arena from from on.
func (e *Event) add(attr int, before string, from int, header bool, how form) {
	v := e.next(attr)
	v.from, v.to, v.apart, v.header, v.fragment = from, len(e.arena), true, header, how == fragment
	e.write(v, before, how)
}

// write writes a value of the arena as it stands in the event, with what is before it.
func (e *Event) write(v *eventValue, before string, how form) {
	v.at = len(e.body)
	e.body = append(e.body, before...)
	text := e.arena[v.from:v.to]
	switch {
	case v.header:
		e.body = e.table.layout.AppendHeader(e.body, text)
	case how == special:
		e.body = e.table.layout.AppendValue(e.body, text)
	default:
		e.body = append(e.body, text...)
	}
	v.size = len(e.body) - v.at
	e.total += v.size
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
