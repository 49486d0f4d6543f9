package formats_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/cef"
	"github.com/siembridge/siembridge/formats/defender"
	"github.com/siembridge/siembridge/formats/leef"
	"github.com/siembridge/siembridge/formats/parse"
)

// compile builds an encoder of a format with a user's table and constants, and returns its problems.
func compile(t *testing.T, format, table string, fields ...formats.Pair) (encoder formats.Encoder, problems formats.Problems) {
	t.Helper()
	user, err := formats.ParseMapping(table)
	if err == nil {
		add := formats.Additions{Extend: user, Fields: fields, APIs: defender.APIs()}
		name, version, _ := strings.Cut(format, ":")
		switch name {
		case "leef":
			encoder, err = leef.New(leef.Options{Version: version, Additions: add})
		case "cef":
			encoder, err = cef.New(cef.Options{Version: version, Additions: add})
		default:
			encoder, err = formats.NewJSON(formats.JSONOptions{Additions: add})
		}
	}
	if err == nil {
		return encoder, nil
	}
	problems, ok := err.(formats.Problems)
	if !ok {
		t.Fatalf("%v is no list of problems", err)
	}
	return nil, problems
}

func TestProblems(t *testing.T) {
	for _, c := range []struct{ format, table, entry, text string }{
		{"cef:0", `attributes = [{ key = "cs2", from = "nonsense", label = "X" }]`, "cs2", `no detection field is named "nonsense"`},
		{"cef:0", `attributes = [{ key = "fnmae", from = "file.name" }]`, "fnmae", "not in the CEF dictionary"},
		{"cef:0", `attributes = [{ key = "My_Key", from = "file.name" }]`, "My_Key", "letters and digits"},
		{"cef:0", `attributes = [{ key = "FNAME", from = "file.name" }]`, "FNAME", "two entries"},
		{"cef:0", `attributes = [{ key = "Dhost", from = "file.name" }]`, "Dhost", `spells the key "dhost"`},
		{"cef:0", `attributes = [{ key = "threatActor", from = "actor" }]`, "threatActor", "exists from cef:1 on"},
		{"cef:0", `attributes = [{ key = "cs2", from = "actor" }]`, "cs2", "needs a label"},
		{"cef:0", `attributes = [{ key = "msg", from = "actor", label = "X" }]`, "msg", "only custom slots"},
		{"cef:0", `attributes = [{ key = "cs2Label", value = "X" }]`, "cs2Label", `set by the entry of "cs2"`},
		{"cef:0", `attributes = [{ key = "c6a2", from = "actor", label = "X" }]`, "c6a2", `lays down the label "Source IPv6 Address"`},
		{"cef:0", `attributes = [{ key = "rawEvent", from = "actor" }]`, "rawEvent", "not for senders"},
		{"cef:0", `attributes = [{ key = "src", from = "time" }]`, "src", "time cannot become a value of type ipv4"},
		{"cef:0", `attributes = [{ key = "rt", value = "now" }]`, "rt", "cannot be a constant"},
		{"cef:0", `attributes = [{ key = "src", value = "host" }]`, "src", `"host" is not of type ipv4`},
		{"cef:0", `attributes = [{ key = "src", from = "actor", type = "text" }]`, "src", "of type ipv4, not text"},
		{"cef:0", `attributes = [{ key = "msg", from = "actor", type = "rubbish" }]`, "msg", `"rubbish" is no type`},
		{"cef:0", `attributes = [{ key = "msg", from = "actor", max = 2000 }]`, "msg", "more than the 1023"},
		{"cef:0", `attributes = [{ key = "msg", from = "actor", short = 2000 }]`, "msg", "more than max"},
		{"cef:0", `attributes = [{ key = "msg", from = "actor", whole = true, short = 20 }]`, "msg", "no short form"},
		{"cef:0", `attributes = [{ key = "msg", from = "actor", max = -1 }]`, "msg", "not negative"},
		{"cef:0", `attributes = [{ key = "msg", from = "actor", hash = true, max = 20 }]`, "msg", "39 bytes"},
		{"cef:0", `attributes = [{ key = "msg", from = "actor", priority = "D" }]`, "msg", "priority is A"},
		{"cef:0", `attributes = [{ key = "msg", from = "actor", value = "x" }]`, "msg", "not both"},
		{"cef:0", `attributes = [{ key = "msg" }]`, "msg", "needs from or value"},
		{"cef:0", `attributes = [{ key = "msg", from = "/a~2" }]`, "msg", "no JSON Pointer"},
		{"cef:0", `attributes = [{ key = "msg", from = "actor", with = "zzz" }]`, "msg", "no earlier key"},
		{"cef:0", `attributes = [{ key = "msg", from = "actor", api = "soap" }]`, "msg", `no API is named "soap"`},
		{"cef:0", `attributes = [{ key = "msg", from = "actor", kind = "thing" }]`, "msg", `no kind of event is named "thing"`},
		{"cef:0", `attributes = [{ key = "msg", from = "actor", if = "zzz" }]`, "msg", `"zzz"`},
		{"cef:0", `attributes = [{ key = "msg", from = "actor", words = "zzz" }]`, "msg", `no word list "zzz"`},
		{"cef:0", `attributes = [{ key = "msg", from = "actor", entity = "planet" }]`, "msg", `group of detection fields is named "planet"`},
		{"cef:0", `attributes = [{ key = "msg", from = "actor", frm = "x" }]`, "attributes.frm", "no such key"},
		{"cef:0", `attributes = [{ key = "msg", from = "actor" }, { key = "msg", from = "title" }]`, "msg", "two entries"},
		{"cef:0", `attributes = [{ key = "zzz", remove = true }]`, "zzz", "nothing to remove"},
		{"cef:0", `attributes = [{ key = "rt", from = ["time", "created_time"], all = true }]`, "rt", "cannot be joined"},
		{"cef:0", `attributes = [{ key = "msg", from = "user_names", join = "\u0000" }]`, "msg", "no value may have"},
		{"leef:2.0", `attributes = [{ key = "msg", from = "user_names", join = "\t" }]`, "msg", "no value may have"},
		{"leef:2.0", `attributes = [{ key = "msg", from = "user_names", join = "a\nb" }]`, "msg", "no value may have"},
		{"cef:0", `attributes = [{ key = "msg", from = 7 }]`, "mapping", "7"},
		{"cef:0", `header.product.nonsense = "x"`, "header.product", `"nonsense" is no service`},
		{"cef:0", `header.vendor.other = "a|b"`, "header.vendor", "without pipes"},
		{"cef:0", `header.name = ["nonsense"]`, "header.name", `"nonsense"`},
		{"cef:0", `severity.awful = 9`, "severity", `"awful" is no severity`},
		{"cef:0", `severity_words.awful = "Low"`, "severity_words", `"awful" is no severity`},
		{"cef:0", `severity_words.low = "Informational"`, "severity_words", "CEF has the words Unknown, Low, Medium, High, Very-High"},
		{"leef:2.0", `severity_words.low = "Low"`, "severity_words", "only the header of CEF"},
		{"leef:2.0", `header.class_id = "detector_id"`, "header.class_id", "only the header of CEF"},
		{"json", `header.class_id = "detector_id"`, "header.class_id", "only the header of CEF"},
		{"cef:0", "attributes = [{ key = \"msg\", from = \"status\", words = \"w\" }]\n[words.w]\ninProgress = \"1\"\nin-progress = \"2\"", "words.w", `"inProgress" means "1", and is the same word as one that means "2"`},
		{"leef:2.0", `header.name = "title"`, "header.name", "only the header of CEF"},
		{"leef:2.0", `severity.low = 0`, "severity", "LEEF 1 to 10"},
		{"leef:2.0", `format = "cef"`, "format", `is for "cef"`},
		{"leef:2.0", `attributes = [{ key = "xsrc", from = "actor" }]`, "xsrc", `ends in the key "src"`},
		{"leef:2.0", `attributes = [{ key = "devTimeFormat", value = "x" }]`, "devTimeFormat", "not for senders"},
		{"leef:2.0", `attributes = [{ key = "usrname", from = "actor" }]`, "usrname", "two entries"},
		{"cef:0", `attributes = [{ key = "cn1", from = "file.size", label = "X", short = 5 }]`, "cn1", "neither a short form nor a hash"},
		{"cef:0", `attributes = [{ key = "cfp1", from = "/x", label = "X", hash = true, max = 40 }]`, "cfp1", "neither a short form nor a hash"},
		{"json", `attributes = [{ key = "title", remove = true }, { key = "event.shortened", from = "shortened" }]`, "event.shortened", "on its own, not in an object"},
		{"json", `attributes = [{ key = "title.short", from = "title" }]`, "title.short", `"title" is a value`},
		{"json", `attributes = [{ key = "raw", from = "title" }]`, "raw", "as Microsoft sent it"},
		{"json", `attributes = [{ key = "a b", from = "title" }]`, "a b", "parts joined by dots"},
		{"json", `nonsense`, "mapping", "line 1"},
	} {
		_, problems := compile(t, c.format, c.table)
		if !slices.ContainsFunc(problems, func(p formats.Problem) bool { return p.Entry == c.entry && strings.Contains(p.Text, c.text) }) {
			t.Errorf("%s %s:\n%v", c.format, c.table, problems)
		}
	}
}

