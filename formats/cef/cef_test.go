package cef

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/internal/formatstest"
	"github.com/siembridge/siembridge/formats/parse"
	"pgregory.net/rapid"
)

func newEncoder(t testing.TB, o Options) *Encoder {
	t.Helper()
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// read reads an event with two readers, which share nothing with the encoder and must agree.
func read(event string) (header []string, pairs map[string]string, err error) {
	if header, pairs, err = formatstest.ReadCEF(event); err != nil {
		return nil, nil, err
	}
	e, err := parse.CEF(event)
	if err != nil {
		return nil, nil, err
	}
	if got := []string{e.Version, e.Vendor, e.Product, e.Release, e.EventID, e.Name, e.Severity}; !slices.Equal(got, header) || len(e.Pairs) != len(pairs) {
		return nil, nil, fmt.Errorf("the readers disagree: %q and %q", header, got)
	}
	for _, p := range e.Pairs {
		if pairs[p.Key] != p.Value {
			return nil, nil, fmt.Errorf("the readers disagree on %s: %q and %q", p.Key, pairs[p.Key], p.Value)
		}
	}
	return header, pairs, nil
}

func encode(t testing.TB, o Options, d *formats.Detection, budget int) (header []string, pairs map[string]string) {
	t.Helper()
	event, _ := newEncoder(t, o).AppendEvent(nil, d, budget)
	header, pairs, err := read(string(event))
	if err != nil {
		t.Fatalf("%v in %q", err, event)
	}
	return header, pairs
}

func TestHeader(t *testing.T) {
	for _, c := range []struct {
		version string
		d       formats.Detection
		want    string
	}{
		{"0", formats.Detection{API: "alerts", Category: "Malware", Title: `a|b\c=d`, Severity: formats.SeverityHigh}, `CEF:0|Microsoft|Microsoft Defender for Endpoint|2.0|microsoftDefenderForEndpoint/Malware|a\|b\\c=d|8|`},
		{"1", formats.Detection{API: "graph-alerts", Category: "Malware", ServiceSource: "microsoftDefenderForIdentity", DetectorID: "rule=1%#|2", Title: "one\r\ntwo\tthree"}, `CEF:1|Microsoft|Microsoft Defender XDR|2.0|rule_1___2|one two three|2|`},
		{"0", formats.Detection{API: "alerts", Category: "Brand New", Title: "x"}, `CEF:0|Microsoft|Microsoft Defender for Endpoint|2.0|microsoftDefenderForEndpoint/Brand New|x|2|`},
		{"0", formats.Detection{API: "alerts", Title: "x"}, `CEF:0|Microsoft|Microsoft Defender for Endpoint|2.0|microsoftDefenderForEndpoint/Other|x|2|`},
		{"0", formats.Detection{API: "alerts", Category: "Ransom|ware"}, `CEF:0|Microsoft|Microsoft Defender for Endpoint|2.0|microsoftDefenderForEndpoint/Ransomware|Ransom\|ware|2|`},
		{"0", formats.Detection{API: "incidents", Kind: formats.KindIncident, IncidentName: "many things", Severity: formats.SeverityInformational}, `CEF:0|Microsoft|Microsoft Defender XDR|2.0|other/Incident|many things|1|`},
		{"0", formats.Detection{Kind: formats.KindStatus, StatusClass: "heartbeat"}, `CEF:0|siembridge|siembridge|2.0|siembridge/SiembridgeHeartbeat|SiembridgeHeartbeat|2|`},
	} {
		got, _ := newEncoder(t, Options{Version: c.version}).AppendEvent(nil, &c.d, 4096)
		if !strings.HasPrefix(string(got), c.want) {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

// A record of the detections API lands in exactly the slots of Microsoft's table ("Microsoft Defender for Endpoint
// SIEM REST API fields mapping to ArcSight").
func TestSlotsOfMicrosoftsTable(t *testing.T) {
	d := &formats.Detection{API: "detections", Kind: formats.KindAlert, Change: formats.ChangeNew,
		ID: "636210704265059241_673569822:x", FullID: "636210704265059241_673569822:x", AlertID: "636210704265059241_673569822",
		Title: "Microsoft Defender AV detected 'Mikatz' high-severity malware", Severity: formats.SeverityHigh, Category: "Malware",
		DetectionSource: "Antivirus", ThreatName: "HackTool:Win32/Mikatz!dha", Actor: "BORON",
		RemediationSuccess: formats.FlagTrue, WasExecuting: formats.FlagFalse,
		Time:      time.Date(2017, 5, 7, 1, 56, 59, 319135200, time.UTC),
		AlertLink: "https://security.microsoft.com/alert/1", LegacyAlertLink: "https://securitycenter.windows.com/alert/1",
		URL: "down.esales360.cn"}
	d.Device = formats.Device{Name: "desktop-4a5ngd6", DNSDomain: "contoso.com", FQDN: "desktop-4a5ngd6.contoso.com", LoggedOnUsers: []string{`contoso\liz-bean`, `contoso\jay-hardee`}}
	d.User = formats.User{Name: "liz.bean", Domain: "CONTOSO"}
	d.File = formats.File{Name: "Robocopy.exe", Path: `C:\Windows\System32\Robocopy.exe`, SHA1: "3da065e07b990034e9db7842167f70b63aa5329f", SHA256: strings.Repeat("e", 64), MD5: "db979c04a99b96d370988325bb5a8b21"}
	d.Network.RemoteAddress = "218.90.204.141"
	header, pairs := encode(t, Options{}, d, 8192)
	for key, want := range map[string]string{
		"cat": "Malware", "sourceServiceName": "Antivirus", "shost": "desktop-4a5ngd6", "fname": "Robocopy.exe", "filePath": `C:\Windows\System32\Robocopy.exe`,
		"sntdom": "CONTOSO", "suser": "liz.bean", "fileHash": "3da065e07b990034e9db7842167f70b63aa5329f", "cs6": strings.Repeat("e", 64), "cs5": "db979c04a99b96d370988325bb5a8b21",
		"cs1": "HackTool:Win32/Mikatz!dha", "src": "218.90.204.141", "request": "down.esales360.cn", "cn2": "1", "cn1": "0", "externalId": "636210704265059241_673569822",
		"flexString1": "https://securitycenter.windows.com/alert/1", "rt": "1494122219319", "sourceDnsDomain": "contoso.com", "cs4": "BORON", "suid": `contoso\liz-bean; contoso\jay-hardee`,
		"MicrosoftDefenderAlertLink": "https://security.microsoft.com/alert/1", "MicrosoftDefenderFullId": "636210704265059241_673569822:x", "MicrosoftDefenderEventKind": "new", "outcome": "success",
	} {
		if pairs[key] != want {
			t.Errorf("%s=%q, want %q", key, pairs[key], want)
		}
	}
	if header[5] != d.Title || header[6] != "8" {
		t.Errorf("header %q", header)
	}
	for key, label := range map[string]string{"cs1": "ThreatName", "cs4": "Actor", "cs5": "MD5", "cs6": "SHA256", "cn1": "WasExecutingWhileDetected", "cn2": "RemediationIsSuccess", "flexString1": "AlertLink"} {
		if pairs[key+"Label"] != label {
			t.Errorf("label of %s is %q", key, pairs[key+"Label"])
		}
	}
}

func TestTypes(t *testing.T) {
	d := &formats.Detection{AlertID: "1"}
	d.Network.RemoteAddress, d.Network.DestinationAddress = "2001:DB8::0010%eth0", "::ffff:192.0.2.1"
	d.Device.Addresses = []string{"nonsense", "fe80::1", "10.0.0.1"}
	d.File.Size, d.Process.ID, d.IncidentID, d.Network.DestinationPort = "3000000000", "12", "18446744073709551616", "65536"
	d.Created, d.Updated = time.UnixMilli(-1), time.Time{}
	event, loss := newEncoder(t, Options{}).AppendEvent(nil, d, 4096)
	_, pairs, err := read(string(event))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"externalId": "1", "c6a2Label": "Source IPv6 Address", "c6a2": "2001:db8::10", "dst": "192.0.2.1",
		"dvc": "10.0.0.1", "c6a1Label": "Device IPv6 Address", "c6a1": "fe80::1", "dpid": "12",
		"MicrosoftDefenderFileSize": "3000000000", "MicrosoftDefenderIncidentIdText": "18446744073709551616", "MicrosoftDefenderDeviceAddresses": "nonsense,fe80::1,10.0.0.1"}
	for key, value := range want {
		if pairs[key] != value {
			t.Errorf("%s=%q, want %q", key, pairs[key], value)
		}
	}
	if len(pairs) != len(want) {
		t.Errorf("got %v", pairs)
	}
	if got := fmt.Sprint(loss.Mistyped); got != "[dpt fsize cn3 MicrosoftDefenderCreatedTime]" {
		t.Errorf("mistyped: %s", got)
	}
	d.Network.RemoteAddress = "a host name"
	if _, pairs := encode(t, Options{}, d, 4096); pairs["MicrosoftDefenderRemoteAddressText"] != "a host name" || pairs["src"] != "" {
		t.Errorf("an address that is none: %v", pairs)
	}
}

func TestLongExternalIdIsHashed(t *testing.T) {
	id := "abcd" + strings.Repeat("0", 40)
	_, pairs := encode(t, Options{}, &formats.Detection{AlertID: id}, 4096)
	sum := sha256.Sum256([]byte(id))
	if want := "sha256:" + hex.EncodeToString(sum[:])[:33]; pairs["externalId"] != want || pairs["MicrosoftDefenderAlertId"] != id || pairs["MicrosoftDefenderShortened"] != "" {
		t.Errorf("got %v, want externalId %s", pairs, want)
	}
	_, pairs = encode(t, Options{}, &formats.Detection{AlertID: id[:40]}, 4096)
	if pairs["externalId"] != id[:40] || pairs["MicrosoftDefenderAlertId"] != "" {
		t.Errorf("40 bytes: got %v", pairs)
	}
}

func TestKeysOfCEF1(t *testing.T) {
	d := formatstest.Typical()
	d.Actor = "BORON"
	_, zero := encode(t, Options{}, d, 8192)
	_, one := encode(t, Options{Version: Version1}, d, 8192)
	for key, want := range map[string]string{"threatAttackID": "T1064", "frameworkName": "MITRE ATT&CK", "threatActor": "BORON"} {
		if zero[key] != "" || one[key] != want {
			t.Errorf("%s: %q in CEF 0, %q in CEF 1", key, zero[key], one[key])
		}
	}
}

func TestEventPerEvidence(t *testing.T) {
	_, pairs := encode(t, Options{}, &formats.Detection{AlertID: "a1", EvidenceID: "0f3c", EvidenceType: "process"}, 4096)
	if pairs["devicePayloadId"] != "a1#0f3c" {
		t.Errorf("got %v", pairs)
	}
}

func TestProcessStandsInForTheFile(t *testing.T) {
	d := &formats.Detection{}
	d.Process = formats.Process{Name: "p.exe", Path: `C:\p.exe`, SHA1: "1111", SHA256: "2222", MD5: "3333"}
	_, pairs := encode(t, Options{}, d, 4096)
	if pairs["fname"] != "p.exe" || pairs["filePath"] != `C:\p.exe` || pairs["fileHash"] != "1111" || pairs["cs6"] != "2222" || pairs["cs5"] != "3333" {
		t.Errorf("without file: %v", pairs)
	}
	d.File.Name = "f.dll"
	_, pairs = encode(t, Options{}, d, 4096)
	if pairs["fname"] != "f.dll" || pairs["fileHash"] != "" || pairs["filePath"] != "" || pairs["MicrosoftDefenderProcessSha1"] != "1111" {
		t.Errorf("a file's name met a process's hash: %v", pairs)
	}
}

func TestWords(t *testing.T) {
	for _, c := range []struct{ remediation, status, act, outcome string }{
		{"none", "new", "new", ""},
		{"", "inProgress", "in progress", ""},
		{"Blocked", "new", "Blocked", "success"},
		{"partiallyRemediated", "", "partially remediated", "failure"},
		{"quarantine", "resolved", "quarantine", ""},
		{"NotFound", "", "not found", ""},
	} {
		_, pairs := encode(t, Options{}, &formats.Detection{Remediation: c.remediation, Status: c.status}, 4096)
		if pairs["act"] != c.act || pairs["outcome"] != c.outcome {
			t.Errorf("%+v: act=%q outcome=%q", c, pairs["act"], pairs["outcome"])
		}
	}
}

// Each hostile text, in every field at once, must come back as its cleaned self and as nothing else.
func TestHostileTexts(t *testing.T) {
	for _, version := range []string{Version0, Version1} {
		e := newEncoder(t, Options{Version: version})
		for i, s := range formatstest.Hostile() {
			d := &formats.Detection{Fresh: true}
			formatstest.SetTexts(d, func(string) string { return s })
			event, _ := e.AppendEvent(nil, d, 1<<20)
			header, pairs, err := read(string(event))
			if err == nil {
				err = formatstest.CheckPairs(e.Table().Rows(), pairs, formatstest.Clean(s, true, 0))
			}
			if err == nil {
				err = checkEvent(header, pairs)
			}
			if err != nil {
				t.Errorf("CEF:%s, text %d %.60q: %v", version, i, s, err)
			}
		}
	}
}

// checkEvent holds an event against the dictionary: lengths, labels, header.
func checkEvent(header []string, pairs map[string]string) error {
	if header[1] != "Microsoft" || len(header[4]) > maxClassID || header[4] == "" || len(header[5]) > 512 || header[5] == "" || strings.ContainsAny(header[4], `=%#\|`) {
		return fmt.Errorf("header %q", header)
	}
	for key, value := range pairs {
		k, ok := Dictionary().Key(key)
		if ok && k.Max > 0 && len(value) > k.Max {
			return fmt.Errorf("%s has %d bytes, more than %d", key, len(value), k.Max)
		}
		if (k.LabelKey != "") != (pairs[key+"Label"] != "") {
			return fmt.Errorf("%s and its label do not go together", key)
		}
		if slot, isLabel := strings.CutSuffix(key, "Label"); isLabel && pairs[slot] == "" {
			return fmt.Errorf("%s stands without %s", key, slot)
		}
		if strings.TrimSpace(value) != value {
			return fmt.Errorf("%s=%q has blanks at an end", key, value)
		}
	}
	return nil
}

// An event never exceeds its budget, stays parseable, keeps labels with their values, and says what it lost.
func TestBudget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := formatstest.Full()
		texts := formatstest.Hostile()
		if rapid.Bool().Draw(t, "hostile") {
			formatstest.SetTexts(d, func(name string) string { return rapid.SampledFrom(texts).Draw(t, name) })
		}
		version := rapid.SampledFrom([]string{Version0, Version1}).Draw(t, "version")
		budget := rapid.IntRange(0, 10_000).Draw(t, "budget")
		e, _ := New(Options{Version: version})
		event, loss := e.AppendEvent(nil, d, budget)
		if len(event) > max(budget, formats.MinBudget) {
			t.Fatalf("%d bytes exceed the budget of %d", len(event), budget)
		}
		header, pairs, err := read(string(event))
		if err == nil {
			err = checkEvent(header, pairs)
		}
		if err != nil {
			t.Fatalf("%v in %q", err, event)
		}
		whole, _ := e.AppendEvent(nil, d, 1<<20)
		fullHeader, all, _ := read(string(whole))
		for key, value := range all {
			if pairs[key] != value && key != "MicrosoftDefenderShortened" && !slices.Contains(loss.Shortened, strings.TrimSuffix(key, "Label")) {
				t.Fatalf("%s changed from %.40q to %.40q and was not reported", key, value, pairs[key])
			}
		}
		if header[5] != fullHeader[5] && !slices.Contains(loss.Shortened, "name") {
			t.Fatalf("the name was cut and not reported")
		}
	})
}

