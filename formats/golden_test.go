package formats_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/cef"
	"github.com/siembridge/siembridge/formats/defender"
	"github.com/siembridge/siembridge/formats/internal/formatstest"
	"github.com/siembridge/siembridge/formats/leef"
	"github.com/siembridge/siembridge/formats/parse"
)

// encoding is one format as a destination may ask for it.
type encoding struct {
	name    string
	budget  int
	encoder tabled
	read    func(event string) (*parse.Event, error) // a strict reader; a nil event has no keys to hold against a table
	rows    map[string]formats.Row                   // of the encoder's table, by key
}

// tabled is an encoder with its mapping.
type tabled interface {
	formats.Encoder
	Table() *formats.Table
}

func newEncoding(name string, budget int, read func(string) (*parse.Event, error), e tabled) encoding {
	rows := map[string]formats.Row{}
	for _, r := range e.Table().Rows() {
		rows[r.Key] = r
	}
	return encoding{name, budget, e, read, rows}
}

// encodings are all formats; a new one is a line here.
func encodings() []encoding {
	return []encoding{
		newEncoding("leef:1.0", 4096, parse.LEEF, must(leef.New(leef.Options{Version: leef.Version1}))),
		newEncoding("leef:2.0", 4096, parse.LEEF, must(leef.New(leef.Options{Version: leef.Version2}))),
		newEncoding("cef:0", 8192, parse.CEF, must(cef.New(cef.Options{Version: cef.Version0}))),
		newEncoding("cef:1", 8192, parse.CEF, must(cef.New(cef.Options{Version: cef.Version1}))),
		newEncoding("json", 65536, oneJSONLine, must(formats.NewJSON(formats.JSONOptions{OmitRaw: true}))),
	}
}

// oneJSONLine holds that an event is one line of JSON.
func oneJSONLine(event string) (*parse.Event, error) {
	if !json.Valid([]byte(event)) || strings.ContainsAny(event, "\n\r\x00") {
		return nil, errors.New("no line of JSON")
	}
	return nil, nil
}

// sampleDir has the samples, in a folder for each API.
const sampleDir = "defender/testdata"

// goldenOf is the file of testdata/<kind> that belongs to a sample.
func goldenOf(path, kind string) string {
	file := strings.TrimSuffix(filepath.Base(path), ".json") + ".golden"
	return filepath.Join("testdata", kind, filepath.Base(filepath.Dir(path)), file)
}

// Every sample as an event of every format. A change of a mapping shows as a difference in these files; -update
// writes them anew.
func TestGoldenEvents(t *testing.T) {
	formatsInUse := encodings()
	values := 0
	for _, path := range formatstest.Samples(t, sampleDir) {
		var got bytes.Buffer
		for i, d := range formatstest.Detections(t, path) {
			fmt.Fprintf(&got, "# record %d\n", i+1)
			for _, f := range formatsInUse {
				event, loss := f.encoder.AppendEvent(nil, d, f.budget)
				n, err := checkEvent(f, event)
				if err != nil {
					t.Errorf("%s, record %d: %s: %v in %q", path, i+1, f.name, err, event)
				}
				values += n
				fmt.Fprintf(&got, "%s\n", event)
				if len(loss.Shortened)+len(loss.Mistyped) > 0 {
					fmt.Fprintf(&got, "# %s: shortened %v, mistyped %v\n", f.name, loss.Shortened, loss.Mistyped)
				}
			}
		}
		formatstest.Golden(t, goldenOf(path, "events"), got.String())
	}
	t.Logf("%d values have their key's type and length", values)
}

// Every sample with one event per piece of evidence, in the formats of QRadar and ArcSight.
func TestGoldenEvidence(t *testing.T) {
	formatsInUse := encodings()
	for _, path := range formatstest.Samples(t, sampleDir) {
		var got bytes.Buffer
		pieces := 0
		for _, whole := range formatstest.Detections(t, path) {
			api := defender.API(whole.API)
			err := defender.SplitEvidence(api, whole.Raw, func(p defender.Part) error {
				var d formats.Detection
				if p.Summary {
					return nil
				}
				if _, err := defender.Decode(api, p.Record, &d); err != nil || d.EvidenceID == "" {
					return err
				}
				pieces++
				d.Change, d.Source, d.Fresh = formats.ChangeNew, "contoso", true
				defender.SetTime(&d)
				for _, f := range formatsInUse {
					if f.name != "leef:2.0" && f.name != "cef:0" {
						continue
					}
					event, _ := f.encoder.AppendEvent(nil, &d, f.budget)
					if _, err := checkEvent(f, event); err != nil {
						t.Errorf("%s: %s: %v in %q", path, f.name, err, event)
					}
					if !bytes.Contains(event, []byte(d.EvidenceID)) || !bytes.Contains(event, []byte(d.EvidenceType)) {
						t.Errorf("%s: %s does not say which evidence it is: %q", path, f.name, event)
					}
					fmt.Fprintf(&got, "%s\n", event)
				}
				return nil
			})
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
		}
		if pieces == 0 {
			continue
		}
		formatstest.Golden(t, goldenOf(path, "evidence"), got.String())
	}
}

// checkEvent reads an event back with the strict readers and holds every value against the dictionary. It returns
// how many values it looked at.
func checkEvent(f encoding, event []byte) (int, error) {
	e, err := f.read(string(event))
	if err != nil || e == nil {
		return 0, err
	}
	rows := f.rows
	for i, p := range e.Pairs {
		if slot, ok := strings.CutSuffix(p.Key, "Label"); ok && rows[slot].Label != "" {
			if i+1 == len(e.Pairs) || e.Pairs[i+1].Key != slot {
				return 0, fmt.Errorf("%s does not stand directly before %s", p.Key, slot)
			}
			continue
		}
		r, ok := rows[p.Key]
		if !ok {
			return 0, fmt.Errorf("the table has no key %s", p.Key)
		}
		if !hasType(p.Value, r.Type) {
			return 0, fmt.Errorf("%s=%q is not of type %s", p.Key, p.Value, r.Type)
		}
		// One blank may guard a backslash at the end.
		if r.Max > 0 && len(strings.TrimSuffix(p.Value, " ")) > r.Max {
			return 0, fmt.Errorf("%s has %d bytes, more than %d", p.Key, len(p.Value), r.Max)
		}
	}
	return len(e.Pairs), nil
}
