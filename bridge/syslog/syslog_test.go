package syslog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/siembridge/siembridge/formats"
)

var when = time.Date(2026, 11, 3, 9, 8, 7, 120_999_999, time.FixedZone("", 3600))

func TestHeaders(t *testing.T) {
	for want, h := range map[string]Header{
		"<166>Nov  3 08:08:07 bridge.example.org EVENT":                             {Format: RFC3164, Facility: 20},
		"<166>1 2026-11-03T08:08:07.120Z bridge.example.org siembridge - - - EVENT": {Format: RFC5424, Facility: 20, AppName: "siembridge"},
		"<166>1 2026-11-03T08:08:07.120Z bridge.example.org app 7 alert - EVENT":    {Format: RFC5424, Facility: 20, AppName: "app", ProcID: "7", MsgID: "alert"},
		"EVENT": {Format: None},
	} {
		got := append(h.Append(nil, when, "bridge.example.org", SeverityOf(formats.SeverityInformational)), "EVENT"...)
		if string(got) != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		m, err := Parse(got)
		if err != nil || string(m.Payload) != "EVENT" || m.Format != h.Format {
			t.Errorf("%s: read back as %+v, %v", got, m, err)
		}
		if h.Format != None && (m.Facility != 20 || m.Severity != 6 || m.Hostname != "bridge.example.org") {
			t.Errorf("%s: read back as %+v", got, m)
		}
	}
}

func TestRFC5424TimesHaveThreeDecimals(t *testing.T) {
	h := Header{Format: RFC5424}
	got := string(h.Append(nil, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "h", 0))
	if !strings.Contains(got, "2026-01-02T03:04:05.000Z") {
		t.Error(got)
	}
}

func TestFieldsOfTheHeader(t *testing.T) {
	for _, bad := range []string{"", "a b", "ä", "2001:db8::1", strings.Repeat("x", 256), "a\nb"} {
		if CheckHostname(bad) == nil {
			t.Errorf("hostname %q passes", bad)
		}
	}
	for _, good := range []string{"bridge", "192.0.2.1", "a.b-c"} {
		if err := CheckHostname(good); err != nil {
			t.Error(err)
		}
	}
	if CheckAppName(strings.Repeat("x", 49)) == nil {
		t.Error("an app name of 49 characters passes")
	}
}

func frames(events ...string) (newline, counted, nul []byte) {
	for _, e := range events {
		for _, x := range []struct {
			f   Framing
			out *[]byte
		}{{Newline, &newline}, {OctetCounting, &counted}, {NUL, &nul}} {
			out, start := x.f.Begin(*x.out)
			*x.out = x.f.End(append(out, e...), start)
		}
	}
	return newline, counted, nul
}

func TestFramesAreReadBack(t *testing.T) {
	events := []string{"<1>one", "<2>two\twith tab", "<3>" + strings.Repeat("x", 100_000), "last"}
	newline, counted, nul := frames(events...)
	for name, stream := range map[string][]byte{"newline": newline, "octet-counting": counted, "nul": nul,
		"mixed": append(append(append([]byte(nil), newline...), counted...), nul...)} {
		for _, r := range []io.Reader{bytes.NewReader(stream), iotest.OneByteReader(bytes.NewReader(stream))} {
			s := NewScanner(r, 0)
			n := 0
			for {
				f, err := s.Next()
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatalf("%s: frame %d: %v", name, n, err)
				}
				if want := events[n%len(events)]; string(f) != want {
					t.Fatalf("%s: frame %d is %.40q", name, n, f)
				}
				n++
			}
			if n%len(events) != 0 || n == 0 {
				t.Errorf("%s: %d frames", name, n)
			}
		}
	}
}

func TestNoEventEndsAFrameEarly(t *testing.T) {
	for _, f := range []Framing{Newline, NUL} {
		out, start := f.Begin(nil)
		out = f.End(append(out, "a\nb\x00c"...), start)
		s := NewScanner(bytes.NewReader(out), 0)
		if f == NUL {
			continue // a scanner that does not know the framing ends a line at either
		}
		frame, err := s.Next()
		if err != nil || bytes.Contains(frame, []byte("\n")) {
			t.Errorf("%q, %v", frame, err)
		}
	}
}

