package defender

import (
	"errors"
	"reflect"
	"sync"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/siembridge/siembridge/formats"
)

// scanner reads one record. Its memory is used again for the next: nothing that it has read may be kept, but texts.
type scanner struct {
	b     []byte
	depth int

	whole   bool           // all of the record is wanted, not only what identifies it
	more    bool           // what follows the record is none of its
	end     int            // of the record that was read
	signs   sign           // of the record's API; not with whole
	unknown []member       // of the record itself, what its struct has no field for
	spares  []formats.Pair // members whose field holds another one's value
	follow  []*slot        // what followed a slot, or the beginning of an object, the last time: records have their members in one order

	texts arena    // of strings that had escapes, and of what is put together; new memory for each record
	words []string // of texts; new memory for each record
	slabs []slab   // by the id of the shape
	lists lists    // of structs

	problems  problemList
	evidence  evidenceReader
	detection formats.Detection // of Identify
	hashed    []byte            // what a content hash is of
	lister    lister            // of Detection's lists of details
	line      []byte            // one of their members
}

// member is a member of a JSON object.
type member struct {
	name  string
	value []byte
}

// maxUnknown is how many members of a record without a field are kept.
const maxUnknown = 256

// slab is memory of structs of one shape.
type slab struct {
	items []unsafe.Pointer
	used  int
}

// maxSlab is how many structs of a shape a scanner keeps for the next record: those of an alert with a thousand pieces of
// evidence.
const maxSlab = 1024

var scanners = sync.Pool{New: func() any {
	return &scanner{slabs: make([]slab, len(shapes)), follow: make([]*slot, places)}
}}

func newScanner() *scanner { return scanners.Get().(*scanner) }

// maxWords is how many texts of lists a scanner keeps room for.
const maxWords = 4096

// release gives the memory back for the next record, but that of texts.
func (s *scanner) release() {
	s.texts, s.words = arena{}, nil
	s.forget()
	scanners.Put(s)
}

// releaseAll is release when nothing that was read is kept, not even a text.
func (s *scanner) releaseAll() {
	s.forgetTexts()
	s.forget()
	scanners.Put(s)
}

// forgetTexts makes the memory of texts free for others.
func (s *scanner) forgetTexts() {
	clear(s.words)
	if s.words = s.words[:0]; cap(s.words) > maxWords {
		s.words = nil
	}
	s.texts.reset()
}

// forget forgets what was read, but for its texts.
func (s *scanner) forget() {
	s.lists.reset()
	s.b, s.whole, s.more = nil, false, false
	clear(s.unknown)
	s.unknown = s.unknown[:0]
	clear(s.spares)
	s.spares = s.spares[:0]
	for id := range s.slabs {
		l := &s.slabs[id]
		for _, p := range l.items[:l.used] {
			reflect.NewAt(shapes[id].of, p).Elem().SetZero()
		}
		if l.used = 0; len(l.items) > maxSlab {
			l.items = append([]unsafe.Pointer(nil), l.items[:maxSlab]...)
		}
	}
	s.evidence.reset()
}

// new returns an empty struct of a shape.
func (s *scanner) new(of *shape) unsafe.Pointer {
	l := &s.slabs[of.id]
	if l.used == len(l.items) {
		l.items = append(l.items, reflect.New(of.of).UnsafePointer())
	}
	l.used++
	return l.items[l.used-1]
}

// errRefused: the scanner leaves the record to the library.
var errRefused = errors.New("the scanner refuses the record")

// read reads the object raw. What the scanner refuses is read by the JSON library, whose error is the one returned;
// the struct then has what was read before it. It is valid until s is released, its texts for good.
func (r reader[T]) read(s *scanner, raw []byte) (*T, error) {
	if v, ok := r.scan(s, raw); ok {
		return v, nil
	}
	v := new(T)
	if s.more {
		return v, errRefused
	}
	s.unknown, s.signs = s.unknown[:0], 0
	_ = members(raw, func(name string, value jsontext.Value) error {
		if of, ok := signs[name]; ok && !s.whole {
			s.b = value
			s.look(0, of)
		} else if s.whole && r.shape.find([]byte(name)) == nil && len(s.unknown) < maxUnknown {
			s.unknown = append(s.unknown, member{name, value.Clone()})
		}
		return nil
	})
	return v, unmarshal(raw, v)
}

// scan is read without the library.
func (r reader[T]) scan(s *scanner, raw []byte) (v *T, ok bool) {
	s.b, s.depth, s.unknown, s.signs = raw, 0, s.unknown[:0], 0
	p := s.new(r.shape)
	i := blank(raw, 0)
	if at(raw, i) != '{' {
		return nil, false
	}
	s.end = s.object(i, r.shape, p)
	return (*T)(p), s.end >= 0 && (s.more || blank(raw, s.end) == len(raw))
}

