package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestLint(t *testing.T) {
	out, errs, err := runCommand(t, "lint", "../../formats/lint/testdata/cef-valid.log")
	if err != nil || out != "" || errs != "10 events, 0 findings\n" {
		t.Errorf("valid events: %v, %q, %q", err, out, errs)
	}

	path := writeTemp(t, "events.log", "# a comment\nCEF:0|V|P|1|a|b|5|msg=x=y\n\nCEF:0|V|P|1|a|b|5|spt=70000 cs1=x\n")
	out, errs, err = runCommand(t, "lint", path)
	var failure quietFailure
	if !errors.As(err, &failure) || errs != "2 events, 3 findings\n" {
		t.Errorf("%v, %q", err, errs)
	}
	want := path + `:2:24: an equals sign in a value is written \= (CEF Implementation Standard, document 27, Character Encoding)
` + path + `:4:23: spt is of type port, which "70000" is not (CEF Implementation Standard, document 27)
` + path + `:4:29: cs1 has no label (cs1Label) (CEF Implementation Standard, document 27)
`
	if out != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}

	out, _, _ = runCommand(t, "lint", "--json", path)
	var finding struct {
		Line, Column  int
		Fault, Source string
	}
	first, _, _ := strings.Cut(out, "\n")
	if err := json.Unmarshal([]byte(first), &finding); err != nil || finding.Line != 2 || finding.Column != 24 || !strings.HasSuffix(finding.Source, "Character Encoding") {
		t.Errorf("%v in %q", err, first)
	}

	var usage usageError
	if _, _, err := runCommand(t, "lint", path+".none"); !errors.As(err, &usage) {
		t.Errorf("a file that is not there: %v", err)
	}
}
