package main

import (
	"strings"
	"testing"
)

// TestPreviewEvents: with a configuration, alerts become what the events key of their source says.
func TestPreviewEvents(t *testing.T) {
	page := writeTemp(t, "page.json", `{"value":[
 {"id":"ad1","title":"two pieces","serviceSource":"x","createdDateTime":"2026-03-01T10:20:30Z","evidence":[
  {"@odata.type":"#microsoft.graph.security.userEvidence","verdict":"suspicious","userAccount":{"accountName":"u1"}},
  {"@odata.type":"#microsoft.graph.security.urlEvidence","url":"http://evil.example/"}]},
 {"id":"ad2","title":"none","serviceSource":"x","createdDateTime":"2026-03-01T10:20:30Z","evidence":[]}]}`)
	config := func(events, sources string) string {
		return writeTemp(t, "siembridge.toml", `
state_dir = "`+t.TempDir()+`"
[[source]]
name = "other"
api = "file"
path = "-"
[[source]]
name = "graph"
api = "graph-alerts"
tenant_id = "00000000-0000-0000-0000-000000000000"
client_id = "00000000-0000-0000-0000-000000000000"
client_secret = "s"
`+events+`
[[destination]]
name = "q"
type = "qradar"
address = "siem.example.org"
`+sources)
	}
	for _, c := range []struct {
		events, sources string
		evidence        bool
	}{
		{``, ``, false},
		{`events = "evidence"`, ``, true},
		{`events = "evidence"`, `sources = ["other"]`, false},
	} {
		out, errs, err := runCommand(t, "preview", "--config", config(c.events, c.sources), page)
		if err != nil {
			t.Fatalf("%v: %s", err, errs)
		}
		want, types := 2, 0
		if c.evidence {
			want, types = 3, 2
		}
		if strings.Count(out, "\n") != want || strings.Count(out, "evidenceType=") != types || !strings.Contains(out, "alertId=ad2") {
			t.Errorf("%+v:\n%s", c, out)
		}
		if c.evidence && (!strings.Contains(out, "evidenceType=url") || strings.Count(out, "usrName=u1") != 2) {
			t.Errorf("the pieces are not complete:\n%s", out)
		}
	}
}
