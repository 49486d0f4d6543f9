package defender

import (
	"bytes"
	"fmt"
	"io"
)

// Place is a place in a JSON text behind one of its records, from where SplitFrom goes on. The zero Place is the
// beginning.
type Place struct {
	Offset int64  // bytes of the text before it
	Within string // "": not in a value; WithinList, WithinPage
}

// What a place may be within.
const (
	WithinList = "list" // a list of records
	WithinPage = "page" // the list "value" of a page
)

// maxHead is how much is kept of a value that is too large, in bytes.
const maxHead = 1 << 10

// Found is one record of a text, or one that is larger than MaxRecord and was passed over: then Record is nil.
type Found struct {
	API      API      // the record's; Unknown when it is of no known kind
	Identity Identity // as Identify says
	Record   []byte   // fresh memory
	Behind   Place    // where the text goes on

	Offset, Length int64  // of a record that was passed over, in bytes
	Head           []byte // its first KiB, at most
}

// Unread is what is left of a text whose reading an error ended.
type Unread struct {
	Offset int64     // bytes of the text before it
	Rest   io.Reader // the text from there on
}

// SplitFrom reads as Split does, from a place on; r stands there. It identifies each record, in a text of Unknown by the
// API that Detect says, and tells behind which place it is, so that the reading can go on there another time. Of an
// incident that is split, all but the last record are before it.
func SplitFrom(api API, r io.Reader, from Place, found func(Found) error) (Page, Unread, error) {
	if _, known := openings[from.Within]; !known {
		return Page{}, Unread{from.Offset, r}, fmt.Errorf("no text goes on within %q", from.Within)
	}
	s := &splitter{api: api, found: found, scanner: newScanner()}
	defer s.scanner.releaseAll()
	err := s.read(r, from)
	if err == nil {
		return s.page, Unread{}, nil
	}
	return s.page, Unread{Offset: s.offset(), Rest: io.MultiReader(bytes.NewReader(s.dec.UnreadBuffer()), s.in.r)}, err
}
