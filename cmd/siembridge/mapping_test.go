package main

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/siembridge/siembridge/formats/cef"
)

// docs/mapping.md is what the command prints, so that nobody reads of a mapping that is no longer in force.
func TestMappingDocumentIsFresh(t *testing.T) {
	want, _, err := runCommand(t, "mapping", "--markdown")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../docs/mapping.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("docs/mapping.md is stale; siembridge mapping --markdown > docs/mapping.md makes it anew (-tables +document):\n%s", diff)
	}
	for _, heading := range append([]string{"## LEEF 2.0\n", "## CEF 1\n", "## JSON 1\n"}, profileHeadings()...) {
		if strings.Count(want, heading) != 1 {
			t.Errorf("the document has no section %q", heading)
		}
	}
}

func profileHeadings() (all []string) {
	for _, p := range cef.Profiles() {
		all = append(all, "## CEF 0, profile "+p+"\n")
	}
	return all
}

func TestMappingOfAProfile(t *testing.T) {
	out, _, err := runCommand(t, "mapping", "--profile", "mcas-legacy")
	if err != nil || !strings.Contains(out, "cs4 (policyIDs)") || strings.Contains(out, "fileHash") {
		t.Errorf("%v\n%s", err, out)
	}
	out, _, err = runCommand(t, "mapping", "--profile", "arcsight-legacy", "--coverage", writeTemp(t, "one.json", sampleDetection))
	if err != nil || !strings.Contains(out, "shost") || strings.Contains(out, "dvchost") {
		t.Errorf("%v\n%s", err, out)
	}
	for _, args := range [][]string{{"--profile", "nonsense"}, {"--format", "leef:2.0", "--profile", "mcas-legacy"}, {"--format", "xml"}} {
		_, _, err := runCommand(t, append([]string{"mapping"}, args...)...)
		var usage usageError
		if !errors.As(err, &usage) {
			t.Errorf("%v: %v is no usage error", args, err)
		}
	}
}
