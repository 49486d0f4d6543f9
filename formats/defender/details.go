package defender

import (
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"

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
	l.met.makeRoom()
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
		l.member(m.name, m.value)
	}
	for _, p := range s.spares {
		l.one[0] = p.Value
		l.add(l.met.member(&l.met.record, []byte(p.Key)), l.one[:])
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
	depth int
	one   [1]string
	met   properties
}

// held reports whether a field that the property may have filled has its value. A property that another piece has filled
// is not held, even though there is a field for it.
func (l *lister) held(p *property, value string) bool {
	if p.by == nil {
		return false
	}
	if p.by.otherwise || p.by.common && saysNothing(value) {
		return true
	}
	for _, h := range p.by.fields {
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
	p := l.met.member(&l.met.evidence, []byte(e.kind))
	p.by = holders
	l.value(p, e.raw)
}

// member lists a member of the record itself.
func (l *lister) member(name string, value []byte) {
	if strings.HasPrefix(name, "@odata.") {
		return
	}
	l.value(l.met.member(&l.met.record, []byte(name)), value)
}

// value lists a JSON value that is valid but for its texts: what the scanner refuses is listed as the JSON library writes
// it.
func (l *lister) value(p *property, raw []byte) {
	if raw == nil {
		return
	}
	record, listed, size := l.s.b, len(l.to), l.size
	if l.from(p, raw) == refused {
		l.to, l.size = l.to[:listed], size
		if tidy, err := jsontext.AppendFormat(nil, raw, tolerant); err == nil {
			l.from(p, tidy)
		}
	}
	l.s.b = record
}

// from lists the value that raw is, and returns the index behind it.
func (l *lister) from(p *property, raw []byte) int {
	l.b, l.s.b, l.s.depth, l.depth = raw, raw, 0, 0
	return l.walk(p, blank(raw, 0))
}

// walk lists the value that begins at i and returns the index behind it.
func (l *lister) walk(p *property, i int) int {
	switch c := at(l.b, i); {
	case l.depth == maxDetailDepth || l.size >= maxDetails:
		return skip(l.b, i, l.depth)
	case c == '{':
		return l.object(p, i)
	case c == '[':
		return l.list(p, i)
	}
	i = l.s.scalar(i, &l.one[0])
	if l.one[0] != "" && !l.held(p, l.one[0]) {
		l.add(p, l.one[:])
	}
	return i
}

func (l *lister) object(of *property, i int) int {
	if i = blank(l.b, i+1); at(l.b, i) == '}' {
		return i + 1
	}
	l.depth++
	place := &of.first
	for {
		p := *place
		if p != nil && begins(l.b, i, p.opening) {
			i = blank(l.b, i+len(p.opening))
		} else {
			start, end, value, escaped := memberName(l.b, i)
			if value < 0 {
				return refused
			}
			name := l.b[start:end]
			if escaped {
				name = l.s.texts.unescape(name)
			}
			if p, i = l.met.member(of, name), value; p.opening != "" {
				*place = p
			}
		}
		if place = &p.next; strings.HasPrefix(p.name, "@odata.") {
			i = skip(l.b, i, l.depth)
		} else {
			i = l.walk(p, i)
		}
		if i < 0 {
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
}

// list lists the scalars of a list together, then what its other members hold.
func (l *lister) list(p *property, i int) int {
	if at(l.b, i+1) == ']' {
		return i + 2
	}
	var words []string
	end := l.s.textList(i, &words)
	if end < 0 {
		return refused
	}
	for _, word := range words {
		if !l.held(p, word) {
			l.add(p, words)
			break
		}
	}
	l.depth++
	l.s.elements(i, func(i int) int {
		if c := at(l.b, i); c == '{' || c == '[' {
			return l.walk(p, i)
		}
		return skip(l.b, i, l.depth)
	})
	l.depth--
	return end
}

// add appends "path: word, word"; a longer value than maxDetail is cut and ends in "...".
func (l *lister) add(p *property, words []string) {
	line := append(p.appendPath(l.s.line[:0]), ": "...)
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
