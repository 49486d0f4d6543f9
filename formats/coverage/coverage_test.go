package coverage_test

import (
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/cef"
	"github.com/siembridge/siembridge/formats/coverage"
	"github.com/siembridge/siembridge/formats/defender"
	"github.com/siembridge/siembridge/formats/internal/formatstest"
	"github.com/siembridge/siembridge/formats/parse"
)

// toy is an encoder small enough to know by heart what reaches its events.
func toy(_ string, raw []byte) ([][]formats.Pair, error) {
	var r struct {
		Title, Path, Severity, User string
		When                        time.Time
		Done                        bool
		Items                       []struct{ Kind, Name, Note string }
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, err
	}
	numbers := map[string]string{"High": "8", "Low": "3"}
	done := "0"
	if r.Done {
		done = "1"
	}
	pairs := []formats.Pair{{Key: "title", Value: r.Title[:min(len(r.Title), 12)]}, {Key: "file", Value: r.Path[strings.LastIndexByte(r.Path, '\\')+1:]},
		{Key: "severity", Value: numbers[r.Severity] + "!"}, {Key: "when", Value: strconv.FormatInt(r.When.UnixMilli(), 10)}, {Key: "done", Value: done}}
	for _, item := range r.Items {
		if item.Kind == "host" { // the first one counts
			pairs = append(pairs, formats.Pair{Key: "host", Value: item.Name})
			break
		}
	}
	return [][]formats.Pair{pairs}, nil
}

const record = `{"Title": "a title that is too long", "Path": "C:\\x\\evil.exe", "Severity": "High", "User": "nobody asks",
 "When": "2026-03-01T10:20:30.1234567Z", "Done": false, "Count": 7,
 "Items": [{"Kind": "file", "Name": "f"}, {"Kind": "host", "Name": "h1", "Note": "-"}, {"Kind": "host", "Name": "h2", "Note": null}],
 "Tags": [], "a/b": {"~": "x"}}`

func TestTracer(t *testing.T) {
	tracer := coverage.New(coverage.Format{Name: "toy", Encode: toy})
	if err := tracer.Add("alerts", []byte(record)); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	report := tracer.Report()
	for _, p := range report.APIs[0].Paths {
		r := p.Reach[0]
		line := strconv.Itoa(r.Values) + "/" + strconv.Itoa(p.Values)
		for _, f := range r.Fields {
			line += " " + f.Name + ":" + string(f.As)
		}
		got[p.Path] = line
	}
	want := map[string]string{
		"/Title": "1/1 title:part", "/Path": "1/1 file:part", "/Severity": "1/1 severity:derived", "/User": "0/1",
		"/When": "1/1 when:time", "/Done": "1/1 done:derived", "/Count": "0/1",
		"/Items/*/Kind": "1/3 host:derived", // of the second item alone: the first is no host either way, the third comes too late
		"/Items/*/Name": "1/3 host:value", "/Items/*/Note": "0/1", "/Tags": "0/0", "/a~1b/~0": "0/1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	text := report.Text()
	for _, s := range []string{"alerts: 1 record, 12 paths", "7 reach the SIEM in toy", "4 never do, 1 are empty", "/Title            title (part)", "1 of 3"} {
		if !strings.Contains(text, s) {
			t.Errorf("the text lacks %q:\n%s", s, text)
		}
	}
}

func TestNotJSON(t *testing.T) {
	for _, record := range []string{"", "{", `{"a":`, strings.Repeat("[", 300)} {
		if err := coverage.New().Add("alerts", []byte(record)); err == nil {
			t.Errorf("%.20q passes", record)
		}
	}
}

// encodeCEF is the real way of a record into ArcSight.
func encodeCEF(t *testing.T) func(string, []byte) ([][]formats.Pair, error) {
	encoder, err := cef.New(cef.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return func(api string, raw []byte) ([][]formats.Pair, error) {
		var d formats.Detection
		_, _ = defender.Decode(defender.API(api), raw, &d)
		defender.SetTime(&d)
		line, _ := encoder.AppendEvent(nil, &d, 1<<20)
		e, err := parse.CEF(string(line))
		if err != nil {
			return nil, err
		}
		pairs := []formats.Pair{{Key: "class", Value: e.EventID}, {Key: "name", Value: e.Name}, {Key: "severity", Value: e.Severity}}
		for _, p := range e.Pairs {
			pairs = append(pairs, formats.Pair(p))
		}
		return [][]formats.Pair{pairs}, nil
	}
}

// TestHalves holds the search by halves, which large records need, against the plain way: it never finds what is not
// there, and misses hardly anything.
func TestHalves(t *testing.T) {
	files := formatstest.Samples(t, "../defender/testdata")
	encode := encodeCEF(t)
	found, missed := 0, 0
	for _, file := range files {
		page, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, err = defender.Split(defender.Unknown, strings.NewReader(string(page)), func(raw []byte) error {
			api, _, ok := defender.Detect(raw)
			if !ok || len(raw) > 40<<10 {
				return nil
			}
			halved, single, err := coverage.Both(raw, func(raw []byte) ([][]formats.Pair, error) { return encode(string(api), raw) })
			if err != nil {
				return err
			}
			found += len(single)
			missed += len(single) - len(halved)
			for _, v := range halved {
				if !slices.Contains(single, v) {
					t.Errorf("%s: by halves alone: %s", file, v)
				}
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	if found < 500 || missed > found/50 {
		t.Errorf("of %d values that reach the events, halves miss %d", found, missed)
	}
	t.Logf("%d values, %d missed", found, missed)
}

// TestLargeRecord is one with more values than are varied one by one: it is said, and what counts is found.
func TestLargeRecord(t *testing.T) {
	items := strings.Repeat(`{"Kind": "file", "Name": "f", "Note": "n"},`, 2000)
	tracer := coverage.New(coverage.Format{Name: "toy", Encode: toy})
	if err := tracer.Add("alerts", []byte(`{"Items": [`+items+`{"Kind": "host", "Name": "h"}]}`)); err != nil {
		t.Fatal(err)
	}
	api := tracer.Report().APIs[0]
	if api.Large != 1 || api.Paths[1].Path != "/Items/*/Name" || api.Paths[1].Values != 2001 || api.Paths[1].Reach[0].Values != 1 {
		t.Errorf("%+v", api)
	}
}
