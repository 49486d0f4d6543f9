package preview_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/preview"
)

// TestRecordsAreOfTheirSource: a record is taken for one of the source of its API that the destination takes records of,
// with that one's name and fields.
func TestRecordsAreOfTheirSource(t *testing.T) {
	const text = `
state_dir = "/tmp/nowhere"
[[source]]
name = "first"
api = "file"
path = "-"
fields = { site = "elsewhere" }
[[source]]
name = "second"
api = "file"
path = "/tmp/none.json"
fields = { site = "here" }
[[destination]]
name = "siem"
type = "qradar"
address = "siem.example.org"
sources = ["second"]
filter = 'source == "second"'
`
	const alert = `{"id":"da1","title":"t","alertWebUrl":"u","createdDateTime":"2026-03-01T08:00:00Z","evidence":[{"@odata.type":"x.ipEvidence","ipAddress":"192.0.2.1"}]}`
	cfg, err := config.Parse("siembridge.toml", text)
	if err != nil {
		t.Fatal(err)
	}
	p, err := preview.OfDestination(cfg, &cfg.Destinations[0])
	if err != nil {
		t.Fatal(err)
	}
	var out, errs strings.Builder
	complete, err := p.Write(strings.NewReader(alert), &out, &errs)
	if err != nil || !complete || !strings.Contains(out.String(), "\tbridgeSource=second\t") || !strings.Contains(out.String(), "\tsite=here") {
		t.Errorf("%v, %v, %s: %s", complete, err, &errs, &out)
	}
	out.Reset()
	if complete, err = preview.Diff(p, p, []string{"-"}, strings.NewReader(alert), &out, &errs); err != nil || !complete || !strings.HasPrefix(out.String(), "1 event compared") {
		t.Errorf("%v, %v, %s: %s", complete, err, &errs, &out)
	}
}

// TestLongTextsOfTheDifference: what is longer than a line has room for is shown with its length, whatever it is written in.
func TestLongTextsOfTheDifference(t *testing.T) {
	mapping := filepath.Join(t.TempDir(), "mine.toml")
	if err := os.WriteFile(mapping, []byte(`attributes = [{ key = "alertTitle", remove = true }]`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, title := range []string{strings.Repeat("x", 500), strings.Repeat("検", 500)} {
		p, err := preview.OfFormat("leef:2.0", "")
		if err != nil {
			t.Fatal(err)
		}
		other, err := p.With(mapping)
		if err != nil {
			t.Fatal(err)
		}
		var out, errs strings.Builder
		if _, err := preview.Diff(p, other, []string{"-"}, strings.NewReader(`{"id":"da1","alertWebUrl":"u","title":"`+title+`"}`), &out, &errs); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if len(line) > 350 || !utf8.ValidString(line) {
				t.Errorf("a line of %d bytes: %s", len(line), line)
			}
		}
		if first, _, _ := strings.Cut(out.String(), "\n"); !strings.HasSuffix(first, fmt.Sprintf("... (%d bytes)", len(title))) {
			t.Errorf("%s", first)
		}
	}
}
