package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/siembridge/siembridge/formats/coverage"
)

// sampleDetection is of the detections API, with a value that no format has a place for.
const sampleDetection = `{"AlertTime": "2026-03-01T10:20:30.1234567Z", "AlertTitle": "Suspicious thing", "AlertId": "da1_2", "FullId": "da1_2:x",
 "Severity": "High", "Category": "Malware", "MachineName": "host1", "IpAddress": "198.51.100.7", "Brandnew": "v", "@odata.id": "v", "Actor": ""}`

// runCommand runs one command as execute does and returns what it wrote.
func runCommand(t *testing.T, args ...string) (out, errs string, err error) {
	t.Helper()
	var o, e bytes.Buffer
	for _, command := range commands {
		if c := command(); c.Name() == args[0] {
			c.SetOut(&o)
			c.SetErr(&e)
			c.SetArgs(args[1:])
			c.SilenceUsage, c.SilenceErrors = true, true
			err = c.Execute()
			return o.String(), e.String(), err
		}
	}
	t.Fatalf("there is no command %q", args[0])
	return
}

func writeTemp(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestMappingCoverage(t *testing.T) {
	one, two := writeTemp(t, "one.json", sampleDetection), writeTemp(t, "two.json", "["+sampleDetection+"]")
	out, _, err := runCommand(t, "mapping", "--coverage", one, two)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"detections: 2 records, 11 paths", "9 reach the SIEM in leef:2.0", "9 reach the SIEM in cef:0",
		"/AlertTime", "rt (time)", "severity (derived)", "NEVER REACHES IT\n/@odata.id  (2 values)\n", "EMPTY HERE\n/Actor\n"} {
		if !strings.Contains(out, s) {
			t.Errorf("lacks %q:\n%s", s, out)
		}
	}
	out, _, err = runCommand(t, "mapping", "--format", "json", "--json", "--coverage", one)
	if err != nil {
		t.Fatal(err)
	}
	var r coverage.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil || len(r.APIs) != 1 || r.Formats[0] != "json" {
		t.Errorf("%v: %s", err, out)
	}
	if title := r.APIs[0].Paths[1]; title.Path != "/AlertTitle" || title.Reach[0].Fields[0] != (coverage.Field{Name: "title", As: coverage.AsValue, Values: 1}) {
		t.Errorf("%+v", title)
	}
}

// TestMappingCoverageOfDestination: with a configuration it is the destination's own mapping that is traced.
func TestMappingCoverageOfDestination(t *testing.T) {
	config := writeTemp(t, "siembridge.toml", `
state_dir = "`+t.TempDir()+`"
[[source]]
name = "s"
api = "file"
path = "-"
[[destination]]
name = "arc"
type = "arcsight"
address = "siem.example.org"
mapping_file = "`+writeTemp(t, "mine.toml", `attributes = [ { key = "cs2", from = "/Brandnew", label = "Brandnew" } ]`)+`"
`)
	out, errs, err := runCommand(t, "mapping", "--config", config, "--coverage", writeTemp(t, "one.json", sampleDetection))
	if err != nil || !strings.Contains(out, "9 reach the SIEM in arc") || !strings.Contains(out, "/Brandnew         cs2") {
		t.Errorf("%v: %s%s", err, errs, out)
	}
}

func TestMappingCoverageMistakes(t *testing.T) {
	odd := writeTemp(t, "odd.json", `{"what": "is this"}`)
	if _, errs, err := runCommand(t, "mapping", "--coverage", odd); err == nil || !strings.Contains(errs, "record 1 is of no known kind") {
		t.Errorf("%v, %s", err, errs)
	}
	for _, args := range [][]string{{"mapping", "--json"}, {"mapping", "--config", odd}, {"mapping", "--config", odd, "--format", "json", "--coverage", odd}, {"mapping", "x"}, {"mapping", "--coverage", "/no/such/file"}} {
		if _, _, err := runCommand(t, args...); err == nil {
			t.Errorf("%q passes", args)
		}
	}
}

// evidenceConfig is a configuration with one event per piece of evidence.
func evidenceConfig(t *testing.T) string {
	return writeTemp(t, "siembridge.toml", `
state_dir = "`+t.TempDir()+`"
[[source]]
name = "s"
api = "file"
path = "-"
events = "evidence"
[[destination]]
name = "arc"
type = "arcsight"
address = "siem.example.org"
`)
}

const alertWithTwoFiles = `{"id":"da1","alertCreationTime":"2026-11-23T10:11:12Z","title":"t","evidence":[` +
	`{"entityType":"File","sha1":"aabbccddee1122334455aabbccddee1122334455","fileName":"one.exe","verdict":"Malicious"},` +
	`{"entityType":"File","sha1":"bbbbccddee1122334455aabbccddee1122334455","fileName":"two.exe","verdict":"Malicious"}]}`

// TestMappingCoverageOfEvidence: where the configuration asks for one event per piece of evidence, a value of any piece
// reaches the SIEM; with one event per alert only those of the most telling one do.
func TestMappingCoverageOfEvidence(t *testing.T) {
	record := writeTemp(t, "two.json", alertWithTwoFiles)
	for _, c := range []struct {
		args  []string
		files int
	}{{[]string{"--config", evidenceConfig(t)}, 2}, {[]string{"--format", "cef:0"}, 1}} {
		out, errs, err := runCommand(t, append([]string{"mapping", "--json", "--coverage", record}, c.args...)...)
		var r coverage.Report
		if err != nil || json.Unmarshal([]byte(out), &r) != nil {
			t.Fatalf("%v: %s%s", err, errs, out)
		}
		for _, p := range r.APIs[0].Paths {
			if p.Path == "/evidence/*/fileName" && (p.Values != 2 || p.Reach[0].Values != c.files) {
				t.Errorf("%v: %+v", c.args, p)
			}
		}
	}
}
