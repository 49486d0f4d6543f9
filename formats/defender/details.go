package defender

import (
	"bytes"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/siembridge/siembridge/formats"
)

// Bounds of what has no field of its own.
const (
	maxDetails     = 8 << 10 // bytes of all of a record's evidence, and of the record itself
	maxDetail      = 2 << 10 // bytes of one value
	maxDetailDepth = 12      // objects and lists in each other
	maxDetailTypes = 64      // types of evidence
)

// fillDetails lists what no other field of d holds: of the most telling piece of each type, and of the record itself.
// So a type or a property that Microsoft adds reaches the SIEM before anybody here has heard of it.
func (s *scanner) fillDetails(d *formats.Detection) {
	l := &s.lister
	l.s, l.d = s, d
	l.to, l.size, l.types = d.EvidenceDetails, 0, l.types[:0]
	r := &s.evidence
	if r.device != nil {
		l.piece(r.device)
	}
	for _, e := range r.ranked {
		if len(l.types) == maxDetailTypes || l.size >= maxDetails {
			break
		}
		l.piece(e)
	}
	d.EvidenceDetails = l.done()
	l.to, l.size = d.AlertDetails, 0
	for _, m := range s.unknown {
		if strings.HasPrefix(m.name, "siembridge.") || m.name == "alerts" { // see SplitEvidence and Split
			continue
		}
		l.path = l.path[:0]
		l.member(m.name, m.value)
	}
	for _, p := range s.spares {
		l.path = append(append(l.path[:0], p.Key...), '.')
		l.one[0] = p.Value
		l.add(l.one[:])
	}
	d.AlertDetails = l.done()
	clear(l.types)
	l.d, l.to, l.b = nil, nil, nil
	l.one[0] = ""
}

// done returns the list, with a member that says so when there was no room for more.
func (l *lister) done() []string {
	if l.size >= maxDetails {
		l.to = append(l.to, "...")
	}
	return l.to
}

// lister appends the scalars of JSON values to a list.
type lister struct {
	s     *scanner
	d     *formats.Detection
	to    []string
	size  int
	types []string // of the pieces so far

	b     []byte // the value
	path  []byte // names that lead to it, each behind a dot
	own   int    // where the names begin that a holder has
	depth int
	one   [1]string
}

// held reports whether a field that the property may have filled has its value. A property that another piece has filled
// is not held, even though there is a field for it.
func (l *lister) held(value string) bool {
	if l.own == 0 {
		return false
	}
	property := bytes.TrimSuffix(l.path[l.own:], []byte("."))
	by := holders[string(property)]
	if by == nil {
		return false
	}
	if by.otherwise || by.common && saysNothing(value) {
		return true
	}
	for _, h := range by.fields {
		if h.has(l.d, value) {
			return true
		}
	}
	return false
}

// piece lists a piece of evidence unless there was one of its type.
func (l *lister) piece(e *piece) {
	for _, t := range l.types {
		if t == e.kind {
			return
		}
	}
	l.types = append(l.types, e.kind)
	l.path = append(append(l.path[:0], e.kind...), '.')
	l.own = len(l.path)
	l.value(e.raw)
}

// member lists a member of the record itself.
func (l *lister) member(name string, value []byte) {
	if strings.HasPrefix(name, "@odata.") {
		return
	}
	l.path = append(append(l.path, name...), '.')
	l.own = 0
	l.value(value)
}

// value lists a JSON value that is valid but for its UTF-8.
func (l *lister) value(raw []byte) {
	if raw == nil {
		return
	}
	if l.b = raw; !utf8.Valid(raw) {
		l.b = bytes.ToValidUTF8(raw, []byte("\uFFFD"))
	}
	record := l.s.b
	l.s.b, l.s.depth, l.depth = l.b, 0, 0
	l.walk(blank(l.b, 0))
	l.s.b = record
}

// walk lists the value that begins at i and returns the index behind it.
func (l *lister) walk(i int) int {
	switch c := at(l.b, i); {
	case l.depth == maxDetailDepth || l.size >= maxDetails:
		return skip(l.b, i, l.depth)
	case c == '{':
		return l.object(i)
	case c == '[':
		return l.list(i)
	}
	i = l.s.scalar(i, &l.one[0])
	if l.one[0] != "" && !l.held(l.one[0]) {
		l.add(l.one[:])
	}
	return i
}

func (l *lister) object(i int) int {
	if i = blank(l.b, i+1); at(l.b, i) == '}' {
		return i + 1
	}
	l.depth++
	for i >= 0 {
		start, end, value := memberName(l.b, i)
		if value < 0 {
			return refused
		}
		length := len(l.path)
		name := l.b[start:end]
		if bytes.HasPrefix(name, []byte("@odata.")) {
			i = skip(l.b, value, l.depth)
		} else {
			l.path = append(append(l.path, name...), '.')
			i = l.walk(value)
		}
		if l.path = l.path[:length]; i < 0 {
			return refused
		}
		switch i = blank(l.b, i); at(l.b, i) {
		case ',':
			i = blank(l.b, i+1)
		case '}':
			l.depth--
			return i + 1
		default:
			return refused
		}
	}
	return refused
}

// list lists the scalars of a list together, then what its other members hold.
func (l *lister) list(i int) int {
	var words []string
	end := l.s.textList(i, &words)
	if end < 0 {
		return refused
	}
	for _, word := range words {
		if !l.held(word) {
			l.add(words)
			break
		}
	}
	l.depth++
	l.s.elements(i, func(i int) int {
		if c := at(l.b, i); c == '{' || c == '[' {
			return l.walk(i)
		}
		return skip(l.b, i, l.depth)
	})
	l.depth--
	return end
}

// add appends "path: word, word"; a longer value than maxDetail is cut and ends in "...".
func (l *lister) add(words []string) {
	line := append(bytes.TrimSuffix(append(l.s.line[:0], l.path...), []byte(".")), ": "...)
	from := len(line)
	for i, word := range words {
		if i > 0 {
			line = append(line, ", "...)
		}
		if line = append(line, word[:min(len(word), maxDetail+1)]...); len(line)-from > maxDetail {
			end := from + maxDetail
			for end > from && !utf8.RuneStart(line[end]) {
				end--
			}
			line = append(line[:end], "..."...)
			break
		}
	}
	l.s.line = line
	b := l.s.texts.keep(line)
	l.size += len(b)
	l.to = append(l.to, unsafe.String(unsafe.SliceData(b), len(b)))
}