func TestNothingIsShortenedThatFits(t *testing.T) {
	for _, version := range []string{Version0, Version1} {
		e := newEncoder(t, Options{Version: version})
		event, loss := e.AppendEvent(nil, formatstest.Full(), 1<<20)
		if len(loss.Shortened) > 0 || len(loss.Mistyped) > 0 {
			t.Errorf("lost %v in %q", loss, event)
		}
		// As much room as is needed is enough.
		again, loss := e.AppendEvent(nil, formatstest.Full(), len(event))
		if len(loss.Shortened) > 0 || !bytes.Equal(again, event) {
			t.Errorf("with a budget of its own length: lost %v", loss)
		}
	}
}

func TestExtra(t *testing.T) {
	d := &formats.Detection{AlertID: "1", Extra: []formats.Pair{{Key: "Customer", Value: "a=b\nc"}, {Key: "externalId", Value: "2"}, {Key: "dvc", Value: "x"}, {Key: "cs2Label", Value: "x"}, {Key: "rawEvent", Value: "x"}}}
	_, pairs := encode(t, Options{}, d, 4096)
	if pairs["Customer"] != "a=b\nc" || pairs["externalId"] != "1" || len(pairs) != 2 {
		t.Errorf("got %v", pairs)
	}
	table := newEncoder(t, Options{}).Table()
	for key, ok := range map[string]bool{"customer": true, "Customer": true, "destinationServiceName": true, "dvchost": false, "cfp1": false, "cs2Label": false, "threatActor": false, "rawEvent": false, "FNAME": false, "a.b": false} {
		if err := table.CheckFields([]formats.Pair{{Key: key, Value: "x"}}); (err == nil) != ok {
			t.Errorf("CheckFields(%q): %v", key, err)
		}
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{{Version: "2"}, {Profile: "nonsense"}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	e, d := newEncoder(t, Options{}), formatstest.Typical()
	dst := make([]byte, 0, 8192)
	for _, budget := range []int{8192, 1000} {
		if n := testing.AllocsPerRun(200, func() { dst, _ = e.AppendEvent(dst[:0], d, budget) }); n > 0 && !formatstest.Race {
			t.Errorf("budget %d: %v allocations per event", budget, n)
		}
	}
}

// Where no pair is left, no blank is either: the name takes no byte more than there is room for.
func TestBudgetOfNameAlone(t *testing.T) {
	m := &formats.Mapping{Replace: true, Attributes: []formats.Attribute{{Key: "msg", From: formats.Names{"description"}, Priority: "C"}}}
	e := newEncoder(t, Options{Additions: formats.Additions{Extend: m}})
	d := &formats.Detection{Title: strings.Repeat("a", 500), Description: strings.Repeat("d", 500)}
	for budget := 512; budget < 700; budget++ {
		if event, _ := e.AppendEvent(nil, d, budget); len(event) > budget {
			t.Fatalf("%d bytes for a budget of %d: %s", len(event), budget, event)
		}
	}
}

func FuzzCEF(f *testing.F) {
	for i, s := range formatstest.Hostile() {
		f.Add([]byte(s[:min(len(s), 300)]+"\x1fcustomer\x1f"+s[:min(len(s), 30)]), uint16(500*i))
	}
	encoders := []*Encoder{newEncoder(f, Options{}), newEncoder(f, Options{Version: Version1})}
	for _, profile := range Profiles() {
		encoders = append(encoders, newEncoder(f, Options{Profile: profile}))
	}
	f.Fuzz(func(t *testing.T, data []byte, budget uint16) {
		d := formatstest.FromBytes(data)
		for _, e := range encoders {
			event, _ := e.AppendEvent(nil, d, int(budget))
			if len(event) > max(int(budget), formats.MinBudget) {
				t.Errorf("%d bytes exceed the budget of %d", len(event), budget)
			}
			header, pairs, err := read(string(event))
			if err == nil {
				err = checkProfileEvent(header, pairs)
			}
			if err != nil {
				t.Errorf("%v in %q, from %s", err, event, hex.EncodeToString(data))
			}
		}
	})
}

func BenchmarkCEF(b *testing.B) {
	for _, c := range []struct {
		name   string
		d      *formats.Detection
		budget int
	}{{"typical", formatstest.Typical(), 8192}, {"full", formatstest.Full(), 1 << 16}, {"full-shortened", formatstest.Full(), 2048}} {
		b.Run(c.name, func(b *testing.B) {
			e := newEncoder(b, Options{})
			dst, _ := e.AppendEvent(nil, c.d, c.budget)
			b.SetBytes(int64(len(dst)))
			b.ReportAllocs()
			for b.Loop() {
				dst, _ = e.AppendEvent(dst[:0], c.d, c.budget)
			}
		})
	}
}
