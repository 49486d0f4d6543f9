package leef

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/internal/formatstest"
	"github.com/siembridge/siembridge/formats/parse"
	"pgregory.net/rapid"
)

// variants are the three forms that an event can have.
var variants = []Options{{Version: Version1}, {Version: Version2}, {Version: Version2, Delimiter: "^"}}

func newEncoder(t testing.TB, o Options) *Encoder {
	t.Helper()
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestHeader(t *testing.T) {
	for _, c := range []struct {
		options Options
		d       formats.Detection
		want    string
	}{
		{Options{}, formats.Detection{API: "alerts", Category: "Malware"}, "LEEF:2.0|Microsoft|Microsoft Defender for Endpoint|1.0|Malware|0x09|cat=microsoftDefenderForEndpoint\tsev=2"},
		{Options{Version: Version1}, formats.Detection{API: "alerts", Category: "Malware"}, "LEEF:1.0|Microsoft|Microsoft Defender for Endpoint|1.0|Malware|cat=microsoftDefenderForEndpoint\tsev=2"},
		{Options{Delimiter: "^"}, formats.Detection{API: "graph-alerts", Category: "Privilege Escalation", ServiceSource: "OfficeATP"}, "LEEF:2.0|Microsoft|Microsoft Defender XDR|1.0|PrivilegeEscalation|^|cat=microsoftDefenderForOffice365^sev=2"},
		{Options{}, formats.Detection{API: "graph-incidents", Kind: formats.KindIncident, Category: "x|y"}, "LEEF:2.0|Microsoft|Microsoft Defender XDR|1.0|Incident|0x09|cat=other\tsev=2"},
		{Options{}, formats.Detection{Kind: formats.KindStatus, StatusClass: "heartbeat"}, "LEEF:2.0|siembridge|siembridge|1.0|SiembridgeHeartbeat|0x09|cat=siembridge\tsev=2"},
		{Options{}, formats.Detection{API: "alerts", Category: "a|b\tc"}, "LEEF:2.0|Microsoft|Microsoft Defender for Endpoint|1.0|Other|0x09|cat=microsoftDefenderForEndpoint\tsev=2"},
	} {
		got, _ := newEncoder(t, c.options).AppendEvent(nil, &c.d, 4096)
		if !strings.HasPrefix(string(got), c.want) {
			t.Errorf("got  %q\nwant %q", got, c.want)
		}
	}
}

func TestSeverity(t *testing.T) {
	for s, want := range map[formats.Severity]string{formats.SeverityNone: "2", formats.SeverityInformational: "1", formats.SeverityUnknown: "2",
		formats.SeverityLow: "3", formats.SeverityMedium: "5", formats.SeverityHigh: "8", formats.Severity(77): "2"} {
		if _, pairs := encode(t, Options{}, &formats.Detection{Severity: s}, 4096); pairs["sev"] != want {
			t.Errorf("severity %d: sev=%s, want %s", s, pairs["sev"], want)
		}
	}
}

// read reads an event with two readers, which share nothing with the encoder and must agree.
func read(event string) (header []string, pairs map[string]string, err error) {
	if header, pairs, err = formatstest.ReadLEEF(event); err != nil {
		return nil, nil, err
	}
	e, err := parse.LEEF(event)
	if err != nil {
		return nil, nil, err
	}
	if len(e.Pairs) != len(pairs) || e.Vendor != header[1] || e.Product != header[2] || e.Release != header[3] || e.EventID != header[4] {
		return nil, nil, fmt.Errorf("the readers disagree: %+v", e)
	}
	for _, p := range e.Pairs {
		value := p.Value
		if strings.HasSuffix(value, `\ `) { // one blank guards a backslash at the end
			value = strings.TrimSuffix(value, " ")
		}
		if pairs[p.Key] != value {
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

func TestIdentityNeedsAFreshRecord(t *testing.T) {
	d := formatstest.Typical()
	_, fresh := encode(t, Options{}, d, 4096)
	if fresh["identSrc"] != "10.1.14.7" || fresh["identHostName"] == "" || fresh["identNetBios"] == "" || fresh["identGrpName"] == "" {
		t.Errorf("a fresh record lacks identity: %v", fresh)
	}
	d.Fresh = false
	_, stale := encode(t, Options{}, d, 4096)
	d.Fresh, d.Device.Address, d.Device.Addresses = true, "", nil
	_, nowhere := encode(t, Options{}, d, 4096)
	for key := range stale {
		if strings.HasPrefix(key, "ident") {
			t.Errorf("a record that is not fresh has %s", key)
		}
	}
	for key := range nowhere {
		if strings.HasPrefix(key, "ident") {
			t.Errorf("a record without address has %s", key)
		}
	}
}

func TestTrailingBackslash(t *testing.T) {
	for value, want := range map[string]string{`C:\Temp\`: `C:\Temp\ `, `C:\Temp\\`: `C:\Temp\\`, `\\\`: `\\\ `} {
		d := &formats.Detection{AlertID: "1"}
		d.File.Path = value
		event, _ := newEncoder(t, Options{}).AppendEvent(nil, d, 4096)
		if !strings.Contains(string(event), "filePath="+want) || strings.Contains(string(event), "filePath="+want+" ") {
			t.Errorf("%q was written as %q", value, event)
		}
	}
}

// Each hostile text, in every field at once, must come back as its cleaned self and as nothing else.
func TestHostileTexts(t *testing.T) {
	for _, o := range variants {
		e := newEncoder(t, o)
		known := func(key string) bool {
			_, predefined := Dictionary().Key(key)
			return predefined || slices.ContainsFunc(e.Table().Rows(), func(r formats.Row) bool { return r.Key == key })
		}
		var delimiter rune
		if o.Delimiter == "^" {
			delimiter = '^'
		}
		for i, s := range formatstest.Hostile() {
			d := &formats.Detection{Fresh: true}
			formatstest.SetTexts(d, func(string) string { return s })
			event, _ := e.AppendEvent(nil, d, 1<<20)
			header, pairs, err := read(string(event))
			if err == nil {
				err = formatstest.CheckPairs(e.Table().Rows(), pairs, formatstest.GuardKeys(formatstest.Clean(s, false, delimiter), known))
			}
			if err == nil && (header[1] != "Microsoft" || !slices.Contains(formats.EventClasses(), header[4])) {
				err = fmt.Errorf("header %q", header)
			}
			if err != nil {
				t.Errorf("%v, text %d %.60q: %v", o, i, s, err)
			}
		}
	}
}

// An event never exceeds its budget, stays parseable, and says what it lost.
func TestBudget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := formatstest.Full()
		texts := formatstest.Hostile()
		if rapid.Bool().Draw(t, "hostile") {
			formatstest.SetTexts(d, func(name string) string { return rapid.SampledFrom(texts).Draw(t, name) })
		}
		o := rapid.SampledFrom(variants).Draw(t, "variant")
		budget := rapid.IntRange(0, 6000).Draw(t, "budget")
		e, _ := New(o)
		prefix := []byte("<134>Nov 23 10:11:12 host ")
		event, loss := e.AppendEvent(prefix, d, budget)
		if !bytes.HasPrefix(event, prefix) {
			t.Fatal("what was in dst is gone")
		}
		event = event[len(prefix):]
		if len(event) > max(budget, formats.MinBudget) {
			t.Fatalf("%d bytes exceed the budget of %d", len(event), budget)
		}
		_, pairs, err := read(string(event))
		if err != nil {
			t.Fatalf("%v in %q", err, event)
		}
		whole, _ := e.AppendEvent(nil, d, 1<<20)
		_, all, _ := read(string(whole))
		for key, value := range all {
			if pairs[key] != value && key != "shortened" && !slices.Contains(loss.Shortened, key) {
				t.Fatalf("%s changed from %.40q to %.40q and was not reported", key, value, pairs[key])
			}
		}
		if listed := pairs["shortened"]; listed != "" && !strings.HasSuffix(listed, "...") && listed != strings.Join(loss.Shortened, ",") {
			t.Fatalf("shortened lists %q, the loss is %v", listed, loss.Shortened)
		}
	})
}

func TestNothingIsShortenedThatFits(t *testing.T) {
	e := newEncoder(t, Options{})
	event, loss := e.AppendEvent(nil, formatstest.Full(), 1<<20)
	if len(loss.Shortened) > 0 || len(loss.Mistyped) > 0 {
		t.Errorf("lost %v in %q", loss, event)
	}
	// Exactly as much room as is needed is enough.
	again, loss := e.AppendEvent(nil, formatstest.Full(), len(event))
	if len(loss.Shortened) > 0 || !bytes.Equal(again, event) {
		t.Errorf("with a budget of its own length: lost %v", loss)
	}
}

func TestShortIsCutBeforeAnythingIsDropped(t *testing.T) {
	d := formatstest.Typical()
	d.Description = strings.Repeat("word ", 200)
	whole, _ := newEncoder(t, Options{}).AppendEvent(nil, d, 1<<20)
	_, pairs := encode(t, Options{}, d, len(whole)-100)
	if pairs["shortened"] != "alertDescription" || len(pairs["alertDescription"]) < 800 || !strings.HasSuffix(pairs["alertDescription"], "...") {
		t.Errorf("shortened %q, description of %d bytes", pairs["shortened"], len(pairs["alertDescription"]))
	}
}

func TestExtra(t *testing.T) {
	d := &formats.Detection{AlertID: "1", Extra: []formats.Pair{{Key: "customer", Value: "a\tb=c"}, {Key: "sev", Value: "10"}, {Key: "Src", Value: "10.0.0.1"}, {Key: "a b", Value: "x"}, {Key: "vSrc", Value: "not an address"}, {Key: "role", Value: ""}}}
	_, pairs := encode(t, Options{}, d, 4096)
	if pairs["customer"] != "a b=c" || pairs["sev"] != "2" || len(pairs) != 4 {
		t.Errorf("got %v", pairs)
	}
	table := newEncoder(t, Options{}).Table()
	for key, ok := range map[string]bool{"customer": true, "vSrcName": true, "sev": false, "SEV": false, "alertTitle": false, "a b": false, "a_b": false, "identMAC": false, "": false, "xcat": false} {
		if err := table.CheckFields([]formats.Pair{{Key: key, Value: "x"}}); (err == nil) != ok {
			t.Errorf("CheckFields(%q): %v", key, err)
		}
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{{Version: "3"}, {Version: Version1, Delimiter: "^"}, {Delimiter: "|"}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	e, d := newEncoder(t, Options{}), formatstest.Typical()
	dst := make([]byte, 0, 8192)
	for _, budget := range []int{4096, 1000} {
		if n := testing.AllocsPerRun(200, func() { dst, _ = e.AppendEvent(dst[:0], d, budget) }); n > 0 && !formatstest.Race {
			t.Errorf("budget %d: %v allocations per event", budget, n)
		}
	}
}

// A value that is joined of several is looked at as a whole.
func TestJoinForgesNoPair(t *testing.T) {
	m, err := formats.ParseMapping(`attributes = [{ key = "who", from = ["assigned_to", "last_comment_by"], all = true, join = "=" }]`)
	if err != nil {
		t.Fatal(err)
	}
	e := newEncoder(t, Options{Additions: formats.Additions{Extend: m}})
	event, _ := e.AppendEvent(nil, &formats.Detection{AssignedTo: "a src", LastCommentBy: "192.0.2.1"}, 4096)
	if !strings.HasSuffix(string(event), "\twho=a src\uff1d192.0.2.1") {
		t.Errorf("%s", event)
	}
}

func FuzzLEEF(f *testing.F) {
	for i, s := range formatstest.Hostile() {
		f.Add([]byte(s[:min(len(s), 300)]+"\x1fcustomer\x1f"+s[:min(len(s), 30)]), uint16(500*i))
	}
	var encoders []*Encoder
	for _, o := range variants {
		encoders = append(encoders, newEncoder(f, o))
	}
	f.Fuzz(func(t *testing.T, data []byte, budget uint16) {
		d := formatstest.FromBytes(data)
		for _, e := range encoders {
			event, _ := e.AppendEvent(nil, d, int(budget))
			if len(event) > max(int(budget), formats.MinBudget) {
				t.Errorf("%d bytes exceed the budget of %d", len(event), budget)
			}
			if _, _, err := read(string(event)); err != nil {
				t.Errorf("%v in %q, from %s", err, event, hex.EncodeToString(data))
			}
		}
	})
}

func BenchmarkLEEF(b *testing.B) {
	for _, c := range []struct {
		name   string
		d      *formats.Detection
		budget int
	}{{"typical", formatstest.Typical(), 4096}, {"full", formatstest.Full(), 1 << 16}, {"full-shortened", formatstest.Full(), 2048}} {
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
