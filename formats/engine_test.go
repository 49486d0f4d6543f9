package formats

import (
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestClean(t *testing.T) {
	for _, c := range []struct{ in, line, text string }{
		{" a ", "a", "a"},
		{"a\r\nb\nc\rd", "a b c d", "a\r\nb\nc\rd"},
		{"a\u0085b\u2028c\u2029d", "a b c d", "a\nb\nc\nd"},
		{"a\tb\vc\fd", "a b c d", "a b c d"},
		{"\x00a\x01b\x7fc\u0080d", "abcd", "abcd"},
		{"\x00 \n a \n \x00", "a", "a"},
		{"\ufeffa\u202eb\u2066c", "abc", "abc"},
		{"a\xffb\xc3(", "a\ufffdb\ufffd(", "a\ufffdb\ufffd("},
		{"a^b", "a b", "a^b"},
		{"\x00", "", ""},
		{"  two   blanks  ", "two   blanks", "two   blanks"},
	} {
		if got := string(AppendClean([]byte("x"), c.in, Cleaning{Delimiter: '^'}, -1)); got != "x"+c.line {
			t.Errorf("%q as a line: %q", c.in, got)
		}
		if got := string(AppendClean(nil, c.in, Cleaning{KeepNewlines: true}, -1)); got != c.text {
			t.Errorf("%q as a text: %q", c.in, got)
		}
	}
}

// Eight bytes at a time are looked at as each of them alone is: every byte at every place among plain ones.
func TestPlainText(t *testing.T) {
	const text = "abcdefgh ijklmn_"
	layout := Layout{Clean: Cleaning{Delimiter: '^'}, Escapes: [2]byte{'\\', '='}}
	for c := range 256 {
		for at := range text {
			b := []byte(text)
			b[at] = byte(c)
			s, run := string(b), len(text)
			if c < ' ' || c > '~' || c == '^' {
				run = at
			}
			if got := plainRun(s, '^'); got != run {
				t.Errorf("%q: the first %d bytes are plain", s, got)
			}
			for from := range at + 1 {
				for to := at + 1; to <= len(text); to++ {
					s := s[from:to]
					plain := run == len(text) && s[0] != ' ' && s[len(s)-1] != ' '
					special := plain && (c == '\\' || c == '=')
					if gotPlain, gotSpecial := layout.look(s); gotPlain != plain || gotSpecial != special {
						t.Errorf("%q: plain %v, special %v", s, gotPlain, gotSpecial)
					}
				}
			}
		}
	}
}

// A limit saves work and changes nothing: what fits is whole, what does not is longer than the limit and the same up
// to there.
func TestCleanLimit(t *testing.T) {
	piece := rapid.SampledFrom([]string{"a", " ", "   ", "\n", "\x00", "検", "\xff", "\t", strings.Repeat("b", 90), strings.Repeat(" ", 90), "\u202e", "\u00a0"})
	rapid.Check(t, func(t *rapid.T) {
		in := strings.Join(rapid.SliceOfN(piece, 0, 40).Draw(t, "pieces"), "")
		limit := rapid.IntRange(0, 200).Draw(t, "limit")
		how := Cleaning{KeepNewlines: rapid.Bool().Draw(t, "keep")}
		whole := AppendClean(nil, in, how, -1)
		got := AppendClean(nil, in, how, limit)
		if (len(got) > limit) != (len(whole) > limit) || string(got[:min(limit, len(got))]) != string(whole[:min(limit, len(whole))]) {
			t.Fatalf("%q with limit %d: %q, without: %q", in, limit, got, whole)
		}
		if again := AppendClean(nil, string(whole), how, -1); string(again) != string(whole) {
			t.Fatalf("cleaned twice: %q, once: %q", again, whole)
		}
		cut := cutText(append([]byte(nil), whole...), limit)
		if len(cut) > max(limit, 0) && len(whole) > limit || !utf8.Valid(cut) {
			t.Fatalf("cut to %d: %q", limit, cut)
		}
	})
}

func TestIsIPv4(t *testing.T) {
	part := rapid.SampledFrom([]string{"0", "1", "9", "10", "25", "99", "100", "249", "255", "256", "260", "300", "999", "1000", "01", "00", "", " ", "a", "::", ".", "-1"})
	rapid.Check(t, func(t *rapid.T) {
		s := strings.Join(rapid.SliceOfN(part, 3, 5).Draw(t, "parts"), ".")
		addr, err := netip.ParseAddr(s)
		if want := err == nil && addr.Is4(); isIPv4(s) != want {
			t.Fatalf("%q is an IPv4 address: %v", s, !want)
		}
	})
}

func TestAppendTyped(t *testing.T) {
	for _, c := range []struct {
		t        ValueType
		in, want string
		how      fit
	}{
		{ValueInteger, "2147483647", "2147483647", fits}, {ValueInteger, "2147483648", "", misfits}, {ValueInteger, "-5", "-5", fits},
		{ValueInteger, "007", "7", fits}, {ValueInteger, "1.0", "", misfits}, {ValueInteger, "0x10", "", misfits}, {ValueInteger, "true", "1", fits},
		{ValueInteger, "False", "0", fits}, {ValueInteger, " 5 ", "5", fits}, {ValueInteger, "-", "", misfits}, {ValueInteger, "+5", "", misfits},
		{ValueLong, "999999999999999999", "999999999999999999", fits}, {ValueLong, "99999999999999999999", "", misfits},
		{ValueLong, "9223372036854775807", "9223372036854775807", fits}, {ValueLong, "9223372036854775808", "", misfits}, {ValueLong, "18446744073709551616", "", misfits},
		{ValueLong, "-9223372036854775808", "-9223372036854775808", fits}, {ValueLong, "-9223372036854775809", "", misfits}, {ValueLong, "-0", "0", fits},
		{ValuePort, "65535", "65535", fits}, {ValuePort, "65536", "", misfits}, {ValuePort, "-1", "", misfits},
		{ValueFloat, "1.50", "1.5", fits}, {ValueFloat, "NaN", "", misfits}, {ValueFloat, "1e400", "", misfits},
		{ValueIPv4, "10.0.0.1", "10.0.0.1", fits}, {ValueIPv4, "::ffff:10.0.0.1", "10.0.0.1", fits}, {ValueIPv4, "::1", "", otherKind},
		{ValueIPv4, "10.0.0.256", "", misfits}, {ValueIPv4, "host", "", misfits}, {ValueIPv4, "10.0.0.1:443", "", misfits}, {ValueIPv4, "", "", misfits},
		{ValueIPv6, "FE80::1%eth0", "fe80::1", fits}, {ValueIPv6, "10.0.0.1", "", otherKind}, {ValueIP, "10.0.0.1", "10.0.0.1", fits}, {ValueIP, "::1", "::1", fits},
		{ValueMAC, "00155D012345", "00:15:5D:01:23:45", fits}, {ValueMAC, "00-15-5d-01-23-45", "00:15:5d:01:23:45", fits}, {ValueMAC, "00155D01234", "", misfits}, {ValueMAC, "00155D0123456", "", misfits},
		{ValueBool, "TRUE", "true", fits}, {ValueBool, "1", "", misfits},
		{ValueSeverity, "10", "10", fits}, {ValueSeverity, "0", "", misfits},
	} {
		if got, how := appendTyped(nil, c.t, c.in); string(got) != c.want || how != c.how {
			t.Errorf("%s %q: %q, %d", c.t, c.in, got, how)
		}
	}
}

func TestMillisAreCutNotRounded(t *testing.T) {
	for in, want := range map[string]string{"2026-11-23T10:11:12.1239999Z": "1795428672123", "2001-09-09T01:46:39.999Z": "", "2286-11-20T17:46:40Z": "", "0001-01-01T00:00:00Z": ""} {
		when, err := time.Parse(time.RFC3339Nano, in)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := appendMillis(nil, when); string(got) != want {
			t.Errorf("%s: %q", in, got)
		}
	}
}

func TestPointer(t *testing.T) {
	raw := []byte(`{"a": {"b": [1, "two", {"c/d": true, "e~f": null}]}, "": "empty", "a2": {"x": 1, "x": 2}, "bad": "\ud800"}`)
	for path, want := range map[string]string{
		"/a/b/0": "1", "/a/b/1": "two", "/a/b/2/c~1d": "true", "/a/b/2/e~0f": "", "/": "empty", "/a/b": `[1,"two",{"c/d":true,"e~f":null}]`,
		"/a/b/3": "", "/a/b/01": "", "/a/b/-": "", "/a/x": "", "/a/b/0/x": "", "/a2/x": "1", "/zzz": "", "/bad": "\ufffd",
	} {
		s, err := compileSource(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.text(&Detection{Raw: raw}, 0); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	for _, broken := range []string{"", "{", `{"a"`, `[1`, "nonsense", `{"a":{"b":[`} {
		s, _ := compileSource("/a/b/0", nil)
		if got := s.text(&Detection{Raw: []byte(broken)}, 0); got != "" {
			t.Errorf("%s: %q", broken, got)
		}
	}
}

func TestLossListsAreShared(t *testing.T) {
	var n lossNames
	n.init([]attribute{{key: "a"}, {key: "b"}, {key: "c"}})
	var set keySet
	set.add(0)
	set.add(2)
	first, second := n.of(set), n.of(set)
	if strings.Join(first, ",") != "a,c" || &first[0] != &second[0] {
		t.Errorf("got %v and %v", first, second)
	}
	if n.of(keySet{}) != nil {
		t.Error("no loss is nil")
	}
}