// Two spellings of a word that mean the same are no problem.
func TestWordsTwice(t *testing.T) {
	if _, problems := compile(t, "leef:2.0", "attributes = [{ key = \"step\", from = \"status\", words = \"w\" }]\n[words.w]\ninProgress = \"1\"\n\"in progress\" = \"1\""); problems != nil {
		t.Error(problems)
	}
}

// A text that is a time is one with a zone and without, as those of the fields are.
func TestTimeOfAText(t *testing.T) {
	e, problems := compile(t, "leef:2.0", `attributes = [{ key = "seen", from = "/seen", type = "time" }]`)
	if problems != nil {
		t.Fatal(problems)
	}
	for text, want := range map[string]string{"2026-03-01T08:00:00.5004567Z": "1772352000500", "2026-03-01T08:00:00.5004567": "1772352000500",
		"2026-03-01T09:00:00+01:00": "1772352000000", "2026-03-01T08:00:00": "1772352000000", "yesterday": "", "0001-01-01T00:00:00": "", "9999-12-31T23:59:59Z": ""} {
		event, loss := e.AppendEvent(nil, &formats.Detection{Raw: []byte(`{"seen":"` + text + `"}`)}, 4096)
		if got, _ := parse.LEEF(string(event)); got == nil || got.Get("seen") != want || slices.Contains(loss.Mistyped, "seen") != (want == "") {
			t.Errorf("%s: %v in %s", text, loss, event)
		}
	}
}

