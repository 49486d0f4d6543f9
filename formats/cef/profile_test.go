package cef

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/internal/formatstest"
)

// cloudAppsAlerts are alerts of Defender for Cloud Apps as Graph has them.
const cloudAppsAlerts = "testdata/profiles/graph-alerts/cloud-apps-alerts.json"

// Every sample as an event of each profile. A change of a profile shows as a difference in these files; -update
// writes them anew.
func TestGoldenEventsOfProfiles(t *testing.T) {
	paths := append(formatstest.Samples(t, "../defender/testdata"), cloudAppsAlerts)
	for _, profile := range Profiles() {
		e := newEncoder(t, Options{Profile: profile})
		var got bytes.Buffer
		for _, path := range paths {
			folder := filepath.Base(filepath.Dir(path))
			for i, d := range formatstest.Detections(t, path) {
				event, loss := e.AppendEvent(nil, d, 8192)
				if header, pairs, err := read(string(event)); err != nil {
					t.Errorf("%s: %v in %q", path, err, event)
				} else if err := checkProfileEvent(header, pairs); err != nil {
					t.Errorf("%s: %v in %q", path, err, event)
				}
				fmt.Fprintf(&got, "# %s/%s, record %d\n%s\n", folder, filepath.Base(path), i+1, event)
				if len(loss.Shortened)+len(loss.Mistyped) > 0 {
					fmt.Fprintf(&got, "# shortened %v, mistyped %v\n", loss.Shortened, loss.Mistyped)
				}
			}
		}
		formatstest.Golden(t, filepath.Join("testdata", "profiles", profile+".golden"), got.String())
	}
}

// checkProfileEvent is checkEvent for profiles, whose vendor may be another.
func checkProfileEvent(header []string, pairs map[string]string) error {
	if header[1] == "MCAS" {
		header = slices.Clone(header)
		header[1] = "Microsoft"
	}
	return checkEvent(header, pairs)
}

// arcSightSlots are the rows of Microsoft's table ("Microsoft Defender for Endpoint SIEM REST API fields mapping to
// ArcSight") that are no header field, by the event field that ArcSight names.
var arcSightSlots = map[string]string{
	"deviceEventCategory": "cat", "sourceServiceName": "sourceServiceName", "sourceHostName": "shost", "fileName": "fname", "filePath": "filePath",
	"sourceNtDomain": "sntdom", "sourceUserName": "suser", "fileHash": "fileHash", "deviceCustomString6": "cs6", "deviceCustomString5": "cs5",
	"deviceCustomString1": "cs1", "sourceAddress": "src", "requestUrl": "request", "deviceCustomNumber2": "cn2", "deviceCustomNumber1": "cn1",
	"externalId": "externalId", "flexString1": "flexString1", "deviceReceiptTime": "rt", "sourceDnsDomain": "sourceDnsDomain",
	"deviceCustomString4": "cs4", "sourceUserId": "suid",
}

