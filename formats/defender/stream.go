package defender

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// errRecordSize: the value that is being read is larger than MaxRecord.
var errRecordSize = errors.New("a value is larger than a record may be")

// readAhead is how many bytes the decoder may hold besides a value.
const readAhead = 64 << 10

// meter lets so many bytes through until it is set again: the decoder would hold all of a value, however large.
type meter struct {
	r    io.Reader
	left int
}

func (m *meter) reset() { m.left = MaxRecord + readAhead }

func (m *meter) Read(p []byte) (int, error) {
	if m.left <= 0 {
		return 0, errRecordSize
	}
	n, err := m.r.Read(p[:min(len(p), m.left)])
	m.left -= n
	return n, err
}

// source is what a text is read from, with the error that ended it: to the JSON library it is one of syntax.
type source struct {
	r      io.Reader
	failed error
}

func (s *source) Read(p []byte) (n int, err error) {
	if n, err = s.r.Read(p); err != nil && err != io.EOF {
		s.failed = err
	}
	return n, err
}

// openings are the texts that lead a new decoder to a place: the objects and lists around it, and a zero for the value
// before it.
var openings = map[string]string{"": "", WithinList: `[0`, WithinPage: `{"value":[0`, withinObject: `{"":0`}

// withinObject is a place between the members of an object.
const withinObject = "object"

// openAt begins to read a text that goes on within, behind a value or before the first.
func (s *splitter) openAt(within string, behind bool, rest io.Reader) error {
	opening := openings[within]
	if !behind {
		opening = strings.TrimSuffix(opening, "0")
	}
	s.in = &meter{r: rest}
	if opening != "" {
		s.in.r = io.MultiReader(strings.NewReader(opening), rest)
	}
	s.in.reset()
	s.dec = jsontext.NewDecoder(s.in, tolerant)
	s.base -= int64(len(opening))
	for at := s.dec.InputOffset(); at < int64(len(opening)); at = s.dec.InputOffset() {
		if _, err := s.dec.ReadToken(); err != nil {
			return err
		}
	}
	return nil
}

// offset is how much of the text is behind the decoder.
func (s *splitter) offset() int64 { return s.base + s.dec.InputOffset() }

// value reads the next value. One that is larger than MaxRecord is nil: it was passed over, s.passed is its beginning,
// and a new decoder goes on behind it, within what is around.
func (s *splitter) value(within string) (jsontext.Value, error) {
	s.in.reset()
	v, err := s.dec.ReadValue()
	if !errors.Is(err, errRecordSize) {
		s.in.reset()
		return v, err
	}
	unread := s.dec.UnreadBuffer()
	s.passed = bytes.Clone(bytes.TrimLeft(unread[:min(len(unread), maxHead)], " \t\r\n,:"))
	rest := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(unread), s.in.r), readAhead)
	n, err := passOver(rest)
	if err != nil {
		return nil, err
	}
	s.base = s.offset() + n
	return nil, s.openAt(within, true, rest)
}

// passOver reads to the end of the next value, of which only quotes and brackets are looked at, and returns how many
// bytes that took.
func passOver(in *bufio.Reader) (n int64, err error) {
	depth, quoted := 0, false
	for {
		c, err := in.ReadByte()
		if err == io.EOF {
			return n, io.ErrUnexpectedEOF
		}
		if err != nil {
			return n, err
		}
		n++
		switch {
		case quoted && c == '\\':
			skipped, _ := in.Discard(1) // its end is found by the next read
			n += int64(skipped)
			continue
		case c == '"':
			quoted = !quoted
		case quoted:
			continue
		case c == '{', c == '[':
			depth++
			continue
		case c == '}', c == ']':
			depth--
		default:
			continue
		}
		if depth == 0 && !quoted {
			return n, nil
		}
	}
}