func TestScannerOfBrokenStreams(t *testing.T) {
	for stream, want := range map[string]error{
		"":                        io.EOF,
		"\n\r\n":                  io.EOF,
		"cut off":                 io.ErrUnexpectedEOF,
		"10 short":                io.ErrUnexpectedEOF,
		"99":                      io.ErrUnexpectedEOF,
		"99999999999999999999 x":  ErrFrameTooLong,
		strings.Repeat("x", 2000): io.ErrUnexpectedEOF,
	} {
		_, err := NewScanner(strings.NewReader(stream), 1000).Next()
		if !errors.Is(err, want) {
			t.Errorf("%.20q: %v, not %v", stream, err, want)
		}
	}
	s := NewScanner(strings.NewReader(strings.Repeat("x", 2000)+"\nnext\n"), 1000)
	if _, err := s.Next(); !errors.Is(err, ErrFrameTooLong) {
		t.Errorf("a line that is too long: %v", err)
	}
	if f, err := s.Next(); err != nil || string(f) != "next" {
		t.Errorf("the line behind it: %q, %v", f, err)
	}
}

func TestParseOfForgedHeaders(t *testing.T) {
	for _, frame := range []string{"<", "<>", "<192>x", "<1>", "<1>Nov 33 08:08:07 h x", "<1>Nov  3 08:08:07 ", "<1>1 notatime h a p m - x"} {
		if m, err := Parse([]byte(frame)); err == nil {
			t.Errorf("%q: %+v", frame, m)
		}
	}
}

func FuzzScanner(f *testing.F) {
	newline, counted, nul := frames("<1>a", "<2>b", "")
	for _, seed := range [][]byte{newline, counted, nul, []byte("12"), []byte("1 \n"), []byte("0 x\n"), []byte("5 abc\n")} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		s := NewScanner(bytes.NewReader(stream), 100)
		total := 0
		for range len(stream) + 2 {
			frame, err := s.Next()
			total += len(frame)
			if len(frame) > 100 || total > len(stream) {
				t.Fatalf("frames of %d bytes out of %d", total, len(stream))
			}
			if err == nil {
				_, _ = Parse(frame)
				continue
			}
			if !errors.Is(err, ErrFrameTooLong) {
				return
			}
		}
	})
}

func FuzzFraming(f *testing.F) {
	f.Add([]byte("<1>a"), uint8(0))
	f.Add([]byte("9 x"), uint8(1))
	f.Add([]byte("\n\x00"), uint8(2))
	f.Fuzz(func(t *testing.T, event []byte, framing uint8) {
		how := Framing(framing % 3)
		if how != OctetCounting {
			event = bytes.Map(func(r rune) rune {
				if r == 0 || r == '\n' || r == '\r' {
					return 'x'
				}
				return r
			}, event)
			if len(event) == 0 || event[0] >= '0' && event[0] <= '9' {
				return // an event begins with <, LEEF or CEF
			}
		}
		out, start := how.Begin([]byte(""))
		out = how.End(append(out, event...), start)
		if len(event) == 0 {
			return
		}
		frame, err := NewScanner(bytes.NewReader(out), 0).Next()
		if err != nil || !bytes.Equal(frame, event) {
			t.Fatalf("%q came back as %q, %v", event, frame, err)
		}
	})
}

func TestStamp(t *testing.T) {
	for seconds := int64(0); seconds < 400*24*3600; seconds += 3671 {
		at := time.Unix(1_800_000_000+seconds, 999_999_999).UTC()
		if got, want := string(appendStamp([]byte("x"), at)), at.Format("xJan _2 15:04:05"); got != want {
			t.Fatalf("%q, not %q", got, want)
		}
	}
}

func BenchmarkHeaderAndFrame(b *testing.B) {
	event := bytes.Repeat([]byte("x"), 900)
	for i, framing := range []Framing{Newline, OctetCounting} {
		h := Header{Format: Format(i), Facility: 20, AppName: "siembridge"} // RFC 3164 with the one, RFC 5424 with the other
		b.Run(fmt.Sprint(framing), func(b *testing.B) {
			b.ReportAllocs()
			var buf []byte
			for b.Loop() {
				out, start := framing.Begin(buf[:0])
				out = h.Append(out, when, "bridge.example.org", 4)
				buf = framing.End(append(out, event...), start)
			}
		})
	}
}
