package coverage

import (
	"strconv"
	"strings"

	"github.com/siembridge/siembridge/formats"
)

// change is one field that differs between an event before and after a variation; a field that is not there is "".
type change struct{ name, before, after string }

// search finds the values whose variation changes an event.
type search struct {
	record []byte
	values []value // that can be varied, in the order of the record
	encode func(record []byte) ([][]formats.Pair, error)
	found  func(*value, []change)

	base    [][]formats.Pair
	scratch []byte
}

// maxSingly is how many values of a record are varied one by one. Records with more are rare and large.
const maxSingly = 1024

// together is how many values of larger records are varied at once.
const together = 64

// run varies every value by itself, or those of a large record in sets that are halved as long as they change
// something. A set can hide what its members do alone: where one of them decides which of two equal pieces of evidence
// is the primary one, its twin outside the set takes its place and the event stays the same. So sets are small, and
// the report says how many records were read so.
func (s *search) run() error {
	var err error
	if s.base, err = s.encode(s.record); err != nil {
		return err
	}
	step := 1
	if s.large() {
		step = together
	}
	for from := 0; from < len(s.values); from += step {
		if err := s.halve(from, min(from+step, len(s.values))); err != nil {
			return err
		}
	}
	return nil
}

func (s *search) large() bool { return len(s.values) > maxSingly }

// halve looks at the values from to before to: if varying all of them changes nothing, none of them reaches the event.
func (s *search) halve(from, to int) error {
	events, err := s.encode(s.with(from, to))
	if err != nil {
		return err
	}
	var changed []change
	for i := range max(len(s.base), len(events)) {
		changed = append(changed, differences(nth(s.base, i), nth(events, i))...)
	}
	switch {
	case len(changed) == 0:
		return nil
	case to-from == 1:
		s.found(&s.values[from], changed)
		return nil
	}
	middle := (from + to) / 2
	if err := s.halve(from, middle); err != nil {
		return err
	}
	return s.halve(middle, to)
}

// nth returns the i-th event, nil when there are not so many.
func nth(events [][]formats.Pair, i int) []formats.Pair {
	if i < len(events) {
		return events[i]
	}
	return nil
}

// with returns the record in which the values from to before to are varied.
func (s *search) with(from, to int) []byte {
	s.scratch = s.scratch[:0]
	at := 0
	for i := from; i < to; i++ {
		v := &s.values[i]
		s.scratch = append(append(s.scratch, s.record[at:v.start]...), v.varied...)
		at = v.end
	}
	s.scratch = append(s.scratch, s.record[at:]...)
	return s.scratch
}

// differences lists the fields that differ, in the order of before, then what only after has.
func differences(before, after []formats.Pair) []change {
	values := make(map[string]string, len(after))
	for _, p := range after {
		values[p.Key] = p.Value
	}
	var changed []change
	for _, p := range before {
		if v := values[p.Key]; v != p.Value {
			changed = append(changed, change{p.Key, p.Value, v})
		}
		delete(values, p.Key)
	}
	for _, p := range after {
		if _, left := values[p.Key]; left && p.Value != "" {
			changed = append(changed, change{p.Key, "", p.Value})
		}
	}
	return changed
}

// shownBy says how the value shows in a field that its variation changed.
func (v *value) shownBy(ch change) As {
	if ch.before == "" || ch.after == "" {
		return AsDerived
	}
	old, new, before, after := plain(v.old), plain(v.new), plain(ch.before), plain(ch.after)
	if holds(before, old) && holds(after, new) {
		return AsValue
	}
	if t, ok := moment(v.old); ok {
		if ch.before == strconv.FormatInt(t.UnixMilli(), 10) || sameMoment(t.UnixMilli(), ch.before) {
			return AsTime
		}
		return AsDerived
	}
	// Of a value that was cut the end is missing, and dots may stand for it.
	before, after = strings.TrimRight(before, "."), strings.TrimRight(after, ".")
	if len(before) > 1 && strings.Contains(old, before) && strings.Contains(new, after) {
		return AsPart
	}
	return AsDerived
}

// holds reports whether a field shows a text, or each member of a list in it, whatever stands between them.
func holds(field, text string) bool {
	if strings.Contains(field, text) {
		return true
	}
	members := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ';' })
	for _, m := range members {
		if !strings.Contains(field, strings.TrimSpace(m)) {
			return false
		}
	}
	return len(members) > 1
}

func sameMoment(millis int64, text string) bool {
	t, ok := moment(text)
	return ok && t.UnixMilli() == millis
}

// plain is a text without what encoders clean: control characters, and how many blanks and line ends there are.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}
