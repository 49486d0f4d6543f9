package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestParserFileAsMapping: mapping_file takes an ArcSight parser file for CEF and refuses one that is not understood
// in full, each line by its number, or one for another format.
func TestParserFileAsMapping(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := write("good.jsonparser.properties", "token[0].name=AlertTitle\nevent.message=AlertTitle\n")
	bad := write("bad.jsonparser.properties", "event.message=Nowhere\nsubmessage.count=1\n")
	e, err := NewEncoder(&Destination{Format: "cef:0", MappingFile: good})
	if err != nil {
		t.Fatal(err)
	}
	if rows := e.Table().Rows(); rows[0].Key != "msg" || rows[0].From != "flexconnector:AlertTitle" {
		t.Errorf("%+v", rows)
	}
	_, err = NewEncoder(&Destination{Format: "cef:0", MappingFile: bad})
	for _, want := range []string{"line 1: event.message: ", "line 2: submessage.count: "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("lacks %q: %v", want, err)
		}
	}
	if _, err := NewEncoder(&Destination{Format: "leef:2.0", MappingFile: good}); err == nil || !strings.Contains(err.Error(), "cef") {
		t.Errorf("as LEEF: %v", err)
	}
}
