package defender

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/siembridge/siembridge/formats"
)

func identify(t *testing.T, api API, raw string) Identity {
	t.Helper()
	id, err := Identify(api, []byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestTouchedAlertKeepsItsHash(t *testing.T) {
	var ids []Identity
	for _, name := range []string{"1", "2"} {
		text, err := os.ReadFile("testdata/graph-alerts/openaev-o365-zap-update-" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Split(GraphAlerts, bytes.NewReader(text), func(record []byte) error {
			ids = append(ids, identify(t, GraphAlerts, string(record)))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if len(ids) != 2 || ids[0].Key != ids[1].Key || ids[0].Hash != ids[1].Hash || !ids[1].Changed.After(ids[0].Changed) {
		t.Errorf("%+v", ids)
	}
}

func TestContentHash(t *testing.T) {
	const file = `{"@odata.type":"#microsoft.graph.security.fileEvidence","verdict":"malicious","fileDetails":{"sha1":"aa"}}`
	const ip = `{"@odata.type":"#microsoft.graph.security.ipEvidence","verdict":"unknown","ipAddress":"192.0.2.1"}`
	base := `{"id":"da1","status":"new","severity":"low","evidence":[` + file + `,` + ip + `]}`
	want := identify(t, GraphAlerts, base)
	for _, c := range []struct {
		name, raw string
		same      bool
	}{
		{"evidence reordered", `{"id":"da1","status":"new","severity":"low","evidence":[` + ip + `,` + file + `]}`, true},
		{"keys reordered", `{"severity":"low","status":"new","evidence":[` + file + `,` + ip + `],"id":"da1"}`, true},
		{"white space", strings.ReplaceAll(base, ",", " ,\n\t"), true},
		{"case of words", strings.ReplaceAll(base, `"new"`, `"New"`), true},
		{"comment and time", strings.Replace(base, `{"id"`, `{"comments":[{"comment":"x"}],"lastUpdateDateTime":"2026-01-01T00:00:00Z","id"`, 1), true},
		{"remediation", strings.Replace(base, `"verdict"`, `"remediationStatus":"remediated","remediationStatusDetails":"x","verdict"`, 1), true},
		{"state of the investigation", strings.Replace(base, `"status"`, `"investigationState":"running","status"`, 1), true},
		{"a field that Microsoft adds", strings.Replace(base, `"status"`, `"brandNew":{"a":1},"status"`, 1), true},
		{"title", strings.Replace(base, `"status"`, `"title":"t","status"`, 1), false},
		{"assignee", strings.Replace(base, `"status"`, `"assignedTo":"a","status"`, 1), false},
		{"incident", strings.Replace(base, `"status"`, `"incidentId":"7","status"`, 1), false},
		{"status", strings.ReplaceAll(base, `"new"`, `"resolved"`), false},
		{"severity", strings.ReplaceAll(base, `"low"`, `"high"`), false},
		{"verdict", strings.ReplaceAll(base, `"malicious"`, `"suspicious"`), false},
		{"less evidence", strings.ReplaceAll(base, ","+ip, ""), false},
	} {
		if got := identify(t, GraphAlerts, c.raw); got.Key != "da1" || (got.Hash == want.Hash) != c.same {
			t.Errorf("%s: same hash is %v, want %v", c.name, got.Hash == want.Hash, c.same)
		}
	}
}

// Of a piece that comes twice the more telling one counts, whatever their order.
func TestEvidenceTwice(t *testing.T) {
	type word struct{ verdict, role, want string }
	for _, c := range []struct{ one, two, want word }{
		{word{"unknown", "attacked", ""}, word{"malicious", "contextual", ""}, word{"malicious", "contextual", "blocked"}},
		{word{"suspicious", "contextual", ""}, word{"suspicious", "attacked", ""}, word{"suspicious", "attacked", "blocked"}},
		{word{"unknown", "contextual", ""}, word{"Another", "contextual", ""}, word{"Another", "contextual", "blocked"}},
	} {
		piece := func(w word) string {
			status := "active"
			if w.verdict == c.want.verdict && w.role == c.want.role {
				status = "blocked"
			}
			return `{"@odata.type":"#microsoft.graph.security.ipEvidence","ipAddress":"192.0.2.1","verdict":"` + w.verdict + `","roles":["` + w.role + `"],"remediationStatus":"` + status + `"}`
		}
		var hashes [][16]byte
		for _, pair := range [][2]word{{c.one, c.two}, {c.two, c.one}} {
			raw := `{"id":"a","evidence":[` + piece(pair[0]) + `,` + piece(pair[1]) + `]}`
			hashes = append(hashes, identify(t, GraphAlerts, raw).Hash)
			var d formats.Detection
			if _, err := Decode(GraphAlerts, []byte(raw), &d); err != nil {
				t.Fatal(err)
			}
			if got := (word{d.Verdict, d.EvidenceRoles[0], d.Remediation}); got != c.want || len(d.Evidence) != 1 || d.Evidence[0].Verdict != c.want.verdict || d.EvidenceCount != "2" {
				t.Errorf("%s: %+v, %+v", raw, got, d.Evidence)
			}
		}
		if hashes[0] != hashes[1] {
			t.Errorf("%v and %v: the order of evidence is part of the hash", c.one, c.two)
		}
	}
}

func TestContentHashOfIncidents(t *testing.T) {
	const base = `{"id":"7","displayName":"n","status":"active","redirectIncidentId":null}`
	want := identify(t, GraphIncidents, base)
	if got := identify(t, GraphIncidents, strings.Replace(base, "null", `"9"`, 1)); got.Hash != want.Hash {
		t.Error("where it was merged into is part of the hash; its status is what tells it")
	}
	if got := identify(t, GraphIncidents, strings.Replace(base, "active", "redirected", 1)); got.Hash == want.Hash {
		t.Error("its status is no part of the hash")
	}
	const alert = `{"id":"a","evidence":[{"entityType":"File","sha1":"aa","detectionStatus":"Detected"}]}`
	if identify(t, Alerts, alert).Hash == identify(t, Alerts, strings.Replace(alert, "Detected", "Blocked", 1)).Hash {
		t.Error("the detection status of evidence without a verdict is no part of the hash")
	}
}

func TestKeys(t *testing.T) {
	one := identify(t, Detections, `{"AlertId":"da1","AlertPart":0,"AlertTitle":"t"}`)
	two := identify(t, Detections, `{"AlertId":"da1","AlertPart":1,"AlertTitle":"t"}`)
	if one.Key == two.Key || !strings.HasPrefix(one.Key, "sha256:") {
		t.Errorf("parts without FullId: %q and %q", one.Key, two.Key)
	}
	for _, n := range []int{503, 504, 512, 513, 5000} {
		for _, api := range []API{GraphAlerts, Incidents} {
			raw := `{"id":"` + strings.Repeat("x", n) + `","incidentId":"` + strings.Repeat("x", n) + `"}`
			if got := identify(t, api, raw); len(got.Key) > maxKey {
				t.Errorf("%s: a key of %d bytes", api, len(got.Key))
			}
		}
	}
}

func TestSplitOfErrors(t *testing.T) {
	for _, body := range []string{
		`{"error":{"code":"TooManyRequests","message":"m"}}`,
		"{\n \"error\": {\n  \"code\": \"TooManyRequests\"}}",
		"{\"value\": [\n {\n  \"error\": {\"code\": \"TooManyRequests\"}\n }]}",
	} {
		var e *APIError
		if _, err := Split(GraphAlerts, strings.NewReader(body), func([]byte) error { return nil }); !errors.As(err, &e) || e.Code != "TooManyRequests" {
			t.Errorf("%q: %v", body, err)
		}
	}
	for body, want := range map[string]error{`{"value":[{"id":"a"},{"id`: ErrTruncated, `[{"id":"a"}`: ErrTruncated, ``: ErrTruncated,
		`<html></html>`: ErrNotPage, `7`: ErrNotPage} {
		if _, err := Split(GraphAlerts, strings.NewReader(body), func([]byte) error { return nil }); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", body, err, want)
		}
	}
}

func TestSplitOfIncidents(t *testing.T) {
	var got []string
	page, err := Split(Incidents, strings.NewReader(`{"value":[{"incidentId":7,"alerts":[{},{"alertId":"a"}]}]}`), func(r []byte) error {
		got = append(got, string(r))
		return nil
	})
	if want := `{"incidentId":7} {} {"incidentId":7,"alertId":"a"}`; err != nil || page.Records != 1 || strings.Join(got, " ") != want {
		t.Errorf("%v %+v %q", err, page, got)
	}
}

func TestOddTypesDoNotFailARecord(t *testing.T) {
	for _, api := range []API{Detections, Alerts, GraphAlerts, GraphIncidents, Incidents} {
		for _, v := range []string{`"x"`, `{}`, `[]`, `[1,"x",null,[[]]]`, `7`, `true`, `null`} {
			raw := `{"id":"a","comments":` + v + `,"loggedOnUsers":` + v + `,"devices":` + v + `,"evidence":` + v + `,"entities":` + v + `,"tags":` + v + `,"title":` + v + `}`
			if _, err := Identify(api, []byte(raw)); err != nil {
				t.Errorf("%s %s: %v", api, raw, err)
			}
		}
	}
}
