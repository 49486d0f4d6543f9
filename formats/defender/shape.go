package defender

import (
	"encoding/binary"
	"fmt"
	"reflect"
)

// shape is a struct of text, texts, list, object and pieces as the scanner reads it: the struct with its json tags is
// the only list of its fields. Members are found and clash as in the JSON library: names count to the letter, and of
// two fields of one name the one that is less deeply embedded is meant.
type shape struct {
	id      int // in shapes
	of      reflect.Type
	begin   int     // stands for the beginning of the object in scanner.follow
	buckets []*slot // by hash, a power of two of them, most of them nil
}

// slot is a field of a shape.
type slot struct {
	name    string
	opening string // the name as it stands in a record, with its colon
	id      int    // in scanner.follow
	kind    kind
	offset  uintptr
	holds   *shape // of kindObject, kindList and kindPieces
	sign    signOf // that a member of this name is in the record itself; zero: it is none
}

// kind says how a field is read.
type kind uint8

const (
	kindText   kind = iota
	kindDetail      // a text that is read when the whole record is
	kindTexts
	kindObject
	kindList
	kindPieces
)

// nested is a field type that holds structs.
type nested interface {
	element() (reflect.Type, kind)
}

func (object[T]) element() (reflect.Type, kind) { return reflect.TypeFor[T](), kindObject }
func (list[T]) element() (reflect.Type, kind)   { return reflect.TypeFor[T](), kindList }
func (pieces) element() (reflect.Type, kind)    { return reflect.TypeFor[piece](), kindPieces }

// reader reads a JSON object into a T.
type reader[T any] struct{ shape *shape }

// newReader compiles the reader of a struct. It panics for one that has a field of another type.
func newReader[T any]() reader[T] { return reader[T]{compileShape(reflect.TypeFor[T]())} }

// shapes has every shape, places is how many slots they have and beginnings; both grow while the package is initialised
// and never afterwards.
var (
	shapes []*shape
	places int
)

func newPlace() int {
	places++
	return places - 1
}

func compileShape(t reflect.Type) *shape {
	for _, s := range shapes {
		if s.of == t {
			return s
		}
	}
	s := &shape{id: len(shapes), of: t, begin: newPlace()}
	shapes = append(shapes, s)
	byName, depths := map[string]*slot{}, map[string]int{}
	var walk func(t reflect.Type, base uintptr, depth int)
	walk = func(t reflect.Type, base uintptr, depth int) {
		for i := range t.NumField() {
			f := t.Field(i)
			switch {
			case f.Anonymous:
				walk(f.Type, base+f.Offset, depth+1)
			case f.IsExported():
				name := f.Tag.Get("json")
				if name == "" {
					name = f.Name
				}
				if old, ok := depths[name]; ok && old <= depth {
					if old == depth {
						panic(fmt.Sprintf("defender: %s has two fields %q", s.of, name))
					}
					continue
				}
				depths[name] = depth
				one := newSlot(f.Type)
				one.name, one.opening, one.offset, one.id = name, `"`+name+`":`, base+f.Offset, newPlace()
				byName[name] = one
			}
		}
	}
	walk(t, 0, 0)
	s.index(byName)
	return s
}

func newSlot(t reflect.Type) *slot {
	switch t {
	case reflect.TypeFor[text]():
		return &slot{kind: kindText}
	case reflect.TypeFor[detail]():
		return &slot{kind: kindDetail}
	case reflect.TypeFor[texts]():
		return &slot{kind: kindTexts}
	}
	n, ok := reflect.Zero(t).Interface().(nested)
	if !ok {
		panic("defender: a field of type " + t.String() + " cannot be read")
	}
	of, kind := n.element()
	return &slot{kind: kind, holds: compileShape(of)}
}

// index puts the fields into the buckets: each at its hash, or at the next free one behind.
func (s *shape) index(byName map[string]*slot) {
	size := 4
	for size < 4*len(byName) {
		size *= 2
	}
	s.buckets = make([]*slot, size)
	for name, f := range byName {
		i := nameHash([]byte(name)) & (size - 1)
		for s.buckets[i] != nil {
			i = (i + 1) & (size - 1)
		}
		s.buckets[i] = f
	}
}

// nameHash mixes all characters of a name.
func nameHash(name []byte) int {
	const odd = 0x9e3779b97f4a7c15
	h := uint64(len(name))
	if len(name) < 8 {
		for _, c := range name {
			h = h<<8 | uint64(c)
		}
		return int(h * odd >> 40)
	}
	for i := 0; i+8 < len(name); i += 8 {
		h = (h ^ binary.LittleEndian.Uint64(name[i:])) * odd
		h ^= h >> 29
	}
	return int((h ^ binary.LittleEndian.Uint64(name[len(name)-8:])) * odd >> 40)
}

// find returns the field of a name, nil when there is none.
func (s *shape) find(name []byte) *slot {
	last := len(s.buckets) - 1
	for i := nameHash(name) & last; s.buckets[i] != nil; i = (i + 1) & last {
		if s.buckets[i].name == string(name) {
			return s.buckets[i]
		}
	}
	return nil
}
