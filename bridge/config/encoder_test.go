package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/cef"
)

const oneSource = `[[source]]
name = "contoso"
api = "file"
path = "-"
`

const oneDestination = `[[destination]]
name = "siem"
type = "arcsight"
address = "siem.example.org"
`

// problemsOf parses a configuration that must be refused. FILE in it stands for a mapping file with the text mapping.
func problemsOf(t *testing.T, text, mapping string) string {
	t.Helper()
	_, err := parseWith(t, text, mapping)
	if err == nil {
		t.Fatalf("accepted:\n%s", text)
	}
	return err.Error()
}

func parseWith(t *testing.T, text, mapping string) (*Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mapping.toml")
	if err := os.WriteFile(path, []byte(mapping), 0o600); err != nil {
		t.Fatal(err)
	}
	return Parse("f.toml", strings.ReplaceAll(text, "FILE", path))
}

func TestMappingProblemsAreProblemsOfTheConfiguration(t *testing.T) {
	for _, c := range []struct{ name, text, mapping, want string }{
		{"mapping's condition on an API that there is not", oneSource + oneDestination + "mapping_file = \"FILE\"\n", `attributes = [{ key = "msg", from = "actor", api = "soap" }]`,
			`destination[0].mapping_file: msg: no API is named "soap"; there are detections, alerts, `},
		{"destination's field that the mapping fills", oneSource + oneDestination + "[destination.fields]\nCustomer = \"x\"\nsuser = \"x\"\n", "",
			"f.toml:11: destination[0].fields.suser: the mapping already fills this key; a mapping file can change it"},
		{"destination's field with a value of another type", oneSource + oneDestination + "[destination.fields]\ncnt = \"many\"\n", "",
			`f.toml:10: destination[0].fields.cnt: "many" is not of type integer`},
		{"destination's field that is no key", oneSource + oneDestination + "[destination.fields]\nnice_name = \"x\"\n", "",
			"f.toml:10: destination[0].fields.nice_name: a key is letters and digits, beginning with a letter"},
		{"destination's field that needs a label", oneSource + oneDestination + "[destination.fields]\ncfp1 = \"1.5\"\n", "",
			"f.toml:10: destination[0].fields.cfp1: a custom slot needs a label"},
		{"destination's fields in one line", oneSource + oneDestination + "fields = { rawEvent = \"x\" }\n", "",
			"f.toml:9: destination[0].fields.rawEvent: the key is not for senders"},
		{"source's field that the mapping fills", oneSource + "[source.fields]\nsuser = \"x\"\n" + oneDestination, "",
			"f.toml:6: source[0].fields.suser: the mapping already fills this key (destination siem, cef:0)"},
		{"source's field of CEF 1", oneSource + "[source.fields]\nreportedDuration = \"x\"\n" + oneDestination, "",
			"f.toml:6: source[0].fields.reportedDuration: the key exists from cef:1 on (destination siem, cef:0)"},
		{"source's field that a destination adds too", oneSource + "[source.fields]\nCustomer = \"x\"\n" + oneDestination + "[destination.fields]\ncustomer = \"y\"\n", "",
			"f.toml:6: source[0].fields.Customer: the mapping already fills this key (destination siem, cef:0)"},
		{"source's field in two spellings", oneSource + "[source.fields]\nCustomer = \"x\"\ncustomer = \"y\"\n" + oneDestination, "",
			"f.toml:7: source[0].fields.customer: the key stands here twice"},
		{"source's field that an expression of QRadar's would take for another", oneSource + "[source.fields]\nmysrc = \"x\"\n" + strings.Replace(oneDestination, "arcsight", "qradar", 1), "",
			`f.toml:6: source[0].fields.mysrc: ends in the key "src"`},
		{"source's field that another one of it ends in", oneSource + "[source.fields]\ncustomerSite = \"x\"\nSite = \"y\"\n" + strings.Replace(oneDestination, "arcsight", "qradar", 1), "",
			`f.toml:7: source[0].fields.Site: "customerSite" ends in this key: expressions that are not anchored would read one for the other (destination siem, leef:2.0)`},
		{"source's field that ends in another one of it", oneSource + "[source.fields]\nSite = \"x\"\ncustomerSite = \"y\"\n" + strings.Replace(oneDestination, "arcsight", "qradar", 1), "",
			`f.toml:7: source[0].fields.customerSite: ends in the key "Site"`},
		{"source's field that a destination's field ends in", oneSource + "[source.fields]\nSite = \"x\"\n" + strings.Replace(oneDestination, "arcsight", "qradar", 1) + "[destination.fields]\ncustomerSite = \"y\"\n", "",
			`f.toml:6: source[0].fields.Site: "customerSite" ends in this key`},
		{"destination's field that ends in another one of it", oneSource + strings.Replace(oneDestination, "arcsight", "qradar", 1) + "[destination.fields]\nTeam = \"x\"\nourTeam = \"y\"\n", "",
			`f.toml:11: destination[0].fields.ourTeam: ends in the key "Team"`},
		{"destination's field that many keys of the mapping end in", oneSource + strings.Replace(oneDestination, "arcsight", "qradar", 1) + "[destination.fields]\nName = \"x\"\n", "",
			`f.toml:10: destination[0].fields.Name: "usrName" and 18 more keys end in this key`},
		{"keys of a mapping file that end in one another", oneSource + strings.Replace(oneDestination, "arcsight", "qradar", 1) + "mapping_file = \"FILE\"\n",
			"attributes = [{ key = \"plantSite\", from = \"title\" }, { key = \"Site\", from = \"title\" }]",
			`f.toml:9: destination[0].mapping_file: Site: "plantSite" ends in this key`},
		{"source's field that only the second destination refuses", oneSource + "[source.fields]\ndestinationDnsDomain = \"x\"\nfname = \"y\"\n" + strings.Replace(oneDestination, "arcsight", "generic", 1) + strings.Replace(oneDestination, "siem", "two", 1), "",
			"f.toml:7: source[0].fields.fname: the mapping already fills this key (destination two, cef:0)"},
		{"profile of another format", oneSource + strings.Replace(oneDestination, "arcsight", "qradar", 1) + "profile = \"mcas-legacy\"\n", "",
			`f.toml:9: destination[0].profile: "mcas-legacy" is a profile of CEF: set format to cef:0, or take profile out`},
		{"unknown profile", oneSource + oneDestination + "profile = \"mcas\"\n", "",
			`f.toml:9: destination[0].profile: "mcas" is not one of`},
		{"entry of a mapping file", oneSource + oneDestination + "mapping_file = \"FILE\"\n", "attributes = [{ key = \"fnmae\", from = \"file.name\" }, { key = \"src\", from = \"time\" }]",
			"f.toml:9: destination[0].mapping_file: src: time cannot become a value of type ipv4"},
		{"key of a mapping file", oneSource + oneDestination + "mapping_file = \"FILE\"\n", "atributes = []",
			"f.toml:9: destination[0].mapping_file: atributes: no such key in a mapping table"},
		{"mapping file on a profile", oneSource + oneDestination + "profile = \"mcas-legacy\"\nmapping_file = \"FILE\"\n", "attributes = [{ key = \"cs6\", remove = true }]",
			"f.toml:10: destination[0].mapping_file: cs6: nothing to remove"},
		{"missing mapping file", oneSource + oneDestination + "mapping_file = \"FILE.none\"\n", "",
			"mapping.toml.none: no such file or directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := problemsOf(t, c.text, c.mapping); !strings.Contains(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// A mistake that has a key of its own is said there and not again.
func TestOneMistakeIsSaidOnce(t *testing.T) {
	for _, text := range []string{
		oneSource + oneDestination + "format = \"cef:7\"\n",
		oneSource + oneDestination + "format = \"leef:1.0\"\ndelimiter = \"^\"\n",
		oneSource + oneDestination + "mapping_file = \"FILE.none\"\n",
		oneSource + oneDestination + "profile = \"mcas\"\n",
	} {
		if got := problemsOf(t, text, ""); strings.Count(got, "\n") != 0 {
			t.Errorf("%s\ngave\n%s", text, got)
		}
	}
}

// A source's additions are held against the destinations that write its events, and no others.
func TestSourceFieldsOfOtherDestinations(t *testing.T) {
	text := oneSource + "[source.fields]\nfname = \"x\"\n" + strings.Replace(oneSource, "contoso", "fabrikam", 1) + oneDestination + "sources = [\"fabrikam\"]\n"
	if _, err := parseWith(t, text, ""); err != nil {
		t.Error(err)
	}
}

func TestProfileAndMappingFileChooseTheTable(t *testing.T) {
	c, err := parseWith(t, oneSource+"[source.fields]\nfilePath = \"x\"\n"+oneDestination+"profile = \"mcas-legacy\"\nmapping_file = \"FILE\"\n[destination.fields]\ncnt = \"2\"\n",
		`attributes = [{ key = "msg", from = "title" }, { key = "MicrosoftDefenderTenantId", from = "tenant_id" }, { key = "cs2", remove = true }]`)
	if err != nil {
		t.Fatal(err)
	}
	e, err := NewEncoder(&c.Destinations[0])
	if err != nil {
		t.Fatal(err)
	}
	event, _ := e.AppendEvent(nil, &formats.Detection{AlertID: "1", Title: "t", Description: "d", TenantID: "9", ServiceSource: "microsoftDefenderForCloudApps", Extra: []formats.Pair{{Key: "filePath", Value: "x"}}}, 4096)
	if want := `CEF:0|MCAS|SIEM_Agent|0.112.68|microsoftDefenderForCloudApps/Other|t|2|externalId=1 msg=t MicrosoftDefenderTenantId=9 cnt=2 filePath=x`; string(event) != want {
		t.Errorf("got  %s\nwant %s", event, want)
	}
}

// The profiles that a configuration may name are those that there are.
func TestProfilesOfTheConfiguration(t *testing.T) {
	f, _ := reflect.TypeFor[Destination]().FieldByName("Profile")
	if got := strings.Fields(f.Tag.Get("values")); !reflect.DeepEqual(got, cef.Profiles()) {
		t.Errorf("the configuration takes %v, CEF has %v", got, cef.Profiles())
	}
}
