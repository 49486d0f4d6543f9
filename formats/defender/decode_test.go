package defender

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/siembridge/siembridge/formats"
)

var update = flag.Bool("update", false, "write the golden files anew")

// samples calls f for every sample: those of an API lie in the folder of its name.
func samples(t testing.TB, f func(api API, path string, text []byte)) {
	paths, err := filepath.Glob("testdata/*/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	for _, path := range paths {
		api := API(filepath.Base(filepath.Dir(path)))
		if kindOf(api) == nil {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f(api, path, text)
	}
}

func TestDecodeSamples(t *testing.T) {
	var decoder Decoder // of all records, one after the other
	var again formats.Detection
	samples(t, func(api API, path string, text []byte) {
		t.Run(path, func(t *testing.T) {
			var out strings.Builder
			page, err := Split(api, bytes.NewReader(text), func(record []byte) error {
				if got, _, ok := Detect(record); (!ok || got != api) && len(record) > 100 { // one is an id and nothing else
					t.Errorf("detected as %q", got)
				}
				for _, guess := range everyAPI() {
					checkRecognize(t, guess, record)
				}
				checkRecognize(t, Unknown, record)
				checkIdentity(t, api, record)
				var d formats.Detection
				problems, err := Decode(api, record, &d)
				if err != nil {
					t.Errorf("decode: %v", err)
				}
				start := out.Len()
				dump(&out, &d, problems)
				problems, _ = decoder.Decode(api, record, &again)
				var other strings.Builder
				if dump(&other, &again, problems); out.String()[start:] != other.String() {
					t.Errorf("a Decoder reads otherwise:\n%s", other.String())
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&out, "%d records, next link %q\n", page.Records, page.NextLink)
			golden(t, strings.TrimSuffix(path, ".json")+".golden", out.String())
		})
	})
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("differs from %s (-want +got):\n%s", path, diff)
	}
}

// dump writes every field that has a value, one a line.
func dump(out *strings.Builder, d *formats.Detection, problems []string) {
	for _, name := range formats.FieldNames() {
		f, err := formats.FieldByName(name)
		if err != nil || f.Empty(d) {
			continue
		}
		switch f.Type() {
		case formats.TypeList:
			fmt.Fprintf(out, "%s = %q\n", name, f.List(d))
		case formats.TypeTime:
			fmt.Fprintf(out, "%s = %s\n", name, f.Time(d).Format(time.RFC3339Nano))
		case formats.TypeSeverity:
			fmt.Fprintf(out, "%s = %s\n", name, f.Severity(d))
		case formats.TypeFlag:
			fmt.Fprintf(out, "%s = %v\n", name, f.Flag(d) == formats.FlagTrue)
		default:
			fmt.Fprintf(out, "%s = %q\n", name, f.Text(d))
		}
	}
	for _, e := range d.Evidence {
		fmt.Fprintf(out, "evidence %s verdict=%q remediation=%q detection=%q roles=%q\n", e.Type, e.Verdict, e.Remediation, e.DetectionStatus, e.Roles)
	}
	for _, p := range problems {
		fmt.Fprintf(out, "problem: %s\n", p)
	}
	out.WriteString("\n")
}

func TestEveryEvidenceTypeIsRead(t *testing.T) {
	text, err := os.ReadFile("testdata/graph-alerts/synthetic-every-evidence-type.json")
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]bool{}
	if _, err := Split(GraphAlerts, bytes.NewReader(text), func(record []byte) error {
		var d formats.Detection
		_, err := Decode(GraphAlerts, record, &d)
		for _, e := range d.Evidence {
			types[e.Type] = true
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if len(types) < 48 { // of the schema of August 2026
		t.Errorf("the sample has only %d types of evidence: %v", len(types), types)
	}
	for name := range typesByName {
		if !types[name] {
			t.Errorf("the sample has no piece of type %s", name)
		}
	}
}

func TestDecodeOfWhatIsNotJSON(t *testing.T) {
	for _, raw := range []string{`{"id":"da1_2","title":"cut he`, `<html>`, ``, `[]`, `"text"`, `12`} {
		var d formats.Detection
		if _, err := Decode(GraphAlerts, []byte(raw), &d); err == nil {
			t.Errorf("%q: no error", raw)
		}
		if d.Title == "" || d.Kind != formats.KindAlert || string(d.Raw) != raw {
			t.Errorf("%q: no minimal detection: %+v", raw, d)
		}
	}
	var d formats.Detection
	_, _ = Decode(GraphAlerts, []byte(`{"id":"da1_2","title":"cut he`), &d)
	if d.ID != "da1_2" || d.AlertID != "da1_2" {
		t.Errorf("the id was not salvaged: %q", d.ID)
	}
}

func TestDecodeKeepsHostileBytes(t *testing.T) {
	var d formats.Detection
	raw := []byte("{\"id\":\"a\",\"id\":\"b\",\"title\":\"x\xff\\u0000\\n\",\"severity\":7,\"incidentId\":12}")
	if _, err := Decode(GraphAlerts, raw, &d); err != nil {
		t.Fatal(err)
	}
	if d.ID != "b" || d.Severity != formats.SeverityUnknown || d.IncidentID != "12" {
		t.Errorf("%+v", d)
	}
}
