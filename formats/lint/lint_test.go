package lint

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// faults returns the findings of a file by line.
func faults(t *testing.T, path string) (map[int]string, int) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	found := map[int]string{}
	n, err := Stream(f, func(f Finding) { found[f.Line] += f.String() + "\n" })
	if err != nil {
		t.Fatal(err)
	}
	return found, n
}

func TestInvalidEventsAreNamed(t *testing.T) {
	for path, want := range map[string]map[int]string{
		"testdata/cef-invalid.log": {1: "equals sign", 2: "escapes in a value", 3: "escapes in a value", 4: "escapes in the header",
			5: "escapes in the header", 6: "seven header fields", 7: "version is 0 or 1", 8: "start is a time", 9: "type port",
			10: "cn1 is of type long", 11: "equals sign", 12: "a key and an equals sign"},
		"testdata/leef-invalid.log": {3: "6 fields", 5: "5 fields", 7: "6 fields", 9: "backslash before a pipe", 11: "begins with LEEF",
			13: `separated by " "`, 17: `separated by "\t"`, 19: "an equals sign and a value", 21: "x0009", 23: "the delimiter is",
			25: "occurs twice", 27: "not empty", 29: "letters and digits", 31: "spelled usrName", 33: "type severity",
			35: "type severity", 37: "type ip", 39: "type port", 41: "devTimeFormat", 43: "three decimals", 45: "255 characters",
			47: "256 bytes", 49: "IPv6 address", 51: "inside the syslog header", 53: "byte-order mark"},
	} {
		found, _ := faults(t, path)
		if len(found) != len(want) {
			t.Errorf("%s: findings on %d lines, not %d", path, len(found), len(want))
		}
		for line, fault := range want {
			if !strings.Contains(found[line], fault) {
				t.Errorf("%s:%d: %q lacks %q", path, line, found[line], fault)
			}
		}
	}
}

func TestValidEventsPass(t *testing.T) {
	for path, want := range map[string]int{"testdata/cef-valid.log": 10, "testdata/leef-valid.log": 15} {
		if found, n := faults(t, path); n != want || len(found) > 0 {
			t.Errorf("%s: %d events, findings %v", path, n, found)
		}
	}
}

// Faults that the files of invalid events have not.
func TestFaultsOfALine(t *testing.T) {
	const event = `CEF:0|V|P|1|a|b|5|msg=x`
	for line, want := range map[string]string{
		"<0>Nov 23 10:11:12 host " + event:                    "",
		"<191>Nov 23 10:11:12 host " + event:                  "",
		"Nov 23 10:11:12 host " + event:                       "",
		"<134>1 2026-11-23T10:11:12Z host app - - - " + event: "",
		"1 2026-11-23T10:11:12Z host app - - - " + event:      "0:1: the text before the event is no syslog header (RFC 3164, RFC 5424)",
		"<999>Nov 23 10:11:12 host " + event:                  `0:2: the priority is 0 to 191, not "999" (RFC 3164, RFC 5424)`,
		"<192>1 2026-11-23T10:11:12Z host app - - - " + event: `0:2: the priority is 0 to 191, not "192" (RFC 3164, RFC 5424)`,
		"<1340>Nov 23 10:11:12 host " + event:                 `0:2: the priority is 0 to 191, not "1340" (RFC 3164, RFC 5424)`,
		"<-1>Nov 23 10:11:12 host " + event:                   `0:2: the priority is 0 to 191, not "-1" (RFC 3164, RFC 5424)`,
		"<>Nov 23 10:11:12 host " + event:                     `0:2: the priority is 0 to 191, not "" (RFC 3164, RFC 5424)`,
		"<034>Nov 23 10:11:12 host " + event:                  "0:2: the priority 034 has leading zeros, which some readers take for no header (RFC 3164, RFC 5424)",
		"<00>Nov 23 10:11:12 host " + event:                   "0:2: the priority 00 has leading zeros, which some readers take for no header (RFC 3164, RFC 5424)",
		"CEF:0|V|P|1|a|b|5|reportedDuration=5":                "0:19: the key reportedDuration exists from version 1 on (CEF Implementation Standard, document 27)",
		"CEF:1|V|P|1|a|b|5|reportedDuration=5":                "",
		"CEF:0|V|P|1|a|b|5|cs1Label=Rule msg=x":               "0:19: cs1Label labels cs1, which is missing (CEF Implementation Standard, document 27)",
		"CEF:0|V|P|1|a|b|5|msg=x cs1=Rule":                    "0:25: cs1 has no label (cs1Label) (CEF Implementation Standard, document 27)",
		"CEF:0|V|P|1|a|b|5|cs1Label=Rule cs1=r":               "",
		"CEF:0|V|P|1|a|b|5|flexDate1=1795428672000":           "0:19: flexDate1 has no label (flexDate1Label) (CEF Implementation Standard, document 27)",
	} {
		var got []string
		for _, f := range Line(line) {
			got = append(got, f.String())
		}
		if strings.Join(got, "\n") != want {
			t.Errorf("%s\ngave %q\nwant %q", line, got, want)
		}
	}
}

func TestGoldenEventsPass(t *testing.T) {
	events := 0
	err := filepath.WalkDir("../testdata/events", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		for line := range strings.SplitSeq(string(text), "\n") {
			if strings.HasPrefix(line, "CEF:") || strings.HasPrefix(line, "LEEF:") {
				events++
				for _, f := range Line(line) {
					t.Errorf("%s: %v", path, f)
				}
			}
		}
		return err
	})
	if err != nil || events == 0 {
		t.Fatalf("%d events: %v", events, err)
	}
	t.Logf("%d events", events)
}

func TestStreamCountsOctets(t *testing.T) {
	event := "<134>Nov 23 10:11:12 host CEF:0|V|P|1|a|b|5|spt=x"
	n := 0
	events, err := Stream(strings.NewReader("49 "+event+"49 "+event), func(f Finding) { n++ })
	if err != nil || events != 2 || n != 2 {
		t.Errorf("%d events, %d findings, %v", events, n, err)
	}
	if _, err = Stream(strings.NewReader("99 "+event), func(Finding) {}); err == nil {
		t.Error("a frame that is cut off passes")
	}
}
