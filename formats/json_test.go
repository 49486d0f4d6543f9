package formats_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/internal/formatstest"
)

func newJSON(t testing.TB, o formats.JSONOptions) *formats.JSON {
	t.Helper()
	e, err := formats.NewJSON(o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// readJSON decodes an event.
func readJSON(event []byte) (map[string]any, error) {
	var v map[string]any
	err := json.Unmarshal(event, &v)
	return v, err
}

func TestJSON(t *testing.T) {
	d := &formats.Detection{API: "alerts", Kind: formats.KindAlert, Title: "a\tb|c\n\x00\xff\u2028\u202e\"\\", Severity: formats.SeverityHigh,
		Techniques: []string{"T1", "T\n2"}, WasExecuting: formats.FlagFalse, Extra: []formats.Pair{{Key: "customer", Value: "x"}, {Key: "device", Value: "y"}, {Key: "title", Value: "z"}},
		Raw: []byte("{\n \"a\": 1.50, \"b\":\"\\u0000\xff\u2028\", \"b\": 2}\n")}
	d.File.Path = `C:\x`
	got, loss := newJSON(t, formats.JSONOptions{}).AppendEvent([]byte("before "), d, 4096)
	want := `before {"event_class":"Other","service_word":"microsoftDefenderForEndpoint","api":"alerts","kind":"alert",` +
		`"title":"a\tb|c\n\u0000` + "\ufffd" + `\u2028\u202e\"\\","severity":"high","mitre_techniques":["T1","T\n2"],"was_executing":false,` +
		`"file":{"path":"C:\\x"},"customer":"x","raw":{"a":1.50,"b":"\u0000` + "\ufffd" + `\u2028","b":2}}`
	if string(got) != want || len(loss.Shortened) > 0 {
		t.Errorf("got  %s\nwant %s\n%v", got, want, loss)
	}
}

// The record is escaped as texts are: one line to every reader, in no order but its own.
func TestJSONRawIsOneLine(t *testing.T) {
	raw := "{\"a\u0085\":\"b\u0085\\u0085\u202e\\u202e\ufeff\x7f\u2028ü\xff検\"}"
	event, _ := newJSON(t, formats.JSONOptions{}).AppendEvent(nil, &formats.Detection{Raw: []byte(raw)}, 4096)
	const want = `"raw":{"a\u0085":"b\u0085\u0085\u202e\u202e\ufeff\u007f\u2028ü` + "\ufffd" + `検"}}`
	if !bytes.HasSuffix(event, []byte(want)) {
		t.Errorf("got  %s\nwant %s", event, want)
	}
	raw = `{"a":"` + strings.Repeat("\u0085", 1000) + `"}`
	if event, loss := newJSON(t, formats.JSONOptions{}).AppendEvent(nil, &formats.Detection{Raw: []byte(raw)}, 4096); len(event) > 4096 || !slices.Equal(loss.Shortened, []string{"raw"}) {
		t.Errorf("%d bytes, lost %v", len(event), loss.Shortened)
	}
}

func TestJSONLeavesRawOut(t *testing.T) {
	for _, raw := range []string{`{"a":"` + strings.Repeat("x", 5000) + `"}`, "not JSON", `{"a":`, `{} {}`} {
		event, loss := newJSON(t, formats.JSONOptions{}).AppendEvent(nil, &formats.Detection{Title: "x", Raw: []byte(raw)}, 4096)
		v, err := readJSON(event)
		if err != nil || v["raw"] != nil || !slices.Equal(loss.Shortened, []string{"raw"}) || v["shortened"].([]any)[0] != "raw" {
			t.Errorf("%.20s: %s, %v, %v", raw, event, loss, err)
		}
	}
	event, loss := newJSON(t, formats.JSONOptions{OmitRaw: true}).AppendEvent(nil, &formats.Detection{Title: "x", Raw: []byte("{}")}, 4096)
	if v, err := readJSON(event); err != nil || v["raw"] != nil || loss.Shortened != nil {
		t.Errorf("%s %v %v", event, loss, err)
	}
}

func TestJSONOwnKeysJoinTheirObject(t *testing.T) {
	e, problems := compile(t, "json", `attributes = [{ key = "device.owner.name", from = "assigned_to" }, { key = "device.owner.id", value = "1" }, { key = "fresh", from = "fresh" }]`)
	if problems != nil {
		t.Fatal(problems)
	}
	d := &formats.Detection{AssignedTo: "me"}
	d.Device.Name, d.User.Name = "host", "user"
	event, _ := e.AppendEvent(nil, d, 4096)
	if !bytes.Contains(event, []byte(`"device":{"name":"host","owner":{"name":"me","id":"1"}},"user":{"name":"user"},"fresh":"false"`)) {
		t.Errorf("got %s", event)
	}
}

func TestJSONBudget(t *testing.T) {
	e := newJSON(t, formats.JSONOptions{})
	rapid.Check(t, func(t *rapid.T) {
		d := formatstest.Full()
		if rapid.Bool().Draw(t, "hostile") {
			formatstest.SetTexts(d, func(name string) string { return rapid.SampledFrom(formatstest.Hostile()).Draw(t, name) })
		}
		d.Raw = []byte(`{"x":"` + strings.Repeat("r", rapid.IntRange(0, 3000).Draw(t, "raw")) + `"}`)
		budget := rapid.IntRange(0, 12_000).Draw(t, "budget")
		event, loss := e.AppendEvent(nil, d, budget)
		if len(event) > max(budget, formats.MinBudget) || bytes.ContainsAny(event, "\n\r\x00") {
			t.Fatalf("%d bytes for a budget of %d: %q", len(event), budget, event)
		}
		v, err := readJSON(event)
		if err != nil {
			t.Fatalf("%v in %s", err, event)
		}
		if (v["raw"] == nil) != slices.Contains(loss.Shortened, "raw") {
			t.Fatalf("raw is there: %v, lost: %v", v["raw"] != nil, loss.Shortened)
		}
	})
}

// A list has no short form: half an array is no JSON.
func TestJSONListIsNotCut(t *testing.T) {
	e, problems := compile(t, "json", `attributes = [{ key = "tags", from = "tags", short = 20 }]`)
	if problems != nil {
		t.Fatal(problems)
	}
	event, loss := e.AppendEvent(nil, &formats.Detection{ID: "1", Tags: slices.Repeat([]string{"tag"}, 200)}, 512)
	if !json.Valid(event) || !slices.Equal(loss.Shortened, []string{"tags"}) {
		t.Errorf("lost %v: %s", loss.Shortened, event)
	}
}

// The hash of an array that is too long is a text.
func TestJSONListIsHashed(t *testing.T) {
	e, problems := compile(t, "json", `attributes = [{ key = "tags", from = "tags", hash = true, max = 45 }]`)
	if problems != nil {
		t.Fatal(problems)
	}
	event, loss := e.AppendEvent(nil, &formats.Detection{ID: "1", Tags: slices.Repeat([]string{"tag"}, 200)}, 4096)
	if !json.Valid(event) || !bytes.Contains(event, []byte(`"tags":"sha256:`)) || len(loss.Shortened) > 0 {
		t.Errorf("lost %v: %s", loss.Shortened, event)
	}
}

// A flag or a list that is not there leaves the key to the next source.
func TestJSONNextSource(t *testing.T) {
	e, problems := compile(t, "json", `attributes = [{ key = "one", from = ["was_executing", "tags", "title"] }]`)
	if problems != nil {
		t.Fatal(problems)
	}
	for _, c := range []struct {
		d    formats.Detection
		want string
	}{
		{formats.Detection{WasExecuting: formats.FlagFalse, Tags: []string{"a"}, Title: "t"}, `"one":false`},
		{formats.Detection{Tags: []string{"a", "b"}, Title: "t"}, `"one":["a","b"]`},
		{formats.Detection{Title: "t"}, `"one":"t"`},
	} {
		if event, _ := e.AppendEvent(nil, &c.d, 4096); !json.Valid(event) || !bytes.Contains(event, []byte(c.want)) {
			t.Errorf("no %s in %s", c.want, event)
		}
	}
}

func FuzzJSON(f *testing.F) {
	for i, s := range formatstest.Hostile() {
		f.Add([]byte(s[:min(len(s), 300)]+"\x1fcustomer\x1f"+s[:min(len(s), 30)]), uint16(500*i))
	}
	e := newJSON(f, formats.JSONOptions{})
	f.Fuzz(func(t *testing.T, data []byte, budget uint16) {
		d := formatstest.FromBytes(data)
		d.Raw = data
		event, _ := e.AppendEvent(nil, d, int(budget))
		if len(event) > max(int(budget), formats.MinBudget) || bytes.ContainsAny(event, "\n\r\x00\x7f\u0085\u2028\u202e\ufeff") || !json.Valid(event) {
			t.Errorf("budget %d: %q", budget, event)
		}
	})
}

func BenchmarkJSON(b *testing.B) {
	for _, c := range []struct {
		name string
		raw  bool
	}{{"fields", false}, {"with-raw", true}} {
		b.Run(c.name, func(b *testing.B) {
			e, d := newJSON(b, formats.JSONOptions{OmitRaw: !c.raw}), formatstest.Typical()
			d.Raw = []byte(`{"x":"` + strings.Repeat("r", 3000) + `"}`)
			dst, _ := e.AppendEvent(nil, d, 1<<16)
			b.SetBytes(int64(len(dst)))
			b.ReportAllocs()
			for b.Loop() {
				dst, _ = e.AppendEvent(dst[:0], d, 1<<16)
			}
		})
	}
}