// A value of which a cut would leave nothing is left out: no event has a key without a value.
func TestNoRoomForAnEllipsis(t *testing.T) {
	for format, key := range map[string]string{"leef:2.0": "country", "cef:0": "AcmeCountry", "json": "country"} {
		for limit, name := range map[string]string{"max = 2": "Germany", "short = 1": strings.Repeat("Germany", 100)} {
			e, problems := compile(t, format, `replace = true
attributes = [{ key = "`+key+`", from = "assigned_to", `+limit+` }, { key = "`+key+`Long", value = "`+strings.Repeat("x", 495)+`", priority = "A" }]`)
			if problems != nil {
				t.Fatal(problems)
			}
			event, loss := e.AppendEvent(nil, &formats.Detection{AssignedTo: name, Title: "t"}, 512)
			if !slices.Contains(loss.Shortened, key) || strings.Contains(string(event), key+"=") || strings.Contains(string(event), `"`+key+`":`) {
				t.Errorf("%s, %s: lost %v in %s", format, limit, loss.Shortened, event)
			}
		}
		e, _ := compile(t, format, `attributes = [{ key = "`+key+`", from = "assigned_to", max = 2 }]`)
		if event, loss := e.AppendEvent(nil, &formats.Detection{AssignedTo: "DE"}, 512); len(loss.Shortened) > 0 || !strings.Contains(string(event), "DE") {
			t.Errorf("%s: lost %v in %s", format, loss.Shortened, event)
		}
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	_, problems := compile(t, "cef:0", `
severity.awful = 9
attributes = [
  { key = "cs2", from = "nonsense" },
  { key = "src", value = "host", priority = "Z" },
  { key = "zzz", remove = true },
]`, formats.Pair{Key: "externalId", Value: "1"}, formats.Pair{Key: "a b", Value: "x"}, formats.Pair{Key: "dhost", Value: ""})
	var entries []string
	for _, p := range problems {
		entries = append(entries, p.Entry)
	}
	want := []string{"zzz", "externalId", "severity", "src", "src", "cs2", "cs2", "a b", "dhost"}
	if !slices.Equal(entries, want) {
		t.Errorf("got %v\n%v", entries, problems)
	}
}

func TestExtendAndFields(t *testing.T) {
	e, problems := compile(t, "cef:0", `
version = "9"
header.product.other = "Other Product"
severity.high = 10
attributes = [
  { key = "cs2", from = "assigned_to", label = "a=b Label" },
  { key = "cat", remove = true },
  { key = "flexNumber1", from = "/deep/0/n~1m", label = "N" },
  { key = "AcmeBridgeText", from = ["/deep/1", "title"] },
  { key = "AcmeBridgeRest", from = "/deep", priority = "C" },
  { key = "AcmeBridgeFlag", from = "/flag" },
]`, formats.Pair{Key: "customer", Value: "acme"}, formats.Pair{Key: "dvcpid", Value: "7"})
	if problems != nil {
		t.Fatal(problems)
	}
	d := &formats.Detection{AssignedTo: "me", Category: "Malware", Title: "x", ServiceSource: "OfficeATP", Severity: formats.SeverityHigh,
		Raw: []byte(`{"deep": [{"n/m": 42}, "te\u0078t"], "flag": true, "title": null}`)}
	event, _ := e.AppendEvent(nil, d, 4096)
	want := `CEF:0|Microsoft|Other Product|9|microsoftDefenderForOffice365/Malware|x|10|sourceServiceName=OfficeATP cs2Label=a\=b Label cs2=me MicrosoftDefenderServiceSource=OfficeATP MicrosoftDefenderAssignedTo=me flexNumber1Label=N flexNumber1=42 AcmeBridgeText=text AcmeBridgeRest=[{"n/m":42},"te\\u0078t"] AcmeBridgeFlag=true customer=acme dvcpid=7`
	if sortPairs(string(event)) != sortPairs(want) {
		t.Errorf("got  %s\nwant %s", event, want)
	}
	// What was extended is a copy.
	plain, _ := cef.New(cef.Options{})
	event, _ = plain.AppendEvent(nil, d, 4096)
	if !strings.Contains(string(event), "Microsoft Defender XDR|2.0|") || !strings.Contains(string(event), "cat=Malware") {
		t.Errorf("the default table changed: %s", event)
	}
}

// sortPairs makes an event independent of the order of its attributes, which the table gives.
func sortPairs(event string) string {
	words := strings.Fields(event)
	slices.Sort(words)
	return strings.Join(words, " ")
}

func TestReplace(t *testing.T) {
	e, problems := compile(t, "leef:1.0", `
replace = true
attributes = [{ key = "cat", from = "service_word" }, { key = "alertTitle", from = "title" }]`)
	if problems != nil {
		t.Fatal(problems)
	}
	event, _ := e.AppendEvent(nil, &formats.Detection{Title: "x", AlertID: "1"}, 4096)
	if want := "LEEF:1.0|Microsoft|Microsoft Defender XDR|1.0|Other|cat=other\talertTitle=x"; string(event) != want {
		t.Errorf("got %q", event)
	}
}

// Every field of a detection reaches every format, so that nothing Microsoft says is out of reach.
func TestEveryFieldIsMapped(t *testing.T) {
	for _, m := range []*formats.Mapping{leef.DefaultMapping(), must(cef.ProfileMapping("")), formats.DefaultJSONMapping()} {
		mapped := map[string]bool{"severity": len(m.Severity) > 0} // in the header, if nowhere else
		for _, name := range m.Header.Name {
			mapped[name] = true
		}
		for _, a := range m.Attributes {
			for _, name := range a.From {
				mapped[name] = true
			}
		}
		for _, name := range formats.FieldNames() {
			if !mapped[name] {
				t.Errorf("%s: nothing is made of %s", m.Format, name)
			}
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Every key of our own is in the generated documentation, with its source and its type.
func TestRenderedTablesNameEveryKey(t *testing.T) {
	for _, f := range encodings() {
		table := f.encoder.Table()
		markdown, text := table.Markdown(), table.Text()
		for _, r := range table.Rows() {
			line := fmt.Sprintf("| `%s`", r.Key)
			if strings.Count(markdown, line+" |")+strings.Count(markdown, line+" "+r.Name+" |") != 1 || !strings.Contains(text, "\n"+r.Key) {
				t.Errorf("%s: %s is not in the documentation once", f.name, r.Key)
			}
			if r.From == "" || r.Type == "" || r.Priority == "" {
				t.Errorf("%s: %+v is described in part only", f.name, r)
			}
		}
		for _, line := range strings.Split(markdown, "\n") {
			if strings.HasPrefix(line, "| `") && strings.Count(strings.ReplaceAll(line, `\|`, ""), "|") != 9 {
				t.Errorf("%s: %s", f.name, line)
			}
		}
	}
}

func TestClosedLists(t *testing.T) {
	for _, c := range []struct {
		d       formats.Detection
		class   string
		service string
	}{
		{formats.Detection{Category: "privilege escalation", API: "detections"}, "PrivilegeEscalation", "microsoftDefenderForEndpoint"},
		{formats.Detection{Category: "COMMAND_AND-CONTROL", ServiceSource: "AzureATP"}, "CommandAndControl", "microsoftDefenderForIdentity"},
		{formats.Detection{Category: "None", ServiceSource: "microsoftcloudappsecurity"}, "Other", "microsoftDefenderForCloudApps"},
		{formats.Detection{Category: strings.Repeat("Malware", 20), ServiceSource: strings.Repeat("x", 100)}, "Other", "other"},
		{formats.Detection{Category: "Malware", Kind: formats.KindIncident, API: "incidents"}, "Incident", "other"},
		{formats.Detection{Kind: formats.KindStatus, StatusClass: "records-missing"}, "SiembridgeRecordsMissing", "siembridge"},
		{formats.Detection{Kind: formats.KindStatus, StatusClass: "news"}, "SiembridgeStatus", "siembridge"},
	} {
		if class, service := formats.EventClass(&c.d), formats.ServiceWord(&c.d); class != c.class || service != c.service {
			t.Errorf("%+v: %s, %s", c.d, class, service)
		}
	}
	// Receivers key their content on these words, so a release may add to them and never takes one away.
	classes := strings.Fields(`Malware Ransomware UnwantedSoftware SuspiciousActivity InitialAccess Execution Persistence PrivilegeEscalation
		DefenseEvasion CredentialAccess Discovery LateralMovement Collection CommandAndControl Exfiltration Impact Exploit Phishing CredentialStealing
		WebExploit Backdoor Trojan TrojanDownloader Weaponization Delivery Installation NetworkCommunication ThreatManagement Other Incident
		SiembridgeHeartbeat SiembridgeStarted SiembridgeStopped SiembridgeSourceStale SiembridgeSourceRecovered SiembridgeBufferFull SiembridgeDropping
		SiembridgeDrained SiembridgeCredentialExpiring SiembridgeRecordsMissing SiembridgeTest SiembridgeStatus`)
	services := strings.Fields(`microsoftDefenderForEndpoint microsoftDefenderForIdentity microsoftDefenderForCloudApps microsoftDefenderForOffice365
		microsoft365Defender azureAdIdentityProtection microsoftAppGovernance dataLossPrevention microsoftDefenderForCloud microsoftSentinel
		microsoftInsiderRiskManagement microsoftThreatIntelligence microsoftSecurityForAI siembridge other`)
	for _, c := range []struct{ frozen, now []string }{{classes, formats.EventClasses()}, {services, formats.ServiceWords()}} {
		for _, word := range c.frozen {
			if !slices.Contains(c.now, word) {
				t.Errorf("%s is no longer in the closed list", word)
			}
		}
	}
	for _, list := range [][]string{formats.EventClasses(), formats.ServiceWords()} {
		sorted := slices.Sorted(slices.Values(list))
		if len(slices.Compact(sorted)) != len(list) {
			t.Errorf("a word twice in %v", list)
		}
		for _, w := range list {
			if strings.ContainsAny(w, " |=^\t") || len(w) > 64 {
				t.Errorf("%q is no word", w)
			}
		}
	}
}

// TestKeyRules: what the dictionaries say of keys holds wherever a key can be given: in a mapping file, in
// [destination.fields] and in the additions of a source.
func TestKeyRules(t *testing.T) {
	for _, c := range []struct{ format, key, want string }{
		{"cef:0", "threatAttackID", "exists from cef:1 on"},
		{"cef:0", "reportedDuration", "exists from cef:1 on"},
		{"cef:0", "cs2Label", `set by the entry of "cs2"`},
		{"cef:0", "CS2LABEL", `set by the entry of "cs2"`},
		{"cef:0", "c6a4", "needs a label"},
		{"cef:0", "flexString2", "needs a label"},
		{"cef:0", "sourceHostName", `long name of the key "shost"`},
		{"cef:0", "DEVICEACTION", `long name of the key "act"`},
		{"cef:0", "Shost", `spells the key "shost"`},
		{"cef:0", "rawEvent", "not for senders"},
		{"cef:0", "my-key", "letters and digits"},
		{"cef:0", "7key", "letters and digits"},
		{"cef:1", "ahost", "not for senders"},
		{"leef:1.0", "identMAC", "not for senders"},
		{"leef:2.0", "SrcPort", `"srcPort"`},
		{"leef:2.0", "extradst", "not anchored"},
		{"leef:2.0", "itle", "not anchored"},
		{"leef:2.0", "key|", "letters and digits"},
		{"leef:2.0", "a^b", "letters and digits"},
	} {
		_, byTable := compile(t, c.format, fmt.Sprintf(`attributes = [{ key = %q, from = "actor" }]`, c.key))
		_, byField := compile(t, c.format, "", formats.Pair{Key: c.key, Value: "x"})
		encoder, _ := compile(t, c.format, "")
		bySource := encoder.(interface{ Table() *formats.Table }).Table().CheckFields([]formats.Pair{{Key: c.key, Value: "x"}})
		for where, problems := range map[string]error{"a mapping file": byTable, "the fields of a destination": byField, "the fields of a source": bySource} {
			if !strings.Contains(fmt.Sprint(problems), c.want) && !strings.Contains(fmt.Sprint(problems), "two entries") && !strings.Contains(fmt.Sprint(problems), "already fills") {
				t.Errorf("%s, %s in %s: %v", c.format, c.key, where, problems)
			}
		}
	}
	for _, c := range []struct{ format, key string }{{"cef:0", "AcmeBridgeSite"}, {"cef:1", "threatAttackID2"}, {"leef:2.0", "site"}, {"leef:1.0", "policyOwner"}} {
		if _, problems := compile(t, c.format, "", formats.Pair{Key: c.key, Value: "x"}); problems != nil {
			t.Errorf("%s in %s: %v", c.key, c.format, problems)
		}
	}
}

// A list may be empty wherever one value of it is asked for.
func TestListsInPlacesForOneValue(t *testing.T) {
	e, problems := compile(t, "cef:0", `
header.class_id = "mitre_techniques"
attributes = [{ key = "rt", from = "categories" }]`)
	if problems != nil {
		t.Fatal(problems)
	}
	for _, c := range []struct {
		d    formats.Detection
		want string
	}{
		{formats.Detection{Title: "x"}, "|other/Other|x|2|"},
		{formats.Detection{Title: "x", Techniques: []string{"T1"}, Categories: []string{"2026-11-23T10:11:12.1239Z"}}, "|T1|x|2|"},
	} {
		event, _ := e.AppendEvent(nil, &c.d, 4096)
		if !strings.Contains(string(event), c.want) || strings.Contains(string(event), "rt=1795428672123") != (c.d.Categories != nil) {
			t.Errorf("%s lacks %s", event, c.want)
		}
	}
}
