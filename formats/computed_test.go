package formats_test

import (
	"strings"
	"testing"

	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/cef"
)

// TestComputed: values that a program computes stand in a table like fields, get the type of their key, and leave
// their turn to the next source when they have nothing.
func TestComputed(t *testing.T) {
	table := &formats.Mapping{
		Attributes: []formats.Attribute{
			{Key: "cs2", From: formats.Names{"my:loud", "status"}, Label: "Loud"},
			{Key: "deviceCustomDate1", From: formats.Names{"my:time"}, Label: "When"},
			{Key: "cn3", From: formats.Names{"my:loud"}, Label: "NoNumber"},
		},
		Computed: map[string]func(*formats.Detection) string{
			"my:loud": func(d *formats.Detection) string { return strings.ToUpper(d.Title) },
			"my:time": func(*formats.Detection) string { return "2026-03-01T00:00:00.5Z" },
		},
	}
	encoder, err := cef.New(cef.Options{Additions: formats.Additions{Extend: table}})
	if err != nil {
		t.Fatal(err)
	}
	line, loss := encoder.AppendEvent(nil, &formats.Detection{Title: "a=b"}, 4096)
	for _, want := range []string{`cs2=A\=B`, "deviceCustomDate1=1772323200500"} {
		if !strings.Contains(string(line), want) {
			t.Errorf("lacks %s: %s", want, line)
		}
	}
	if len(loss.Mistyped) != 1 || loss.Mistyped[0] != "cn3" {
		t.Errorf("mistyped: %v", loss.Mistyped)
	}
	if line, _ = encoder.AppendEvent(nil, &formats.Detection{Status: "new"}, 4096); !strings.Contains(string(line), "cs2=new") {
		t.Errorf("the next source has no turn: %s", line)
	}
	if _, err := cef.New(cef.Options{Additions: formats.Additions{Extend: &formats.Mapping{Attributes: table.Attributes}}}); err == nil {
		t.Error("a computed value that nobody computes passes")
	}
}