// The profile fills the slots of Microsoft's table and no others of the dictionary, besides what the format makes
// necessary: c6a2 for an address that src cannot hold, the id of a piece of evidence, and a text for our own events.
func TestArcSightLegacyHasTheSlotsOfMicrosoftsTable(t *testing.T) {
	want := []string{"c6a2", "devicePayloadId", "msg"}
	for full, key := range arcSightSlots {
		if k, ok := Dictionary().Key(key); !ok || k.Full != full && k.Name != full {
			t.Errorf("%s is not the key of %s", key, full)
		}
		want = append(want, key)
	}
	var got []string
	for _, r := range newEncoder(t, Options{Profile: ProfileArcSightLegacy}).Table().Rows() {
		if !r.Custom {
			got = append(got, r.Key)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The default table is a superset of the profile: what moves from one to the other finds the same values in the same
// slots. The exceptions are the strings that the profile is for.
func TestDefaultTableAgreesWithArcSightLegacy(t *testing.T) {
	d := formatstest.Full()
	d.Kind, d.DetectionSource, d.Remediation = formats.KindAlert, "WindowsDefenderAv", ""
	_, all := encode(t, Options{}, d, 1<<20)
	_, legacy := encode(t, Options{Profile: ProfileArcSightLegacy}, d, 1<<20)
	if len(legacy) < 25 {
		t.Errorf("only %d values: %v", len(legacy), legacy)
	}
	for _, key := range slices.Sorted(maps.Keys(legacy)) {
		if all[key] != legacy[key] {
			t.Errorf("%s: the default has %q, the profile %q", key, all[key], legacy[key])
		}
	}
}

func TestStringsOfArcSightLegacy(t *testing.T) {
	for _, c := range []struct {
		d      formats.Detection
		header string
	}{
		{formats.Detection{API: "detections", Category: "Malware", Title: "x", Severity: formats.SeverityHigh}, "CEF:0|Microsoft|Microsoft Defender ATP|2.0|microsoftDefenderForEndpoint/Malware|x|High|"},
		{formats.Detection{API: "graph-alerts", ServiceSource: "microsoftDefenderForEndpoint", DetectorID: "r1", Title: "x", Severity: formats.SeverityInformational}, "CEF:0|Microsoft|Microsoft Defender ATP|2.0|r1|x|Low|"},
		{formats.Detection{API: "graph-alerts", ServiceSource: "microsoftDefenderForIdentity", Title: "x", Severity: formats.SeverityMedium}, "CEF:0|Microsoft|Microsoft Defender XDR|2.0|microsoftDefenderForIdentity/Other|x|Medium|"},
		{formats.Detection{API: "alerts", Title: "x"}, "CEF:0|Microsoft|Microsoft Defender ATP|2.0|microsoftDefenderForEndpoint/Other|x|Unknown|"},
	} {
		if got, _ := newEncoder(t, Options{Profile: ProfileArcSightLegacy}).AppendEvent(nil, &c.d, 4096); !strings.HasPrefix(string(got), c.header) {
			t.Errorf("got  %s\nwant %s", got, c.header)
		}
	}
	for _, c := range []struct{ source, remediation, wantSource, cn2 string }{
		{"antivirus", "prevented", "Antivirus", "1"},
		{"microsoftDefenderForEndpoint", "unremediated", "EDR", "0"},
		{"WindowsDefenderAv", "none", "WindowsDefenderAv", ""},
		{"customTi", "quarantine", "customTi", ""},
	} {
		_, pairs := encode(t, Options{Profile: ProfileArcSightLegacy}, &formats.Detection{DetectionSource: c.source, Remediation: c.remediation}, 4096)
		if pairs["sourceServiceName"] != c.wantSource || pairs["cn2"] != c.cn2 {
			t.Errorf("%+v: %v", c, pairs)
		}
	}
}

// The agent's own published alerts, and what the profile makes of the same alerts today: equal, key by key, but for
// what the agent wrote without a value and what has no counterpart.
func TestMCASLegacyWritesWhatTheAgentWrote(t *testing.T) {
	text, err := os.ReadFile("testdata/profiles/siem-agent-alerts.log")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	alerts := formatstest.Detections(t, cloudAppsAlerts)
	if len(alerts) != len(lines) {
		t.Fatalf("%d alerts, %d lines", len(alerts), len(lines))
	}
	for i, line := range lines {
		wantHeader, want := readAgentLine(t, line)
		header, got := encode(t, Options{Profile: ProfileMCASLegacy}, alerts[i], 4096)
		wantHeader[3], wantHeader[4] = "0.112.68", "microsoftDefenderForCloudApps/SuspiciousActivity"
		if diff := cmp.Diff(wantHeader, header); diff != "" {
			t.Errorf("header of line %d (-agent +profile):\n%s", i+1, diff)
		}
		for _, gone := range []string{"cs3", "cs3Label"} {
			delete(want, gone)
		}
		if want["cs2"] == "" || got["cs2"] == "" {
			t.Errorf("line %d: cs2 is %q, of the agent %q", i+1, got["cs2"], want["cs2"])
		}
		want["cs2"] = got["cs2"] // APPID_BOX and the like
		for _, added := range []string{"rt", "src", "c6a1", "c6a1Label", "MicrosoftDefenderEventKind"} {
			delete(got, added)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("line %d (-agent +profile):\n%s", i+1, diff)
		}
	}
}

// readAgentLine reads a line of the agent without what it wrote empty: strict readers refuse "cn1=".
func readAgentLine(t *testing.T, line string) (header []string, pairs map[string]string) {
	t.Helper()
	line = line[strings.Index(line, "CEF:"):]
	head, extension := line[:strings.LastIndexByte(line, '|')+1], line[strings.LastIndexByte(line, '|')+1:]
	var kept []string
	for _, word := range strings.Split(extension, " ") {
		if slot, empty := strings.CutSuffix(word, "="); empty {
			kept = slices.DeleteFunc(kept, func(w string) bool { return strings.HasPrefix(w, slot+"Label=") })
			continue
		}
		kept = append(kept, word)
	}
	header, pairs, err := read(head + strings.Join(kept, " "))
	if err != nil {
		t.Fatal(err)
	}
	return header, pairs
}

func TestMCASLegacyLeavesOtherServicesTheirHeader(t *testing.T) {
	for service, want := range map[string]string{
		"MicrosoftCloudAppSecurity":    "CEF:0|MCAS|SIEM_Agent|0.112.68|",
		"microsoftDefenderForEndpoint": "CEF:0|Microsoft|Microsoft Defender for Endpoint|0.112.68|",
		"azureAdIdentityProtection":    "CEF:0|Microsoft|Microsoft Defender XDR|0.112.68|",
	} {
		got, _ := newEncoder(t, Options{Profile: ProfileMCASLegacy}).AppendEvent(nil, &formats.Detection{ServiceSource: service, Title: "x"}, 4096)
		if !strings.HasPrefix(string(got), want) {
			t.Errorf("%s: got %s", service, got)
		}
	}
}

// Profiles keep what the default table keeps: hostile texts and budgets.
func TestProfilesAgainstHostileTextsAndBudgets(t *testing.T) {
	for _, profile := range Profiles() {
		for _, version := range []string{Version0, Version1} {
			e := newEncoder(t, Options{Version: version, Profile: profile})
			for i, s := range formatstest.Hostile() {
				d := &formats.Detection{Fresh: true}
				formatstest.SetTexts(d, func(string) string { return s })
				event, _ := e.AppendEvent(nil, d, 1<<20)
				header, pairs, err := read(string(event))
				if err == nil {
					err = formatstest.CheckPairs(e.Table().Rows(), pairs, formatstest.Clean(s, true, 0))
				}
				if err == nil {
					err = checkProfileEvent(header, pairs)
				}
				if err != nil {
					t.Errorf("%s, CEF:%s, text %d %.60q: %v", profile, version, i, s, err)
				}
			}
		}
	}
	texts := formatstest.Hostile()
	rapid.Check(t, func(t *rapid.T) {
		d := formatstest.Full()
		formatstest.SetTexts(d, func(name string) string { return rapid.SampledFrom(texts).Draw(t, name) })
		d.ServiceSource = rapid.SampledFrom([]string{"", "microsoftDefenderForCloudApps"}).Draw(t, "service")
		d.Severity = formats.Severity(rapid.IntRange(0, 6).Draw(t, "severity"))
		budget := rapid.IntRange(0, 6000).Draw(t, "budget")
		e, _ := New(Options{Profile: rapid.SampledFrom(Profiles()).Draw(t, "profile")})
		event, _ := e.AppendEvent(nil, d, budget)
		if len(event) > max(budget, formats.MinBudget) {
			t.Fatalf("%d bytes exceed the budget of %d", len(event), budget)
		}
		header, pairs, err := read(string(event))
		if err == nil {
			err = checkProfileEvent(header, pairs)
		}
		if err != nil {
			t.Fatalf("%v in %q", err, event)
		}
	})
}

// A user's table extends and replaces a profile as it does the default.
func TestUserTableOverAProfile(t *testing.T) {
	user, err := formats.ParseMapping(`
header.product.microsoftDefenderForEndpoint = "Windows Defender ATP"
severity_words.high = "Very-High"
severity_words.low = ""
attributes = [{ key = "cs4", remove = true }, { key = "cs1", from = "threat_family", label = "Family" }, { key = "cs2", from = "mitre_techniques", label = "Techniques" }]`)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Profile: ProfileArcSightLegacy, Additions: formats.Additions{Extend: user}}
	d := &formats.Detection{API: "detections", Title: "x", Severity: formats.SeverityHigh, ThreatName: "n", ThreatFamily: "f", Actor: "a", Techniques: []string{"T1"}}
	header, pairs := encode(t, o, d, 4096)
	if header[2] != "Windows Defender ATP" || header[6] != "Very-High" || pairs["cs1"] != "f" || pairs["cs1Label"] != "Family" || pairs["cs2"] != "T1" || pairs["cs4"] != "" {
		t.Errorf("%q %v", header, pairs)
	}
	d.Severity = formats.SeverityLow
	if header, _ = encode(t, o, d, 4096); header[6] != "3" {
		t.Errorf("severity %q", header[6])
	}
	// The built-in table is as it was.
	if header, pairs = encode(t, Options{Profile: ProfileArcSightLegacy}, d, 4096); header[2] != "Microsoft Defender ATP" || header[6] != "Low" || pairs["cs4"] != "a" {
		t.Errorf("the profile was changed: %q %v", header, pairs)
	}
}
