package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/siembridge/siembridge/bridge/config"
)

const (
	flexTestdata     = "../../formats/flexconnector/testdata/"
	settingsTestdata = "../../bridge/migrate/testdata/"
)

// TestImportArcSight: the connector's two files become a configuration that siembridge takes, with the secret in a file
// of its own, and the events have the connector's fields.
func TestImportArcSight(t *testing.T) {
	dir := t.TempDir()
	out, errs, err := runCommand(t, "import", "--secrets", dir, "--address", "siem.example.org:6514", "--region", "eu",
		settingsTestdata+"WDATP-connector.properties", flexTestdata+"WDATP-connector.jsonparser.properties")
	if err != nil {
		t.Fatalf("%v: %s", err, errs)
	}
	cfg, err := config.Parse("imported", out)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s, d := cfg.Sources[0], cfg.Destinations[0]
	if s.API != "detections" || s.Region != "eu" || s.TenantID != "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee" || s.ClientID != "11111111-2222-3333-4444-555555555555" ||
		d.Type != "arcsight" || d.Format != "cef:0" || d.Address[0] != "siem.example.org:6514" || !filepath.IsAbs(d.MappingFile) {
		t.Errorf("%+v\n%+v", s, d)
	}
	const secret = `Made~up\secret=1`
	info, err := os.Stat(s.ClientSecretFile)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if text, _ := os.ReadFile(s.ClientSecretFile); string(text) != secret+"\n" {
		t.Errorf("stored %q", text)
	}
	if strings.Contains(out+errs, "Made~up") {
		t.Errorf("shows the secret:\n%s%s", out, errs)
	}
	path := writeTemp(t, "siembridge.toml", out)
	event, errs, err := runCommand(t, "preview", "--config", path, flexTestdata+"mapping-doc-av-mikatz.json")
	if err != nil || !strings.HasPrefix(event, "CEF:0|Microsoft|Microsoft Defender ATP|2.0|") || !strings.Contains(event, "cs1Label=Threat Name cs1=HackTool:Win32/Mikatz!dha") {
		t.Errorf("%v, %s: %s", err, errs, event)
	}
}

// TestImportAgain: a second time changes nothing, and another secret is not written over the first.
func TestImportAgain(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		if _, errs, err := runCommand(t, "import", "--secrets", dir, "--address", "q.example.org", settingsTestdata+"details-qradar.txt"); err != nil {
			t.Fatalf("%v: %s", err, errs)
		}
	}
	_, errs, err := runCommand(t, "import", "--secrets", dir, settingsTestdata+"details-lines.txt")
	if err == nil || !strings.Contains(err.Error(), "another secret") || strings.Contains(err.Error()+errs, "Made~up") {
		t.Errorf("%v: %s", err, errs)
	}
}

func TestImportQRadar(t *testing.T) {
	out, errs, err := runCommand(t, "import", "--secrets", t.TempDir(), "--address", "q.example.org", settingsTestdata+"details-qradar.txt")
	if err != nil {
		t.Fatalf("%v: %s", err, errs)
	}
	cfg, err := config.Parse("imported", out)
	if err != nil || len(cfg.Sources) != 2 || cfg.Sources[0].Name != "defender-eu" || cfg.Sources[1].Region != "us" || cfg.Destinations[0].Format != "leef:2.0" {
		t.Errorf("%v\n%s", err, out)
	}
	out, _, err = runCommand(t, "import", "--secrets", t.TempDir(), "--address", "q.example.org", "--api", "graph-alerts", settingsTestdata+"details-qradar.txt")
	if cfg, parseErr := config.Parse("imported", out); err != nil || parseErr != nil || len(cfg.Sources) != 1 || strings.Contains(out, "region") {
		t.Errorf("%v, %v\n%s", err, parseErr, out)
	}
}

// TestImportSaysWhatIsMissing: the exit code is 1 when something is not understood or not there, and it is said.
func TestImportSaysWhatIsMissing(t *testing.T) {
	none := writeTemp(t, "none.txt", "Colour of the page: blue\n")
	out, errs, err := runCommand(t, "import", "--secrets", t.TempDir(), none, flexTestdata+"mistakes.jsonparser.properties")
	if err == nil {
		t.Error("exit code 0")
	}
	for _, want := range []string{"none.txt: line 1: Colour of the page: not understood", "line 19: extraprocessor[0].type: not understood",
		"not in the files: the tenant", "not in the files: the application (client) id", "not in the files: the client secret", "not in the files: the address", "not in the files: the region"} {
		if !strings.Contains(errs, want) {
			t.Errorf("lacks %q:\n%s", want, errs)
		}
	}
	if !strings.Contains(out, "mapping_file = ") || !strings.Contains(out, `# tenant_id = ""`) {
		t.Errorf("the rest is not there:\n%s", out)
	}
	for _, args := range [][]string{{"import"}, {"import", "--api", "incidents", none}, {"import", "--siem", "other", none}, {"import", "/no/such/file"}} {
		if _, _, err := runCommand(t, args...); err == nil {
			t.Errorf("%q passes", args)
		}
	}
}
