package defender

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/siembridge/siembridge/formats"
)

func splitEvidence(t testing.TB, api API, raw string) (all []Part) {
	t.Helper()
	if err := SplitEvidence(api, []byte(raw), func(p Part) error { all = append(all, p); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestPartsOfSamples: each piece of every sample is a record that decodes by itself, and knows itself again.
func TestPartsOfSamples(t *testing.T) {
	files, _ := filepath.Glob("testdata/*/*.json")
	parts := 0
	for _, file := range files {
		api := API(filepath.Base(filepath.Dir(file)))
		if k := kindOf(api); k == nil || k.evidence == "" {
			continue
		}
		page, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Split(api, strings.NewReader(string(page)), func(raw []byte) error {
			var whole formats.Detection
			if _, err := Decode(api, raw, &whole); err != nil {
				return err
			}
			all := splitEvidence(t, api, string(raw))
			if last := all[len(all)-1]; string(last.Record) != string(raw) || last.Summary != (len(all) > 1) {
				t.Errorf("%s: the last record is not the alert itself", file)
			}
			seen := map[string]bool{}
			for _, p := range all[:len(all)-1] {
				parts++
				var d formats.Detection
				if _, err := Decode(api, p.Record, &d); err != nil {
					t.Errorf("%s: %v in %s", file, err, p.Record)
					continue
				}
				again, err := Identify(api, p.Record)
				if err != nil || again.Key != p.Key || seen[p.Key] || !again.Changed.Equal(whole.Updated) {
					t.Errorf("%s: %q is known again as %q, seen %v, %v", file, p.Key, again.Key, seen[p.Key], err)
				}
				seen[p.Key] = true
				if d.AlertID != whole.AlertID || d.Title != whole.Title || d.IncidentID != whole.IncidentID || d.EvidenceID == "" || d.EvidenceType == "" && len(d.Evidence[0].Type) > 0 {
					t.Errorf("%s: %+v", file, d)
				}
				if whole.Device.Name != "" && d.Device.Name == "" && d.Device.ID == "" {
					t.Errorf("%s: a piece of type %s has no device", file, d.EvidenceType)
				}
			}
			return nil
		}); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	if parts < 70 {
		t.Errorf("only %d pieces", parts)
	}
}

// TestPartIsComplete: a process has its own device, not another, and the alert's account where it names none.
func TestPartIsComplete(t *testing.T) {
	const alert = `{"id":"da1","title":"t","status":"new","evidence":[
	 {"@odata.type":"#microsoft.graph.security.deviceEvidence","mdeDeviceId":"d1","deviceDnsName":"one.example.org","verdict":"malicious","roles":["attacked"]},
	 {"@odata.type":"#microsoft.graph.security.deviceEvidence","mdeDeviceId":"d2","deviceDnsName":"two.example.org"},
	 {"@odata.type":"#microsoft.graph.security.userEvidence","userAccount":{"accountName":"liz","domainName":"corp"}},
	 {"@odata.type":"#microsoft.graph.security.processEvidence","mdeDeviceId":"d2","processId":4711,"verdict":"suspicious","remediationStatus":"blocked","imageFile":{"fileName":"a.exe"}},
	 {"@odata.type":"#microsoft.graph.security.ipEvidence","ipAddress":"192.0.2.7"},
	 {"@odata.type":"#microsoft.graph.security.processEvidence","mdeDeviceId":"d9","processId":5,"userAccount":{"accountName":"bob"}}]}`
	got := map[string]string{}
	for _, p := range splitEvidence(t, GraphAlerts, alert) {
		var d formats.Detection
		if _, err := Decode(GraphAlerts, p.Record, &d); err != nil {
			t.Fatal(err)
		}
		got[d.EvidenceType+d.Process.ID+d.Device.ID] = strings.Join([]string{d.Device.FQDN, d.User.Name, d.Process.Name, d.Network.RemoteAddress, d.Verdict, d.Remediation, d.EvidenceCount}, "|")
	}
	for what, want := range map[string]string{
		"process4711d2": "two.example.org|liz|a.exe||suspicious|blocked|6",
		"ipd1":          "one.example.org|liz||192.0.2.7|||6",
		"process5d9":    "|bob|||||6",
		"deviced1":      "one.example.org|liz|||malicious||6",
		"userd1":        "one.example.org|liz|||||6",
	} {
		if got[what] != want {
			t.Errorf("%s: %q, want %q", what, got[what], want)
		}
	}
}

// TestPartsProperty: whatever the order, an update in which k pieces changed has k new contents; one of the alert alone
// has none, and the alert's own content then differs.
func TestPartsProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 60).Draw(t, "pieces")
		var pieces []string
		verdict := func(i int, word string) string {
			switch i % 4 {
			case 0:
				return fmt.Sprintf(`{"@odata.type":"#microsoft.graph.security.processEvidence","processId":%d,"mdeDeviceId":"d","verdict":%q}`, i, word)
			case 1:
				return fmt.Sprintf(`{"@odata.type":"#microsoft.graph.security.fileEvidence","fileDetails":{"sha1":"%040d"},"remediationStatus":%q}`, i, word)
			case 2:
				return fmt.Sprintf(`{"@odata.type":"#microsoft.graph.security.kubernetesPodEvidence","name":"p","namespace":"n%d","verdict":%q}`, i, word)
			}
			return fmt.Sprintf(`{"@odata.type":"#microsoft.graph.security.unheardOfEvidence","thing":{"x":%d},"roles":[],"verdict":%q}`, i, word)
		}
		for i := range n {
			pieces = append(pieces, verdict(i, "unknown"))
		}
		alert := func(status string) string {
			shuffled := append([]string(nil), pieces...)
			rand.Shuffle(n, func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			return `{"id":"da1","status":"` + status + `","evidence":[` + strings.Join(shuffled, ",") + `]}`
		}
		contents := func(raw string) (map[string][16]byte, [16]byte) {
			m, last := map[string][16]byte{}, [16]byte{}
			_ = SplitEvidence(GraphAlerts, []byte(raw), func(p Part) error {
				if p.Summary {
					last = p.Hash
				} else {
					m[p.Key] = p.Hash
				}
				return nil
			})
			return m, last
		}
		before, alertBefore := contents(alert("new"))
		changed := map[int]bool{}
		for _, i := range rapid.SliceOfDistinct(rapid.IntRange(0, n-1), rapid.ID[int]).Draw(t, "changed") {
			changed[i] = true
			pieces[i] = verdict(i, "malicious")
		}
		status := rapid.SampledFrom([]string{"new", "resolved"}).Draw(t, "status")
		after, alertAfter := contents(alert(status))
		k := 0
		for key, hash := range after {
			if before[key] != hash {
				k++
			}
		}
		if len(before) != n || len(after) != n || k != len(changed) || (alertBefore == alertAfter) != (status == "new") {
			t.Fatalf("%d pieces, then %d; %d changed, want %d; the alert's content is the same: %v", len(before), len(after), k, len(changed), alertBefore == alertAfter)
		}
	})
}

// TestLargeAlert: what records of evidence repeat is bounded, and they stay whole JSON.
func TestLargeAlert(t *testing.T) {
	var pieces []string
	for i := range 5000 {
		pieces = append(pieces, fmt.Sprintf(`{"@odata.type":"#microsoft.graph.security.ipEvidence","ipAddress":"10.0.%d.%d"}`, i/250, i%250))
	}
	long := strings.Repeat(`ü\n`, 200_000)
	raw := `{"id":"da1","title":"t","description":"` + long + `","customDetails":{"x":"` + long + `"},"comments":[{"comment":"old` + long + `"},{"comment":"newest"}],"evidence":[` + strings.Join(pieces, ",") + `]}`
	all := splitEvidence(t, GraphAlerts, raw)
	if len(all) != 5001 {
		t.Fatalf("%d records", len(all))
	}
	for _, p := range all[:5000] {
		if len(p.Record) > 20<<10 || !json.Valid(p.Record) {
			t.Fatalf("a record of %d bytes", len(p.Record))
		}
	}
	var d formats.Detection
	if _, err := Decode(GraphAlerts, all[4999].Record, &d); err != nil || d.LastComment != "newest" || d.Title != "t" || len(d.Description) < 8000 || d.EvidenceCount != "5000" {
		t.Errorf("%v %+v", err, d.LastComment)
	}
}
