package parse

import (
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"
)

func lines(t *testing.T, path string) []string {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.SplitSeq(string(text), "\n") {
		if line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out
}

// withoutHeader cuts a syslog header off.
func withoutHeader(line string) string {
	if i := strings.Index(line, "LEEF:"); i > 0 && strings.HasPrefix(line, "<") {
		return line[i:]
	}
	return line
}

func TestValidEvents(t *testing.T) {
	for _, line := range lines(t, "testdata/cef-valid.log") {
		if _, err := CEF(line); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	for _, line := range lines(t, "testdata/leef-valid.log") {
		if _, err := LEEF(withoutHeader(line)); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestCEFValues(t *testing.T) {
	e, err := CEF(`CEF:0|Con\|toso|Bri\\dge|1.0|sig|na=me|8|msg=a\=b and c\\d cs1Label=Path cs1=C:\\Users\\x\=y  two request=l1\nl2\r`)
	if err != nil {
		t.Fatal(err)
	}
	want := &Event{Format: "CEF", Version: "0", Vendor: "Con|toso", Product: `Bri\dge`, Release: "1.0", EventID: "sig", Name: "na=me", Severity: "8",
		Pairs: []Pair{{"msg", `a=b and c\d`}, {"cs1Label", "Path"}, {"cs1", `C:\Users\x=y  two`}, {"request", "l1\nl2\r"}}}
	if !reflect.DeepEqual(e, want) {
		t.Errorf("%+v", e)
	}
}

func TestLEEFValues(t *testing.T) {
	e, err := LEEF("LEEF:2.0|Microsoft|Defender|1.0|Malware|^|cat=a=b|c^filePath=C:\\x\\ ^sev=5")
	if err != nil {
		t.Fatal(err)
	}
	if want := []Pair{{"cat", "a=b|c"}, {"filePath", `C:\x\ `}, {"sev", "5"}}; !reflect.DeepEqual(e.Pairs, want) {
		t.Errorf("%+v", e.Pairs)
	}
}

func TestViolationsNameColumnAndRule(t *testing.T) {
	for line, want := range map[string]string{
		"CEF: 0|a|b|c|d|e|5|":           "column 5: the version",
		"CEF:2|a|b|c|d|e|5|":            "column 5: the version",
		"CEF:0|a|b|c|d|e|5":             "column 18: each of the seven",
		`CEF:0|a\=|b|c|d|e|5|`:          `column 8: only \\ and \|`,
		"CEF:0|a|b|c|d|e|5|msg=x=y":     "column 24: an equals sign",
		"CEF:0|a|b|c|d|e|5|msg=/p?a=b":  "column 27: an equals sign",
		`CEF:0|a|b|c|d|e|5|msg=a\tb`:    "column 24: only",
		`CEF:0|a|b|c|d|e|5|msg=a\|b`:    "column 24: only",
		`CEF:0|a|b|c|d|e|5|msg=C:\`:     "column 25: a backslash",
		"CEF:0|a|b|c|d|e|5|a_b=c":       "column 20: a key has",
		"CEF:0|a|b|c|d|e|5|msg=a msg=b": "column 25: the key msg",
		"CEF:0|a|b|c|d|e|5|msg=\x01":    "column 23: a control",
		"CEF:0|a|b|c|d|e|5|msg=\xff":    "column 23: the event is not UTF-8",
		" CEF:0|a|b|c|d|e|5|":           "column 1: an event begins",
	} {
		if _, err := CEF(line); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v", line, err)
		}
	}
	for line, want := range map[string]string{
		"LEEF:3.0|a|b|c|d|":                      "column 1: an event begins",
		"LEEF:2.0|a|b|c|d|cat=x\tsev=1":          "column 29: the header",
		"LEEF:2.0|a|b|c|d|x09|cat=x":             "column 18: the delimiter",
		"LEEF:2.0|a|b|c|d||cat=x":                "column 18: the delimiter",
		"LEEF:1.0|a|b|c|d|cat=x\tcat=y":          "column 24: the key cat",
		"LEEF:1.0|a|b|c|d|cat=x\t=y":             "column 24: key and value",
		"LEEF:1.0|a|b|c|d|cat=x\tsrc=":           "column 24: key and value",
		"LEEF:1.0|a|b|c|d|cat=x\tnothing":        "column 24: an attribute",
		"LEEF:1.0|a|b|c|d|my key=x":              "column 20: a key has",
		"LEEF:1.0|a|b|c|d":                       "column 17: the header",
		"LEEF:1.0||b|c|d|":                       "column 10: vendor",
		"LEEF:1.0|a|b|c|d|cat=x\nLEEF:1.0|a|b|c": "column 23: a line end",
	} {
		if _, err := LEEF(line); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v", line, err)
		}
	}
}

// TestNothingIsShared holds the decoders apart from the encoders, so that a mistake cannot be made in both at once.
func TestNothingIsShared(t *testing.T) {
	const module = "github.com/siembridge/siembridge/"
	for _, pkg := range []string{"formats/parse", "formats", "formats/leef", "formats/cef"} {
		out, err := exec.Command("go", "list", "-deps", module+pkg).CombinedOutput()
		if err != nil {
			t.Fatalf("go list: %v\n%s", err, out)
		}
		for dep := range strings.FieldsSeq(string(out)) {
			if pkg == "formats/parse" && dep != module+pkg && strings.HasPrefix(dep, module) || pkg != "formats/parse" && dep == module+"formats/parse" {
				t.Errorf("%s depends on %s", pkg, dep)
			}
		}
	}
}

func FuzzCEF(f *testing.F) {
	f.Add(`CEF:0|a|b|c|d|e|5|msg=a\=b cs1=x`)
	f.Add(`CEF:1|a\|b|c\\|c|d|e|5|a=b  c=`)
	f.Fuzz(func(t *testing.T, line string) {
		e, err := CEF(line)
		if err == nil && len(e.Pairs) > len(line) {
			t.Fatal("more pairs than bytes")
		}
	})
}

func FuzzLEEF(f *testing.F) {
	f.Add("LEEF:2.0|a|b|c|d|0x09|cat=x\tsev=1")
	f.Add("LEEF:1.0|a|b|c|d|")
	f.Fuzz(func(t *testing.T, line string) {
		e, err := LEEF(line)
		if err == nil && len(e.Pairs) > len(line) {
			t.Fatal("more pairs than bytes")
		}
	})
}
