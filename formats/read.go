package formats

import (
	"crypto/sha256"
	"encoding/hex"
)

// evaluate makes the value of one attribute whose conditions are met, if it has one.
func (e *Event) evaluate(i int, a *attribute) {
	start := len(e.arena)
	how, bad := e.read(a)
	if how == special {
		e.guard(start)
	}
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
			if how == fragment { // of an array it is a text
				how = special
			}
		case a.whole || how == fragment || a.kind != ValueText:
			e.arena = e.arena[:start]
			return
		default:
			e.arena = e.arena[:start+len(cutText(e.arena[start:], a.max))]
			if len(e.arena) == start { // not even the ellipsis has room
				return
			}
		}
	}
	e.present.add(i)
	e.add(i, a.before, start, a.header, how)
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
func (e *Event) read(a *attribute) (how form, bad bool) {
	start := len(e.arena)
	if e.table.layout.Escapes[0] == 0 {
		how = special
	}
	for i := range a.sources {
		s := &a.sources[i]
		if s.entity >= 0 && e.choice[a.entity] != s.entity {
			continue
		}
		switch {
		case a.kind != ValueText:
			bad = e.readTyped(a, s) || bad
		case e.table.layout.JSON && !a.all && !a.first && (s.kind == fromList || s.kind == fromFlag):
			if e.readFragment(s) {
				return fragment, false
			}
		default:
			how = max(how, e.readText(a, s, start))
		}
		if len(e.arena) > start && !a.all {
			return how, false
		}
	}
	return how, bad
}

// readText appends the texts of s, joined to what is there since start.
func (e *Event) readText(a *attribute, s *source, start int) (how form) {
	if s.kind == fromTime {
		if t := s.field.Time(e.d); !t.IsZero() {
			e.arena = t.UTC().AppendFormat(e.arena, "2006-01-02T15:04:05.000Z")
		}
		return plain
	}
	for i, n := 0, s.count(e.d); i < n; i++ {
		text := a.text(s, e.d, i)
		if text == "" {
			continue
		}
		at := len(e.arena)
		if at > start {
			if at-start > a.max+1 && !a.hash {
				return how
			}
			e.arena = append(e.arena, a.join...)
			how = max(how, a.joined)
		}
		from := len(e.arena)
		how = max(how, e.readOne(a, text))
		if len(e.arena) == from {
			e.arena = e.arena[:at]
		} else if a.first || s.kind == fromList && a.header {
			return how
		}
	}
	return how
}

// readOne appends one text of a value.
func (e *Event) readOne(a *attribute, text string) form {
	clean, escapes := e.table.layout.look(text)
	if clean && !escapes && len(text) <= a.max {
		e.arena = append(e.arena, text...)
		return plain
	}
	how, limit := e.table.layout.Clean, a.max
	if a.header {
		how = e.table.layout.Header
	}
	if a.hash {
		limit = -1
	}
	e.arena = AppendClean(e.arena, text, how, limit)
	return special
}

// text returns the i-th text of s, in the words of a.
func (a *attribute) text(s *source, d *Detection, i int) string {
	text := s.text(d, i)
	if a.words != nil {
		text = translate(a.words, text)
	}
	return text
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
		text := a.text(s, e.d, i)
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

// readFragment appends a list or a flag as JSON, if it has a value.
func (e *Event) readFragment(s *source) bool {
	if s.kind == fromFlag {
		text := s.text(e.d, 0)
		e.arena = append(e.arena, text...)
		return text != ""
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
