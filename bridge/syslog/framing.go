package syslog

import (
	"bytes"
	"fmt"
	"strconv"
)

// Framing says how one event is told from the next on a stream.
type Framing uint8

// The framings.
const (
	Newline       Framing = iota // a line feed behind each event (RFC 6587 section 3.4.2)
	OctetCounting                // the length in front of each event (RFC 6587 section 3.4.1, RFC 5425 section 4.3)
	NUL                          // a NUL behind each event (RFC 6587 section 3.4.2)
)

// ParseFraming finds a framing by its name in the configuration: newline, octet-counting, nul.
func ParseFraming(name string) (Framing, error) {
	switch name {
	case "newline":
		return Newline, nil
	case "octet-counting":
		return OctetCounting, nil
	case "nul":
		return NUL, nil
	}
	return 0, fmt.Errorf("no framing is named %q; there are newline, octet-counting, nul", name)
}

// lengthDigits is room for the length of any event: 10 digits and a blank.
const lengthDigits = 11

// Begin appends what stands before an event and returns where it began, for End.
func (f Framing) Begin(dst []byte) (out []byte, start int) {
	start = len(dst)
	if f == OctetCounting {
		dst = append(dst, "           "[:lengthDigits]...)
	}
	return dst, start
}

// End closes the event that was appended since Begin and returns the slice with the whole frame. A line feed or a NUL
// inside an event would end it early for a receiver; encoders write neither, and End makes a blank of one all the same.
func (f Framing) End(dst []byte, start int) []byte {
	if f == OctetCounting {
		event := dst[start+lengthDigits:]
		var digits [lengthDigits]byte
		head := append(strconv.AppendInt(digits[:0], int64(len(event)), 10), ' ')
		n := copy(dst[start:], head)
		n += copy(dst[start+n:], event)
		return dst[:start+n]
	}
	trailer := byte('\n')
	if f == NUL {
		trailer = 0
	}
	event := dst[start:]
	for {
		i := bytes.IndexByte(event, trailer)
		if i < 0 {
			return append(dst, trailer)
		}
		event[i] = ' '
		event = event[i+1:]
	}
}
