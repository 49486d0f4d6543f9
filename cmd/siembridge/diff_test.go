package main

import (
	"strings"
	"testing"
)

func TestPreviewDiff(t *testing.T) {
	mapping := writeTemp(t, "mine.toml", `
attributes = [
  { key = "cat", remove = true },
  { key = "msg", from = ["title"] },
  { key = "shost", from = ["/AlertId"] },
  { key = "cs2", from = ["/Brandnew"], label = "Brandnew" },
]
[severity]
high = 10
`)
	record := writeTemp(t, "one.json", sampleDetection)
	out, _, err := runCommand(t, "preview", "--format", "cef:0", "--diff", mapping, record, record)
	if err != nil {
		t.Fatal(err)
	}
	event := `detections da1_2:x: Suspicious thing
  - severity = 8
  + severity = 10
  - cat = Malware
  - shost = host1
  + shost = da1_2
  + msg = Suspicious thing
  + cs2Label = Brandnew
  + cs2 = v
`
	want := "event 1, " + event + "\nevent 2, " + event + `
2 events compared, 2 changed
  cat: removed in 2
  cs2: added in 2
  cs2Label: added in 2
  msg: added in 2
  severity: changed in 2
  shost: changed in 2
`
	if out != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
}

func TestPreviewDiffNothing(t *testing.T) {
	mapping := writeTemp(t, "same.toml", "format = \"leef\"\n")
	out, _, err := runCommand(t, "preview", "--format", "leef:2.0", "--diff", mapping, writeTemp(t, "one.json", sampleDetection))
	if err != nil || out != "1 event compared: the mapping changes nothing\n" {
		t.Errorf("%v, %q", err, out)
	}
}

func TestPreviewDiffMistakes(t *testing.T) {
	record, bad := writeTemp(t, "one.json", sampleDetection), writeTemp(t, "bad.toml", `attributes = [ { key = "cs2", from = "nothing" } ]`)
	_, _, err := runCommand(t, "preview", "--format", "cef:0", "--diff", bad, record)
	if err == nil || !strings.Contains(err.Error(), "cs2") {
		t.Errorf("a bad mapping gives %v", err)
	}
	if _, _, err := runCommand(t, "preview", "--format", "cef:0", record, record); err == nil {
		t.Error("two files pass without --diff")
	}
}

func TestPreviewDiffOfEvidence(t *testing.T) {
	mapping := writeTemp(t, "mine.toml", `attributes = [ { key = "msg", from = ["file.name"] } ]`)
	out, _, err := runCommand(t, "preview", "--config", evidenceConfig(t), "--diff", mapping, writeTemp(t, "two.json", alertWithTwoFiles))
	for _, want := range []string{"event 1, alerts da1: t\n", "event 2, alerts da1: t\n", "+ msg = one.exe", "+ msg = two.exe", "2 events compared, 2 changed"} {
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("%v: no %q in\n%s", err, want, out)
		}
	}
}
