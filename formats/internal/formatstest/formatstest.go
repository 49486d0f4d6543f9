// Package formatstest makes detections for the tests of the encoders: a full one, one with the same text in every
// field, and ones made of arbitrary bytes.
package formatstest

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/siembridge/siembridge/formats"
)

// Hostile returns texts that have broken encoders and readers of LEEF, CEF, JSON or syslog.
func Hostile() []string {
	return []string{
		"",
		" ",
		"CEF:0|Evil|Forged|1.0|x|forged|10|src=10.0.0.1",
		"LEEF:2.0|Evil|Forged|1.0|x|0x09|cat=forged\tsev=10",
		"a\n<134>Nov 23 10:11:12 host LEEF:1.0|Evil|Forged|1|x|sev=10\n",
		"a\r\n<134>1 2026-11-23T10:11:12.120Z host app - - - CEF:0|Evil|Forged|1|x|n|10|",
		"128 <134>1 - - - - - - x",
		"pipe|pipe||pipe",
		"tab\ttab\t\ttab",
		"\t leading and trailing \t",
		"line\nline\r\nline\rline\u0085line\u2028line\u2029line\vline\fline",
		`ends in a backslash\`,
		`ends in two backslashes\\`,
		`\`,
		`\\server\share\new\temp`,
		`\n \r \t \= \| \\`,
		"user typed suser=bob act=none src=10.9.9.9",
		"=",
		"a= b =c = d",
		`"quoted"`,
		`'quoted'`,
		"caret^caret^ sev=10^cat=forged",
		"nul\x00nul\x00",
		"\x00",
		"bell\a escape\x1b[31mred\x1b[0m delete\x7f",
		"c1 \u0080\u009b31m\u009f",
		"bidi \u202egnp.exe\u202c \u2066x\u2069",
		"\ufeffbyte order mark\ufeff",
		"invalid \xff\xfe \xc3( \xe2\x82 \xed\xa0\x80 \xf4\x90\x80\x80",
		"\xff",
		"\u00a0no-break blanks\u3000",
		"Ungewöhnliche Anmeldung – 検出 🚨",
		"e\u0301 combining " + strings.Repeat("\u0301", 50),
		"...",
		"null",
		"true",
		"-1",
		"18446744073709551616",
		"10.0.0.1",
		"fe80::1%eth0",
		"2001:db8::10",
		"::ffff:192.0.2.1",
		"00:15:5d:01:23:45",
		"2026-11-23T10:11:12.1234567Z",
		strings.Repeat("x", 20_000),
		strings.Repeat("\\", 20_000),
		strings.Repeat("=", 20_000),
		strings.Repeat("\n", 20_000),
		strings.Repeat("検", 7_000),
		strings.Repeat("a b ", 5_000),
		strings.Repeat("\xff", 20_000),
		strings.Repeat(" ", 20_000) + "end",
		"start" + strings.Repeat(" ", 20_000),
	}
}

// SetTexts calls value with the name of every text and list field of d and sets the field to what it returns. A list
// becomes a list of that one text.
func SetTexts(d *formats.Detection, value func(name string) string) {
	walk(reflect.ValueOf(d).Elem(), "", func(name string, v reflect.Value) {
		switch {
		case v.Kind() == reflect.String:
			v.SetString(value(name))
		case v.Type() == reflect.TypeFor[[]string]():
			v.Set(reflect.ValueOf([]string{value(name)}))
		}
	})
}

func walk(v reflect.Value, prefix string, visit func(name string, v reflect.Value)) {
	for i := range v.NumField() {
		tag, ok := v.Type().Field(i).Tag.Lookup("detection")
		if !ok {
			continue
		}
		f := v.Field(i)
		if f.Kind() == reflect.Struct && f.Type() != reflect.TypeFor[time.Time]() {
			walk(f, prefix+tag+".", visit)
			continue
		}
		visit(prefix+tag, f)
	}
}

// Typical returns an alert as Defender for Endpoint raises it, with what such alerts usually have.
func Typical() *formats.Detection {
	d := &formats.Detection{
		API: "alerts", Source: "contoso", Kind: formats.KindAlert, Change: formats.ChangeNew, Fresh: true,
		ID: "da637472900382838869_1364969609", AlertID: "da637472900382838869_1364969609", IncidentID: "1126093",
		TenantID: "72f988bf-86f1-41af-91ab-2d7cd011db47", InvestigationID: "11",
		Title: "Low-reputation arbitrary code executed by signed executable", Category: "Execution",
		Description: "Binaries signed by Microsoft can be used to run low-reputation arbitrary code. This technique hides the execution of malicious code within a trusted process.",
		Severity:    formats.SeverityLow, SeverityText: "Low", Techniques: []string{"T1064", "T1085", "T1220"},
		DetectionSource: "WindowsDefenderAtp", DetectorID: "7f1c3609-a3ff-40e2-995b-c01770161d68",
		Status: "New", Classification: "unknown", Remediation: "none", InvestigationState: "Queued",
		Time:          time.Date(2026, 11, 23, 10, 11, 12, 123456700, time.UTC),
		Created:       time.Date(2026, 11, 23, 10, 11, 12, 123456700, time.UTC),
		Updated:       time.Date(2026, 11, 23, 10, 15, 1, 0, time.UTC),
		FirstActivity: time.Date(2026, 11, 23, 9, 58, 40, 529344100, time.UTC),
		LastActivity:  time.Date(2026, 11, 23, 9, 58, 40, 529344100, time.UTC),
		Pulled:        time.Date(2026, 11, 23, 10, 16, 0, 0, time.UTC),
		AlertLink:     "https://security.microsoft.com/alerts/da637472900382838869_1364969609?tid=72f988bf-86f1-41af-91ab-2d7cd011db47",
		EvidenceCount: "3",
	}
	d.Device = formats.Device{ID: "111e6dd8c833c8a052ea231ec1b19adaf497b625", Name: "temp123", FQDN: "temp123.middleeast.corp.contoso.com",
		DNSDomain: "middleeast.corp.contoso.com", Group: "A", OS: "Windows10", Address: "10.1.14.7", Addresses: []string{"10.1.14.7", "fd30::1:ff4e:3e:9:e"},
		LoggedOnUsers: []string{`contoso\liz-bean`, `contoso\jay-hardee`}}
	d.User = formats.User{Name: "temp123", Domain: "MIDDLEEAST", SID: "S-1-5-21-11111607-1111760036-109187956-75141", ObjectID: "11118379-2a59-1111-ac3c-a51eb4a3c627", UPN: "temp123@contoso.com"}
	d.File = formats.File{Name: "suspicious.dll", Path: `c:\temp\suspicious.dll`, SHA1: "3da065e07b990034e9db7842167f70b63aa5329f", SHA256: "ebf54f745dc81e1958f75e4ca91dd0ab989fc9787bb6b0bf993e2f5a5b5a5b5a"}
	d.Process = formats.Process{ID: "17484", Name: "rundll32.exe", Path: `c:\windows\syswow64\rundll32.exe`, CommandLine: `"rundll32.exe" c:\temp\suspicious.dll,RepositoryScan /a=1`,
		Created: "2026-11-23T09:58:40.4612345Z", ParentID: "14700", ParentName: "cmd.exe"}
	d.Network.RemoteAddress, d.URL = "203.0.113.9", "https://down.example.net/a?x=1&y=2"
	return d
}

// Full returns a detection that has a value in every field, each one of the type that its keys want.
func Full() *formats.Detection {
	d := Typical()
	when := d.Time
	walk(reflect.ValueOf(d).Elem(), "", func(name string, v reflect.Value) {
		if !v.IsZero() && v.Type() != reflect.TypeFor[[]string]() {
			return
		}
		when = when.Add(time.Second)
		switch {
		case strings.HasSuffix(name, "address"), name == "device.addresses":
			setText(v, fmt.Sprintf("192.0.2.%d", when.Second()))
		case strings.HasSuffix(name, "port"), strings.HasSuffix(name, "count"), name == "file.size", strings.HasSuffix(name, "parent_id"):
			setText(v, fmt.Sprint(1000+when.Second()))
		case name == "network.protocol":
			setText(v, "tcp")
		case name == "redirect_incident_id":
			setText(v, "1126000")
		case name == "device.mac":
			setText(v, "00:15:5D:01:23:45")
		case v.Kind() == reflect.String, v.Kind() == reflect.Slice:
			setText(v, "the "+name)
		case v.Type() == reflect.TypeFor[formats.Flag]():
			v.Set(reflect.ValueOf(formats.FlagTrue))
		case v.Type() == reflect.TypeFor[time.Time]():
			v.Set(reflect.ValueOf(when))
		}
	})
	return d
}

func setText(v reflect.Value, s string) {
	if v.Kind() == reflect.String {
		v.SetString(s)
		return
	}
	v.Set(reflect.ValueOf([]string{s}))
}

// FromBytes makes a detection of arbitrary bytes, for fuzzing: they are split at 0x1f and laid into the fields, the
// first ones decide which.
func FromBytes(data []byte) *formats.Detection {
	d := &formats.Detection{}
	parts := strings.Split(string(data), "\x1f")
	n, step := 0, 1
	if len(data) > 0 {
		step = 1 + int(data[0]%7)
		d.Fresh = data[0]&1 == 1
		d.Severity = formats.Severity(data[0] >> 4)
		d.RemediationSuccess = formats.Flag(data[0] % 3)
		d.Time = time.UnixMilli(1_700_000_000_000 + int64(data[0])*1e9)
		d.Created = time.UnixMilli(int64(data[0]) * 1e15)
	}
	SetTexts(d, func(string) string {
		n++
		if n%step != 0 {
			return ""
		}
		part := parts[(n/step)%len(parts)]
		return part
	})
	if len(parts) > 2 {
		d.Extra = []formats.Pair{{Key: "Customer", Value: parts[1]}, {Key: parts[2], Value: parts[0]}}
	}
	return d
}
