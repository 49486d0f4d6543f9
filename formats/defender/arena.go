package defender

import (
	"strings"
	"unsafe"
)

// arena is memory of texts, one behind the other: a record's texts take one piece of memory or two, and those of the
// next record the same one. A nil *arena makes each text by itself.
type arena struct{ b []byte }

// maxArena is how much an arena keeps for the next record, in bytes.
const maxArena = 64 << 10

// reset forgets all texts. Their memory is used again.
func (a *arena) reset() {
	if a.b = a.b[:0]; cap(a.b) > maxArena {
		a.b = nil
	}
}

// room sees to it that so many bytes can follow the texts.
func (a *arena) room(size int) {
	if cap(a.b)-len(a.b) < size {
		a.b = make([]byte, 0, max(size, 2*cap(a.b), 512))
	}
}

// keep returns a copy of a text.
func (a *arena) keep(text []byte) []byte {
	a.room(len(text))
	from := len(a.b)
	a.b = append(a.b, text...)
	return a.b[from:len(a.b):len(a.b)]
}

// unescape returns a JSON string without its escapes, which is never longer.
func (a *arena) unescape(text []byte) []byte {
	a.room(len(text))
	from := len(a.b)
	a.b = appendUnescaped(a.b, text)
	return a.b[from:len(a.b):len(a.b)]
}

// join returns the parts as one text.
func (a *arena) join(parts ...string) string {
	if a == nil {
		return strings.Join(parts, "")
	}
	size := 0
	for _, part := range parts {
		size += len(part)
	}
	a.room(size)
	from := len(a.b)
	for _, part := range parts {
		a.b = append(a.b, part...)
	}
	return unsafe.String(unsafe.SliceData(a.b[from:]), size)
}

// lists is memory of lists of structs.
type lists struct {
	all  [][]unsafe.Pointer
	used int
}

// maxLists is how many lists, and maxList how many members of one, are kept for the next record.
const (
	maxLists = 256
	maxList  = 256
)

// begin returns an empty list, and its place for end.
func (l *lists) begin() (list []unsafe.Pointer, place int) {
	if l.used == len(l.all) {
		l.all = append(l.all, make([]unsafe.Pointer, 0, 8))
	}
	l.used++
	return l.all[l.used-1], l.used - 1
}

// end takes the list that was filled since begin.
func (l *lists) end(list []unsafe.Pointer, place int) { l.all[place] = list }

// reset forgets all lists. Their memory is used again.
func (l *lists) reset() {
	for i, list := range l.all[:l.used] {
		if clear(list); cap(list) > maxList {
			list = nil
		}
		l.all[i] = list[:0]
	}
	if l.used = 0; len(l.all) > maxLists {
		clear(l.all[maxLists:])
		l.all = l.all[:maxLists]
	}
}
