package flexconnector_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/cef"
	"github.com/siembridge/siembridge/formats/defender"
	"github.com/siembridge/siembridge/formats/flexconnector"
	"github.com/siembridge/siembridge/formats/parse"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func convert(t *testing.T, name string) *flexconnector.Conversion {
	t.Helper()
	c := flexconnector.Convert(read(t, name))
	if len(c.Problems) > 0 {
		t.Fatal(c.Problems)
	}
	return c
}

// event encodes a detection with a mapping, reads it back strictly and returns header and extension.
func event(t *testing.T, m *formats.Mapping, d *formats.Detection) map[string]string {
	t.Helper()
	var add formats.Additions
	add.Extend = m
	encoder, err := cef.New(cef.Options{Additions: add})
	if err != nil {
		t.Fatal(err)
	}
	line, _ := encoder.AppendEvent(nil, d, 8192)
	e, err := parse.CEF(string(line))
	if err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	all := map[string]string{"vendor": e.Vendor, "product": e.Product, "version": e.Release, "class": e.EventID, "name": e.Name, "severity": e.Severity}
	for _, p := range e.Pairs {
		all[p.Key] = p.Value
	}
	return all
}

func decode(t testing.TB, api defender.API, raw []byte) *formats.Detection {
	t.Helper()
	var d formats.Detection
	_, err := defender.Split(api, strings.NewReader(string(raw)), func(record []byte) error {
		_, err := defender.Decode(api, record, &d)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	d.Change = formats.ChangeNew
	defender.SetTime(&d)
	return &d
}

// TestMicrosoftTable: the fields of Microsoft's table come out as the FlexConnector made them, each of the documented
// example values in the documented field, and nothing else does but the two keys of siembridge's own.
func TestMicrosoftTable(t *testing.T) {
	c := convert(t, "WDATP-connector.jsonparser.properties")
	if len(c.Notes) > 0 {
		t.Errorf("notes: %v", c.Notes)
	}
	got := event(t, c.Mapping, decode(t, defender.Detections, read(t, "mapping-doc-av-mikatz.json")))
	want := map[string]string{
		"vendor": "Microsoft", "product": "Microsoft Defender ATP", "version": "2.0", "severity": "8",
		"class": "microsoftDefenderForEndpoint/Malware", // the connector had none, and CEF wants one
		"name":  "Microsoft Defender AV detected 'Mikatz' high-severity malware", "cat": "Malware", "sourceServiceName": "Antivirus",
		"shost": "desktop-4a5ngd6", "fname": "Robocopy.exe", "filePath": `C:\Windows\System32\Robocopy.exe`, "sntdom": "CONTOSO",
		"suser": "liz.bean", "fileHash": "3da065e07b990034e9db7842167f70b63aa5329",
		"cs6": "ebf54f745dc81e1958f75e4ca91dd0ab989fc9787bb6b0bf993e2f5", "cs6Label": "SHA256",
		"cs5": "db979c04a99b96d370988325bb5a8b21", "cs5Label": "MD5", "cs1": "HackTool:Win32/Mikatz!dha", "cs1Label": "Threat Name",
		"src": "218.90.204.141", "request": "down.esales360.cn", "cn2": "1", "cn2Label": "Remediation Is Success",
		"cn1": "0", "cn1Label": "Was Executing", "externalId": "636210704265059241_673569822",
		"flexString1": "https://securitycenter.windows.com/alert/636210704265059241_673569822", "flexString1Label": "Link To WDATP",
		"rt": "1494122219319", "sourceDnsDomain": "contoso.com", "cs4": "BORON", "cs4Label": "Actor",
		"suid": `contoso\liz-bean; contoso\jay-hardee`, "MicrosoftDefenderEventKind": "new",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestSameSlots: what the file and the built-in table both fill, they fill with the same value.
func TestSameSlots(t *testing.T) {
	c := convert(t, "WDATP-connector.jsonparser.properties")
	d := decode(t, defender.Detections, read(t, "docs-2020-edr-file-activity.json"))
	own, builtIn := event(t, c.Mapping, d), event(t, &formats.Mapping{}, d)
	same := 0
	for key, value := range own {
		if key == "product" || strings.HasSuffix(key, "Label") {
			continue
		}
		if builtIn[key] != value {
			t.Errorf("%s = %q, built in %q", key, value, builtIn[key])
		}
		same++
	}
	if same < 15 {
		t.Errorf("only %d fields: %v", same, own)
	}
}

// TestNewerAPI: an alert of Graph fills the fields that a detection of the old API filled.
func TestNewerAPI(t *testing.T) {
	d := &formats.Detection{API: "graph-alerts", Kind: formats.KindAlert, Change: formats.ChangeNew, ID: "da1", AlertID: "da1", Title: "T", Category: "Malware",
		Severity: formats.SeverityHigh, SeverityText: "high", ServiceSource: "microsoftDefenderForEndpoint", DetectionSource: "antivirus",
		Time: time.UnixMilli(1772323200500), AlertLink: "https://security.microsoft.com/alerts/da1", Raw: []byte(`{"id":"da1","Custom":{"Word":"w"}}`)}
	d.Device.FQDN, d.Device.LoggedOnUsers = "h.example.org", []string{`c\a`, `c\b`}
	d.Process.SHA1, d.Network.RemoteAddress = "aa", "198.51.100.7"
	got := event(t, convert(t, "WDATP-connector.jsonparser.properties").Mapping, d)
	want := map[string]string{"vendor": "Microsoft", "product": "Microsoft Defender ATP", "version": "2.0", "severity": "8",
		"class": "microsoftDefenderForEndpoint/Malware", "name": "T", "cat": "Malware", "sourceServiceName": "antivirus", "shost": "h.example.org",
		"fileHash": "aa", "src": "198.51.100.7", "externalId": "da1", "flexString1": "https://security.microsoft.com/alerts/da1",
		"flexString1Label": "Link To WDATP", "rt": "1772323200500", "suid": `c\a; c\b`, "MicrosoftDefenderEventKind": "new"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFunctions(t *testing.T) {
	c := convert(t, "functions.jsonparser.properties")
	d := decode(t, defender.Detections, []byte(`{"AlertTitle":"T","LogOnUsers":"contoso\\liz; contoso\\jay","AlertTime":"2026-03-01T00:00:00.5004567Z",
		"ComputerDnsName":"h1.corp.example.org","LinkToMTP":"https://security.microsoft.com/x","Severity":"High","AlertPart":2,"Category":"Malware",
		"InternalIPv6List":"fd30:0::1, fe80::1","AlertId":"a","Custom":{"Deep":[{"Value":"two"}],"Seconds":1772323200,"Word":"null"}}`))
	got := event(t, c.Mapping, d)
	want := map[string]string{"vendor": "Contoso", "product": "Our Defender", "version": "2.0", "class": "malware", "name": "Malware - T", "severity": "10",
		"rt": "1772323200500", "start": "1772323200000", "suser": "liz", "sntdom": "CONTOSO", "shost": "h1", "sourceDnsDomain": "corp.example.org",
		"c6a1": "fd30::1", "c6a1Label": "Device IPv6 Address", "cn1": "2", "cn1Label": "Part №", "cs2": "bad=yes", "cs2Label": "Verdict",
		"cs3": "2nd", "cs3Label": "ProcessCommandLine", "msg": "T", "cnt": "3", "request": "https://wiki.example.org/malware", "cat": "Malware",
		"act": "look at it", "MicrosoftDefenderWhere": "h1.corp.example.org", "MicrosoftDefenderEventKind": "new"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	d.Category, d.Raw = "Phishing", []byte(strings.Replace(strings.Replace(string(d.Raw), "Malware", "Phishing", 1), `"null"`, `"w"`, 1))
	got = event(t, c.Mapping, d)
	for key, value := range map[string]string{"act": "", "request": "https://security.microsoft.com/x", "cs2": "unclear", "msg": "w"} {
		if got[key] != value {
			t.Errorf("%s = %q, want %q", key, got[key], value)
		}
	}
	var notes []string
	for _, n := range c.Notes {
		notes = append(notes, n.String())
	}
	wantNotes := []string{
		"line 2: trigger.node.location: records come one by one, whatever list they stand in",
		`line 36: severity.map.high.if.deviceSeverity: Microsoft has no severity "critical", so it never occurs`,
		`line 49: event.deviceCustomString3: the file has no label for it; it is "ProcessCommandLine"`,
	}
	if diff := cmp.Diff(wantNotes, notes); diff != "" {
		t.Error(diff)
	}
}

// TestMistakes: everything that is not understood is told with its line.
func TestMistakes(t *testing.T) {
	c := flexconnector.Convert(read(t, "mistakes.jsonparser.properties"))
	var got []string
	for _, p := range c.Problems {
		got = append(got, p.String())
	}
	want := []string{
		`line 1: trigger.node.location: "/records": locations begin at the record itself, so this has to be /`,
		`line 4: token[0].location: "../A" climbs out of the record, of which siembridge has nothing but itself`,
		`line 7: token[1].type: a token of type "RegexToken" is not understood`,
		`line 11: token[2].format: not understood: "DDD" in the pattern of a time`,
		`line 12: event.name: not understood: the function "__dreamUp" is not known`,
		`line 13: event.message: not understood: there is no token "Nowhere"`,
		"line 14: event.requestUrl: not understood: __regexToken: the regular expression cannot be used here: error parsing regexp: invalid or unsupported Perl syntax: `(?=`",
		`line 15: event.categoryBehavior: CEF has no key for the field "categoryBehavior"`,
		`line 16: event.deviceCustomString1: not understood: column 16: a comma or a closing parenthesis is missing`,
		`line 17: event.deviceVendor: siembridge needs a constant here, the same for all records`,
		`line 18: event.deviceSeverity: the severity comes from the record's own; an expression is not understood`,
		`line 19: extraprocessor[0].type: not understood`,
		`line 20: severity.map.high.if.name: a severity map goes by deviceSeverity`,
		`line 21: conditionalmap[0].field: not understood: a conditional map goes by an event field that has a mapping`,
		`line 25: token[9].name: token.count is 3, so the connector would not read this token`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// What only the compiler of tables sees is told with its line as well.
	c = flexconnector.Convert([]byte("event.message=__stringConstant(\"x\")\nevent.sourcePort=__stringConstant(\"http\")\n"))
	if len(c.Problems) != 1 || c.Problems[0].Line != 2 {
		t.Errorf("%v", c.Problems)
	}
}

// TestDocumented: the guide names every function that is understood, and no other.
func TestDocumented(t *testing.T) {
	guide, err := os.ReadFile("../../docs/migration.md")
	if err != nil {
		t.Fatal(err)
	}
	names := flexconnector.FunctionNames()
	for _, name := range names {
		if !strings.Contains(string(guide), "`"+name+"`") {
			t.Errorf("docs/migration.md does not name %s", name)
		}
	}
	if n := strings.Count(string(guide), "`__"); n != len(names) {
		t.Errorf("docs/migration.md names %d functions, there are %d", n, len(names))
	}
}

// TestTimes: patterns of SimpleDateFormat, and what is read with them.
func TestTimes(t *testing.T) {
	for _, tt := range []struct{ pattern, text, want string }{
		{"yyyy-MM-dd'T'HH:mm:ss.SSS'Z'", "2017-05-07T01:56:59.3191352Z", "1494122219319"},
		{"yyyy-MM-dd'T'HH:mm:ss", "2017-05-07T01:56:59", "1494122219000"},
		{"yyyy-MM-dd'T'HH:mm:ssXXX", "2017-05-07T01:56:59+02:00", "1494115019000"},
		{"MMM dd yyyy HH:mm:ss z", "May 07 2017 01:56:59 UTC", "1494122219000"},
		{"dd/MM/yy h:mm a", "07/05/17 1:56 AM", "1494122160000"},
		{"yyyyMMdd", "2017-05-07T01:56:59Z", "1494122219000"}, // not of the pattern, but as Microsoft writes it
		{"yyyy-MM-dd", "yesterday", ""},
	} {
		c := flexconnector.Convert([]byte("token[0].name=AlertTime\nevent.deviceReceiptTime=__createOptionalTimeStampFromString(AlertTime,\"" + tt.pattern + "\")\n"))
		if len(c.Problems) > 0 {
			t.Errorf("%s: %v", tt.pattern, c.Problems)
			continue
		}
		d := &formats.Detection{API: "detections", Raw: []byte(`{"AlertTime":"` + tt.text + `"}`)}
		if got := event(t, c.Mapping, d)["rt"]; got != tt.want {
			t.Errorf("%s of %s: %q, want %q", tt.pattern, tt.text, got, tt.want)
		}
	}
}

// FuzzConvert: no file makes it fail, and what it understands makes events that parse.
func FuzzConvert(f *testing.F) {
	for _, name := range []string{"WDATP-connector.jsonparser.properties", "functions.jsonparser.properties", "mistakes.jsonparser.properties"} {
		f.Add(read(f, name))
	}
	d := &formats.Detection{API: "detections", Title: "a=b|c\\", AlertID: "x", Raw: []byte(`{"AlertTitle":"a=b|c\\","LogOnUsers":"x\\y;z","AlertTime":"2026-03-01T00:00:00Z"}`)}
	f.Fuzz(func(t *testing.T, text []byte) {
		c := flexconnector.Convert(text)
		if len(c.Problems) > 0 {
			return
		}
		encoder, err := cef.New(cef.Options{Additions: formats.Additions{Extend: c.Mapping}})
		if err != nil {
			t.Fatalf("understood, but: %v", err)
		}
		line, _ := encoder.AppendEvent(nil, d, 4096)
		if _, err := parse.CEF(string(line)); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
	})
}

func TestReadProperties(t *testing.T) {
	text := "# no\n! no\n a = b\\=c \\\n   d\nk\\:ey:v\\u0041\\t.\nblank value\nnone\nre=(\\\\S+)\\\\.\nend=x\\"
	var got []string
	for _, p := range flexconnector.ReadProperties([]byte(text)) {
		got = append(got, fmt.Sprintf("%d %s|%s", p.Line, p.Key, p.Value))
	}
	want := []string{"3 a|b=c d", "5 k:ey|vA\t.", "6 blank|value", "7 none|", `8 re|(\S+)\.`, "9 end|x"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
