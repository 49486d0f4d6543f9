package syslog

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// DefaultMaxFrame is the longest frame in bytes that a Scanner takes unless told otherwise.
const DefaultMaxFrame = 1 << 20

// ErrFrameTooLong: a frame is longer than the scanner's limit.
var ErrFrameTooLong = errors.New("frame too long")

// Scanner cuts frames from a stream. Each frame may have its own framing, told by its first byte: a digit from 1 to 9
// begins an octet count, anything else runs to the next line feed or NUL. A frame is handed out as soon as it is
// whole, and none is longer than the limit.
type Scanner struct {
	r     *bufio.Reader
	max   int
	frame []byte
}

// NewScanner reads frames of at most max bytes from r; max 0 means DefaultMaxFrame.
func NewScanner(r io.Reader, max int) *Scanner {
	if max <= 0 {
		max = DefaultMaxFrame
	}
	return &Scanner{r: bufio.NewReaderSize(r, 64<<10), max: max}
}

// Next returns the next frame without its framing; it is valid until the next call. Empty lines are passed over. At
// the end of the stream the error is io.EOF, or io.ErrUnexpectedEOF with what was there of a frame that was cut. After
// ErrFrameTooLong of a line the scanner goes on behind it; other errors are final.
func (s *Scanner) Next() ([]byte, error) {
	for {
		first, err := s.r.ReadByte()
		if err != nil {
			return nil, err
		}
		switch {
		case first == '\n' || first == 0 || first == '\r':
			continue
		case first >= '1' && first <= '9':
			return s.counted(first)
		}
		if err := s.r.UnreadByte(); err != nil {
			return nil, err
		}
		return s.line()
	}
}

// counted reads a frame behind its octet count.
func (s *Scanner) counted(first byte) ([]byte, error) {
	n := int(first - '0')
	for {
		c, err := s.r.ReadByte()
		if err != nil {
			return nil, cut(err)
		}
		if c == ' ' {
			break
		}
		if c < '0' || c > '9' {
			return nil, fmt.Errorf("a frame begins with a digit, but %q is no octet count (RFC 6587 section 3.4.1)", c)
		}
		if n = n*10 + int(c-'0'); n > s.max {
			return nil, fmt.Errorf("%w: an octet count over %d", ErrFrameTooLong, s.max)
		}
	}
	if cap(s.frame) < n {
		s.frame = make([]byte, n)
	}
	s.frame = s.frame[:n]
	got, err := io.ReadFull(s.r, s.frame)
	return s.frame[:got], cut(err)
}

// line reads a frame up to its trailer.
func (s *Scanner) line() ([]byte, error) {
	s.frame = s.frame[:0]
	long := false
	for {
		c, err := s.r.ReadByte()
		if err != nil {
			return s.frame, cut(err)
		}
		if c == '\n' || c == 0 {
			if long {
				return s.frame, fmt.Errorf("%w: a line over %d bytes", ErrFrameTooLong, s.max)
			}
			if n := len(s.frame); n > 0 && s.frame[n-1] == '\r' {
				s.frame = s.frame[:n-1]
			}
			return s.frame, nil
		}
		if len(s.frame) < s.max {
			s.frame = append(s.frame, c)
		} else {
			long = true
		}
	}
}

func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
