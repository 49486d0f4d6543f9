// Package syslog writes syslog headers and frames, and reads them where we receive.
//
// Everything here is pure: no socket, no clock. A sender appends a header and an event and frames them; a receiver
// cuts frames from a stream with a Scanner and takes them apart with Parse.
//
// Headers are written here and not by go-syslog, whose builder leaves out what it does not like without an error and
// prints fractions of a second without trailing zeros, while QRadar wants exactly three decimals. RFC 5424 is read by
// go-syslog.
package syslog

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/siembridge/siembridge/formats"
)

// Format is the form of a syslog header.
type Format uint8

// The forms.
const (
	RFC3164 Format = iota // <PRI>Mmm dd hh:mm:ss host, without a TAG (RFC 3164 section 4.1)
	RFC5424               // <PRI>1 time host app procid msgid - (RFC 5424 section 6)
	None                  // no header: the event alone
)

// Facility is a syslog facility, 0 to 23 (RFC 5424 section 6.2.1).
type Facility uint8

var facilityNames = [...]string{"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
	"ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"}

// ParseFacility finds a facility by its name, e.g. "local4".
func ParseFacility(name string) (Facility, error) {
	for i, n := range facilityNames {
		if n == name {
			return Facility(i), nil
		}
	}
	return 0, fmt.Errorf("no syslog facility is named %q; there are %s", name, strings.Join(facilityNames[:], ", "))
}

// ParseFormat finds a header's form by its name in the configuration: rfc3164, rfc5424, none.
func ParseFormat(name string) (Format, error) {
	switch name {
	case "rfc3164":
		return RFC3164, nil
	case "rfc5424":
		return RFC5424, nil
	case "none":
		return None, nil
	}
	return 0, fmt.Errorf("no syslog header is named %q; there are rfc3164, rfc5424, none", name)
}

// Header is what the headers of one destination have in common.
type Header struct {
	Format   Format   // of all headers
	Facility Facility // of all headers
	AppName  string   // RFC 5424 APP-NAME, at most 48 printable ASCII characters
	ProcID   string   // RFC 5424 PROCID, at most 128; "": "-"
	MsgID    string   // RFC 5424 MSGID, at most 32; "": "-"
}

// Append appends a header with the blank behind it. t is written in UTC, with three decimals where the form has
// fractions; severity is a syslog severity, 0 (emergency) to 7 (debug).
func (h *Header) Append(dst []byte, t time.Time, hostname string, severity uint8) []byte {
	if h.Format == None {
		return dst
	}
	dst = append(dst, '<')
	dst = strconv.AppendUint(dst, uint64(h.Facility)*8+uint64(severity&7), 10)
	dst = append(dst, '>')
	t = t.UTC()
	if h.Format == RFC3164 {
		dst = append(appendStamp(dst, t), ' ')
		dst = append(dst, hostname...)
		return append(dst, ' ')
	}
	dst = append(dst, "1 "...)
	dst = t.AppendFormat(dst, "2006-01-02T15:04:05.000Z ")
	for _, field := range [...]string{hostname, h.AppName, h.ProcID, h.MsgID} {
		dst = append(dst, orNil(field)...)
		dst = append(dst, ' ')
	}
	return append(dst, "- "...)
}

// appendStamp appends the TIMESTAMP of RFC 3164 (section 4.1.2): "Jan _2 15:04:05" as package time has it. It stands in
// front of every event, so it is made by hand.
func appendStamp(dst []byte, t time.Time) []byte {
	_, month, day := t.Date()
	hour, minute, second := t.Clock()
	dst = appendTwo(append(dst, month.String()[:3]...), ' ', day)
	if day < 10 {
		dst[len(dst)-2] = ' '
	}
	return appendTwo(appendTwo(appendTwo(dst, ' ', hour), ':', minute), ':', second)
}

func appendTwo(dst []byte, before byte, n int) []byte {
	return append(dst, before, byte('0'+n/10), byte('0'+n%10))
}

// orNil returns the NILVALUE of RFC 5424 for a field without a value.
func orNil(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// CheckHostname says what is wrong with a header's HOSTNAME: it is a name or an IPv4 address of at most 255 printable
// ASCII characters. IPv6 is refused, since QRadar cannot route on it.
func CheckHostname(name string) error {
	if strings.Contains(name, ":") {
		return fmt.Errorf("%q: QRadar cannot route on an IPv6 address in the header; use a name or an IPv4 address", name)
	}
	return checkField("a hostname", name, 255)
}

// CheckAppName says what is wrong with an RFC 5424 APP-NAME: at most 48 printable ASCII characters.
func CheckAppName(name string) error { return checkField("an app name", name, 48) }

func checkField(what, s string, most int) error {
	if s == "" || len(s) > most {
		return fmt.Errorf("%s has 1 to %d characters (RFC 5424 section 6), this one has %d", what, most, len(s))
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return fmt.Errorf("%s has printable ASCII characters without blanks only (RFC 5424 section 6), not %q", what, s[i:i+1])
		}
	}
	return nil
}

// SeverityOf is the syslog severity (RFC 5424 section 6.2.1) of a detection: high is 3 (error), medium 4 (warning), low
// and unknown 5 (notice), informational 6.
func SeverityOf(s formats.Severity) uint8 {
	switch s {
	case formats.SeverityHigh:
		return 3
	case formats.SeverityMedium:
		return 4
	case formats.SeverityInformational:
		return 6
	}
	return 5
}