// object reads the object that begins at i into the struct at p and returns the index behind it.
func (s *scanner) object(i int, of *shape, p unsafe.Pointer) int {
	b := s.b
	if s.depth++; s.depth > maxDepth {
		return refused
	}
	if i = blank(b, i+1); at(b, i) == '}' {
		s.depth--
		return i + 1
	}
	last := of.begin
	for {
		f := s.follow[last]
		if f != nil && begins(b, i, f.opening) {
			i = blank(b, i+len(f.opening))
		} else {
			start, end, value, escaped := memberName(b, i)
			if value < 0 {
				return refused
			}
			name := b[start:end]
			if escaped {
				name = s.texts.unescape(name)
			}
			if f, i = of.find(name), value; f == nil {
				i = s.pass(name, value)
			} else {
				s.follow[last] = f
			}
		}
		if f != nil {
			last = f.id
			value, to := i, unsafe.Add(p, f.offset)
			if f.kind == kindText {
				i = s.scalar(i, (*string)(to))
			} else {
				i = s.field(i, f, to)
			}
			switch {
			case f.sign.bit == 0 || s.depth > 1 || s.whole:
			case f.kind == kindText && f.sign.kind == kindText:
				s.note(f.sign, *(*string)(to) != "")
			default:
				s.look(value, f.sign)
			}
		}
		if i < 0 {
			return refused
		}
		switch i = blank(b, i); at(b, i) {
		case ',':
			i = blank(b, i+1)
		case '}':
			s.depth--
			return i + 1
		default:
			return refused
		}
	}
}

// pass passes over a member that the struct has no field for, and keeps it when it is the record's.
func (s *scanner) pass(name []byte, value int) int {
	i := skip(s.b, value, s.depth)
	switch {
	case s.depth > 1 || i < 0:
	case !s.whole:
		if of, ok := signs[string(name)]; ok {
			s.look(value, of)
		}
	case len(s.unknown) < maxUnknown:
		s.unknown = append(s.unknown, member{unsafe.String(unsafe.SliceData(name), len(name)), s.b[value:i:i]})
	}
	return i
}

// field reads the value that begins at i into the field at p, which gets nothing of an earlier value.
func (s *scanner) field(i int, f *slot, p unsafe.Pointer) int {
	switch f.kind {
	case kindDetail:
		if !s.whole {
			return skip(s.b, i, s.depth)
		}
		return s.scalar(i, (*string)(p))
	case kindTexts:
		return s.textList(i, (*[]string)(p))
	case kindObject:
		is := (*unsafe.Pointer)(p)
		*is = nil
		return s.element(i, f.holds, is)
	}
	// A list of objects is a list of pointers: object has but one.
	all := (*[]unsafe.Pointer)(p)
	*all = nil
	if at(s.b, i) != '[' {
		return skip(s.b, i, s.depth)
	}
	list, place := s.lists.begin()
	i = s.elements(i, func(i int) int {
		var one unsafe.Pointer
		next := i
		if len(list) < maxEvidence || f.kind != kindPieces {
			next = s.element(i, f.holds, &one)
		} else {
			next = skip(s.b, i, s.depth)
		}
		if next >= 0 && one != nil && f.kind == kindPieces {
			(*piece)(one).raw = s.b[i:next:next]
		}
		list = append(list, one)
		return next
	})
	if s.lists.end(list, place); len(list) > 0 {
		*all = list
	}
	return i
}

// element reads an object; of anything else there is nothing to read.
func (s *scanner) element(i int, of *shape, is *unsafe.Pointer) int {
	if at(s.b, i) != '{' {
		return skip(s.b, i, s.depth)
	}
	*is = s.new(of)
	return s.object(i, of, *is)
}

// elements calls f for each element of the list that begins at i; f returns the index behind it.
func (s *scanner) elements(i int, f func(i int) int) int {
	b := s.b
	if s.depth++; s.depth > maxDepth {
		return refused
	}
	if i = blank(b, i+1); at(b, i) == ']' {
		s.depth--
		return i + 1
	}
	for {
		if i = f(i); i < 0 {
			return refused
		}
		switch i = blank(b, i); at(b, i) {
		case ',':
			i = blank(b, i+1)
		case ']':
			s.depth--
			return i + 1
		default:
			return refused
		}
	}
}

func (s *scanner) textList(i int, all *[]string) int {
	*all = nil
	if at(s.b, i) != '[' {
		var one string
		if i = s.scalar(i, &one); one != "" {
			*all = s.addWord(nil, one)
		}
		return i
	}
	return s.elements(i, func(i int) int {
		var one string
		if i = s.scalar(i, &one); one != "" {
			*all = s.addWord(*all, one)
		}
		return i
	})
}

// addWord appends to a list that is at the end of the words.
func (s *scanner) addWord(list []string, word string) []string {
	if len(s.words) == cap(s.words) {
		s.words = append(make([]string, 0, 16+2*len(list)), list...)
	}
	s.words = append(s.words, word)
	end := len(s.words)
	return s.words[end-len(list)-1 : end : end]
}

// scalar reads a string, a number or a truth value as text; null, objects and lists as "".
func (s *scanner) scalar(i int, to *string) int {
	b := s.b
	*to = ""
	switch c := at(b, i); c {
	case '"':
		start, escaped := i+1, false
		end := plainEnd(b, start)
		if at(b, end) != '"' {
			if end, escaped = stringEnd(b, end); end < 0 {
				return refused
			}
		}
		one := b[start:end]
		if escaped {
			one = s.texts.unescape(one)
		}
		*to = said(unsafe.String(unsafe.SliceData(one), len(one)))
		return end + 1
	case '{', '[':
		return skipNested(b, i, s.depth+1)
	case 'n':
		return literalEnd(b, i)
	default:
		end := literalEnd(b, i)
		if end >= 0 {
			*to = unsafe.String(&b[i], end-i)
		}
		return end
	}
}
