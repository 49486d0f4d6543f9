package formats

import (
	"fmt"
	"strings"
	"time"
)

type sourceKind uint8

const (
	fromText sourceKind = iota
	fromList
	fromTime
	fromSeverity
	fromFlag
	fromPointer
	fromDerived
	fromConstant
)

// source is one place where a value can come from, compiled.
type source struct {
	name    string
	kind    sourceKind
	field   Field
	pointer []string
	derive  func(*Detection) string
	entity  int8 // index into the attribute's entity list, -1: none
}

// shortenedName is the derived value that only the size budget knows.
const shortenedName = "shortened"

// derived are values that are no field but follow from several.
var derived = map[string]func(*Detection) string{
	"event_class":  EventClass,
	"service_word": ServiceWord,
	"fresh": func(d *Detection) string {
		if d.Fresh {
			return "true"
		}
		return "false"
	},
}

// compileSource finds what name means: a computed value, a JSON Pointer, a derived value or a Detection field.
func compileSource(name string, computed map[string]func(*Detection) string) (source, error) {
	s := source{name: name, entity: -1}
	if f := computed[name]; f != nil {
		s.kind, s.derive = fromDerived, f
		return s, nil
	}
	if strings.HasPrefix(name, "/") {
		s.kind = fromPointer
		for token := range strings.SplitSeq(name[1:], "/") {
			if strings.Contains(strings.NewReplacer("~0", "", "~1", "").Replace(token), "~") {
				return s, fmt.Errorf("%q is no JSON Pointer: ~ stands only in ~0 and ~1 (RFC 6901)", name)
			}
			s.pointer = append(s.pointer, strings.NewReplacer("~1", "/", "~0", "~").Replace(token))
		}
		return s, nil
	}
	if f := derived[name]; f != nil {
		s.kind, s.derive = fromDerived, f
		return s, nil
	}
	f, err := FieldByName(name)
	if err != nil {
		return s, err
	}
	s.field = f
	switch f.Type() {
	case TypeList:
		s.kind = fromList
	case TypeTime:
		s.kind = fromTime
	case TypeSeverity:
		s.kind = fromSeverity
	case TypeFlag:
		s.kind = fromFlag
	}
	return s, nil
}

// count returns how many texts the source has in d, an empty one included.
func (s *source) count(d *Detection) int {
	if s.kind == fromList {
		return len(s.field.List(d))
	}
	return 1
}

// text returns the i-th text of the source in d, "" when there is none. Times are not texts: see time.
func (s *source) text(d *Detection, i int) string {
	switch s.kind {
	case fromText:
		return s.field.Text(d)
	case fromList:
		if list := s.field.List(d); i < len(list) {
			return list[i]
		}
		return ""
	case fromSeverity:
		return s.field.Severity(d).String()
	case fromFlag:
		switch s.field.Flag(d) {
		case FlagTrue:
			return "true"
		case FlagFalse:
			return "false"
		}
		return ""
	case fromPointer:
		return pointerText(d.Raw, s.pointer)
	case fromDerived:
		return s.derive(d)
	case fromConstant:
		return s.name
	}
	return ""
}

// time returns the time of the source in d; zero when it has none.
func (s *source) time(d *Detection) time.Time {
	if s.kind == fromTime {
		return s.field.Time(d)
	}
	text := s.text(d, 0)
	if text == "" {
		return time.Time{}
	}
	for _, form := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05"} { // in UTC where no zone is given, as the fields are
		if t, err := time.Parse(form, text); err == nil {
			return t
		}
	}
	return time.Time{}
}

func (s *source) empty(d *Detection) bool {
	switch s.kind {
	case fromText, fromList, fromTime, fromSeverity, fromFlag:
		return s.field.Empty(d)
	}
	return s.text(d, 0) == ""
}
