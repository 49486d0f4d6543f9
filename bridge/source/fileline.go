package source

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// beginsJSON tells whether a line is the beginning of a JSON text that goes on.
func beginsJSON(line []byte) bool {
	d := jsontext.NewDecoder(bytes.NewReader(line), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	for {
		if _, err := d.ReadToken(); err != nil {
			return errors.Is(err, io.ErrUnexpectedEOF)
		}
		if d.StackDepth() == 0 {
			return false
		}
	}
}

// errLongLine: a line is longer than a record may be.
var errLongLine = errors.New("the line is longer than a record may be")

// readLine reads one line with its line feed. With errLongLine it may have read only the line's beginning.
func readLine(in *bufio.Reader, longest int) ([]byte, error) {
	line, err := in.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, err
	}
	long := bytes.Clone(line)
	for errors.Is(err, bufio.ErrBufferFull) {
		if len(long) > longest {
			return long, errLongLine
		}
		line, err = in.ReadSlice('\n')
		long = append(long, line...)
	}
	if len(bytes.TrimSpace(long)) > longest {
		return long, errLongLine
	}
	return long, err
}

// lineReader reads the rest of a line with its line feed.
type lineReader struct {
	in    *bufio.Reader
	n     int64
	ended bool // by a line feed
}

func (l *lineReader) Read(p []byte) (int, error) {
	if l.ended {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	if _, err := l.in.Peek(1); err != nil {
		return 0, err
	}
	part, _ := l.in.Peek(min(len(p), l.in.Buffered()))
	if i := bytes.IndexByte(part, '\n'); i >= 0 {
		part, l.ended = part[:i+1], true
	}
	n := copy(p, part)
	_, _ = l.in.Discard(n)
	l.n += int64(n)
	return n, nil
}
