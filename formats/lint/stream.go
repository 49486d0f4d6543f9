package lint

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// maxLine is the longest line or frame that is read, in bytes.
const maxLine = 1 << 20

// Stream checks every line of r, or every frame where octets are counted (RFC 6587), and calls found for each finding.
// Empty lines and those that begin with # are passed over. It returns how many events it checked. A line of more than
// 1 MiB and a frame that its count does not fit end it with an error.
func Stream(r io.Reader, found func(Finding)) (events int, err error) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxLine+16)
	s.Split(frames)
	n := 0
	for s.Scan() {
		n++
		line := s.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		events++
		for _, f := range Line(line) {
			f.Line = n
			found(f)
		}
	}
	if err := s.Err(); err != nil {
		return events, fmt.Errorf("after line %d: %w", n, err)
	}
	return events, nil
}

// frames splits at counts of octets where there are some, else at line ends.
func frames(data []byte, atEOF bool) (advance int, token []byte, err error) {
	digits := 0
	for digits < len(data) && digits < 8 && data[digits] >= '0' && data[digits] <= '9' {
		digits++
	}
	if digits > 0 && bytes.HasPrefix(data[digits:], []byte(" <")) {
		n, _ := strconv.Atoi(string(data[:digits]))
		end := digits + 1 + n
		switch {
		case n > maxLine:
			return 0, nil, fmt.Errorf("a frame of %d bytes, at most %d are read", n, maxLine)
		case end <= len(data):
			return end, data[digits+1 : end], nil
		case atEOF:
			return 0, nil, fmt.Errorf("the count says %d bytes, %d are left", n, len(data)-digits-1)
		}
		return 0, nil, nil
	}
	if digits > 0 && len(data) < digits+2 && !atEOF {
		return 0, nil, nil
	}
	return bufio.ScanLines(data, atEOF)
}
