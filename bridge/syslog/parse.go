package syslog

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/influxdata/go-syslog/v3/rfc5424"
)

// Message is a received frame taken apart.
type Message struct {
	Format   Format    // None: the frame has no header
	Facility Facility  // 0 to 23
	Severity uint8     // 0 (emergency) to 7 (debug)
	Time     time.Time // RFC 3164 has no year: it is 0 then
	Hostname string    // "" where an RFC 5424 header has "-"
	AppName  string    // RFC 5424 only; "" for "-"
	Payload  []byte    // what follows the header
}

// Parse takes a frame apart. RFC 5424 is read by go-syslog, RFC 3164 here, since go-syslog gives neither message nor
// error for a text with a tab in it, which every tab-delimited LEEF event has. A frame without <PRI> has no header.
func Parse(frame []byte) (Message, error) {
	if len(frame) == 0 || frame[0] != '<' {
		return Message{Format: None, Payload: frame}, nil
	}
	end := bytes.IndexByte(frame[:min(len(frame), 5)], '>')
	if end < 2 {
		return Message{}, errors.New("the priority does not end within five characters (RFC 5424 section 6.2.1)")
	}
	pri, err := strconv.ParseUint(string(frame[1:end]), 10, 8)
	if err != nil || pri > 191 {
		return Message{}, fmt.Errorf("the priority %q is no number from 0 to 191 (RFC 5424 section 6.2.1)", frame[1:end])
	}
	rest := frame[end+1:]
	if bytes.HasPrefix(rest, []byte("1 ")) {
		return parse5424(frame)
	}
	m := Message{Format: RFC3164, Facility: Facility(pri / 8), Severity: uint8(pri % 8)}
	if len(rest) < 16 || rest[15] != ' ' {
		return m, errors.New("there is no time stamp behind the priority (RFC 3164 section 4.1.2)")
	}
	if m.Time, err = time.Parse("Jan _2 15:04:05", string(rest[:15])); err != nil {
		return m, fmt.Errorf("the time stamp %q is not of the form Mmm dd hh:mm:ss (RFC 3164 section 4.1.2)", rest[:15])
	}
	host, payload, ok := bytes.Cut(rest[16:], []byte(" "))
	if !ok || len(host) == 0 {
		return m, errors.New("there is no host behind the time stamp (RFC 3164 section 4.1.2)")
	}
	m.Hostname, m.Payload = string(host), payload
	return m, nil
}

func parse5424(frame []byte) (Message, error) {
	got, err := rfc5424.NewMachine().Parse(frame)
	if err != nil {
		return Message{}, fmt.Errorf("the RFC 5424 header: %w", err)
	}
	s, ok := got.(*rfc5424.SyslogMessage)
	if !ok || s.Priority == nil {
		return Message{}, errors.New("no RFC 5424 message")
	}
	m := Message{Format: RFC5424, Facility: Facility(*s.Priority / 8), Severity: *s.Priority % 8}
	if s.Timestamp != nil {
		m.Time = *s.Timestamp
	}
	if s.Hostname != nil {
		m.Hostname = *s.Hostname
	}
	if s.Appname != nil {
		m.AppName = *s.Appname
	}
	if s.Message != nil {
		m.Payload = []byte(*s.Message)
	}
	return m, nil
}
