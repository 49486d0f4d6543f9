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

// open begins to read JSON text that stands in two parts.
func (s *splitter) open(opening string, rest io.Reader) {
	s.in = &meter{r: rest}
	if opening != "" {
		s.in.r = io.MultiReader(strings.NewReader(opening), rest)
	}
	s.in.reset()
	s.dec = jsontext.NewDecoder(s.in, tolerant)
}

// value reads the next value. One that is larger than MaxRecord is nil: it was passed over, and a new decoder goes on
// behind it. opening is the text that leads it there: the objects and lists around the value, and a zero in its place.
func (s *splitter) value(opening string) (jsontext.Value, error) {
	s.in.reset()
	v, err := s.dec.ReadValue()
	if !errors.Is(err, errRecordSize) {
		s.in.reset()
		return v, err
	}
	rest := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(s.dec.UnreadBuffer()), s.in.r), readAhead)
	if err := passOver(rest); err != nil {
		return nil, err
	}
	s.open(opening, rest)
	for at := s.dec.InputOffset(); at < int64(len(opening)); at = s.dec.InputOffset() {
		if _, err := s.dec.ReadToken(); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// passOver reads to the end of the next value, of which only quotes and brackets are looked at.
func passOver(in *bufio.Reader) error {
	depth, quoted := 0, false
	for {
		c, err := in.ReadByte()
		if err == io.EOF {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		switch {
		case quoted && c == '\\':
			_, _ = in.Discard(1) // its end is found by the next read
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
			return nil
		}
	}
}
