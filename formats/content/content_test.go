package content

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/cef"
)

// Every class of the closed lists is filed, no other is, and no text breaks the script's lists or its JSON.
func TestEveryClassIsFiled(t *testing.T) {
	var filed []string
	plain := regexp.MustCompile(`^[A-Za-z0-9 ,;:'().-]+$`)
	for _, c := range tables.Class {
		filed = append(filed, c.ID)
		if c.Severity < 1 || c.Severity > 10 || len(c.LowLevel) == 0 || c.Behavior == "" || c.Significance == "" || !plain.MatchString(c.Text) {
			t.Errorf("%+v", c)
		}
	}
	if !slices.Equal(filed, formats.EventClasses()) {
		t.Errorf("content.toml has\n%v, the closed lists\n%v", filed, formats.EventClasses())
	}
}

func TestLogSourceExtensionIsXML(t *testing.T) {
	var b bytes.Buffer
	if err := LogSourceExtension(&b, "1 & <2>"); err != nil {
		t.Fatal(err)
	}
	patterns, matchers := map[string]bool{}, map[string]string{}
	for d := xml.NewDecoder(&b); ; {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok {
			at := map[string]string{}
			for _, a := range e.Attr {
				at[a.Name.Local] = a.Value
			}
			switch e.Name.Local {
			case "pattern":
				patterns[at["id"]] = true
			case "leef-matcher":
				matchers[at["field"]] = at["pattern-id"]
			}
		}
	}
	for field, id := range matchers {
		if !patterns[id] {
			t.Errorf("%s refers to the pattern %q, which is not there", field, id)
		}
	}
	if matchers["EventName"] == "" || matchers["EventCategory"] == "" || len(matchers) != 2+len(tables.Extension) {
		t.Errorf("matchers %v", matchers)
	}
}

// What the encoder writes for an alert, the bridge itself and an incident is found in the files.
func TestArcSightFilesMatchEvents(t *testing.T) {
	files, err := ArcSight("test")
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string][]string{} // first column by path
	for _, f := range files[1:] {
		rows, err := csv.NewReader(strings.NewReader(f.Text)).ReadAll() // also: all rows are as long as the first
		if err != nil {
			t.Fatalf("%s: %v", f.Path, err)
		}
		for _, row := range rows[1:] {
			if slices.Contains(keys[f.Path], row[0]) {
				t.Errorf("%s: %q stands there twice", f.Path, row[0])
			}
			keys[f.Path] = append(keys[f.Path], row[0])
		}
		if !strings.Contains(files[0].Text, f.Path) {
			t.Errorf("the first file does not name %s", f.Path)
		}
	}
	encoder, err := cef.New(cef.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []struct {
		d       formats.Detection
		path, k string
	}{
		{formats.Detection{Kind: formats.KindAlert, API: "alerts", Category: "Privilege Escalation", Title: "x"}, categorizerFolder + "microsoft/microsoft_defender_for_endpoint.csv", "cat"},
		{formats.Detection{Kind: formats.KindAlert, API: "graph-alerts", ServiceSource: "microsoftDefenderForIdentity", Category: "CredentialAccess"}, categorizerFolder + "microsoft/microsoft_defender_xdr.csv", "cat"},
		{formats.Detection{Kind: formats.KindStatus, StatusClass: "heartbeat"}, categorizerFolder + "siembridge/siembridge.csv", "class"},
		{formats.Detection{Kind: formats.KindIncident, API: "graph-incidents"}, mapFolder + "map.1.properties", "class"},
	} {
		event, _ := encoder.AppendEvent(nil, &e.d, 8192)
		header := strings.Split(string(event), "|")
		key := header[4]
		if e.k == "cat" {
			key = e.d.Category
			if !strings.Contains(header[7], "cat="+key+" ") && !strings.HasSuffix(header[7], "cat="+key) {
				t.Errorf("no cat in %s", event)
			}
		}
		if !slices.Contains(keys[e.path], key) {
			t.Errorf("%s has no %q, which is in %s", e.path, key, event)
		}
		if strings.HasPrefix(e.path, categorizerFolder) && e.path != categorizerFolder+fileName(header[1])+"/"+fileName(header[2])+".csv" {
			t.Errorf("%s is not the file for %s", e.path, event)
		}
	}
}
