package migrate

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/siembridge/siembridge/formats/flexconnector"
)

const (
	tenant = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
	client = "11111111-2222-3333-4444-555555555555"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func lines(all flexconnector.Problems) []string {
	var s []string
	for _, p := range all {
		s = append(s, p.String())
	}
	return s
}

func TestSettings(t *testing.T) {
	for _, tt := range []struct {
		file            string
		want            settings
		problems, notes []string
	}{
		{"WDATP-connector.properties", settings{Tenant: tenant, ClientID: client, ClientSecret: `Made~up\secret=1`, Cloud: "public", SIEM: "arcsight"}, nil,
			[]string{"line 4: auth_url: the audience is not carried over: siembridge asks for the one that Microsoft documents for each API"}},
		{"details-qradar.txt", settings{Tenant: "contoso.onmicrosoft.com", ClientID: client, ClientSecret: "Made~up:secret=2", Cloud: "public",
			SIEM: "qradar", Regions: []string{"eu", "us"}}, nil, nil},
		{"details-lines.txt", settings{Tenant: tenant, ClientID: client, ClientSecret: "Made~up:secret=3", RefreshToken: "0.AAAAmade-up",
			Cloud: "public", SIEM: "arcsight"},
			[]string{"line 1: SIEM details: not understood", "line 10: not understood", "line 11: not understood"}, nil},
	} {
		got := readSettings(tt.file, read(t, tt.file))
		if diff := cmp.Diff(tt.problems, lines(got.Problems)); diff != "" {
			t.Errorf("%s: problems: %s", tt.file, diff)
		}
		if diff := cmp.Diff(tt.notes, lines(got.Notes)); diff != "" {
			t.Errorf("%s: notes: %s", tt.file, diff)
		}
		secrets := [4]string{got.ClientSecret.Reveal(), tt.want.ClientSecret.Reveal(), got.RefreshToken.Reveal(), tt.want.RefreshToken.Reveal()}
		if secrets[0] != secrets[1] || secrets[2] != secrets[3] {
			t.Errorf("%s: secrets %q", tt.file, secrets)
		}
		got.Problems, got.Notes = nil, nil
		if diff := cmp.Diff(tt.want, *got); diff != "" {
			t.Errorf("%s: %s", tt.file, diff)
		}
	}
}

func TestSettingsForms(t *testing.T) {
	asJSON := `{"clientId": "` + client + `", "clientSecret": "s:=x", "region": ["us", "uk"], "tenantId": "contoso.com", "apiUrl": null}`
	got := readSettings("details.json", []byte(asJSON))
	if len(got.Problems) > 0 || got.ClientSecret.Reveal() != "s:=x" || len(got.Regions) != 2 || got.Tenant != "contoso.com" {
		t.Errorf("JSON: %+v", got)
	}
	units := utf16.Encode([]rune("\ufeffClient ID: " + client + "\r\n"))
	var wide []byte
	for _, u := range units {
		wide = append(wide, byte(u), byte(u>>8))
	}
	if got = readSettings("wide.txt", wide); got.ClientID != client {
		t.Errorf("UTF-16: %+v", got)
	}
	for url, want := range map[string]string{
		"https://wdatp-alertexporter-eu.windows.com/api/alerts/?sinceTimeUtc=$START_AT_TIME": " [eu] 0",
		"https://wdatp-alertexporter-uk.securitycenter.windows.com/api/alerts":               " [uk] 0",
		"https://wdatp-alertexporter-us.gcc.securitycenter.windows.us/api/alerts":            "gcc [] 0",
		"https://wdatp-alertexporter-us.securitycenter.windows.us/api/alerts":                "gcc-high [] 0",
		"https://wdatp-alertexporter-eu.windows.com.evil.example.org/api/alerts":             " [] 1",
	} {
		got = readSettings("x.txt", []byte("Events URL: "+url))
		if s := fmt.Sprint(got.Cloud, got.Regions, len(got.Problems)); strings.ReplaceAll(s, " ", "") != strings.ReplaceAll(want, " ", "") {
			t.Errorf("%s: %s, want %s", url, s, want)
		}
	}
}

// TestSettingsMistakes: each is told with its line, and none shows a value.
func TestSettingsMistakes(t *testing.T) {
	got := readSettings("x.txt", []byte("Client ID: hush-1\nTenant ID: hush 2\nToken URL: https://login.evil.example.org/hush3/oauth2/token\n"+
		"Client secret: <hush4>\nRegion: hush5\nTenant: "+tenant+"\nDirectory ID: contoso.com\nhush6: x\nClient secret: "+client+"\nAccess token: hush7\n"))
	all := strings.Join(append(lines(got.Problems), lines(got.Notes)...), "\n")
	if strings.Contains(all, "hush") || strings.Contains(fmt.Sprintf("%v %+v %#v", got, got, got), client) {
		t.Errorf("shows a value: %s\n%+v", all, got)
	}
	for _, line := range []string{"line 1:", "line 2:", "line 3:", "line 4:", "line 5:", "line 7:", "line 8:", "line 9:", "line 10:"} {
		if !strings.Contains(all, line) {
			t.Errorf("lacks %q:\n%s", line, all)
		}
	}
	a := readSettings("x.txt", []byte("Tenant: contoso.com\n"))
	a.merge(readSettings("y.txt", []byte("Tenant: fabrikam.com\nClient ID: "+client)))
	if len(a.Problems) != 1 || a.ClientID != client {
		t.Errorf("merged: %+v", a)
	}
}

// FuzzReadSettings: nothing makes it fail, and no problem shows a text that stood for a secret.
func FuzzReadSettings(f *testing.F) {
	for _, name := range []string{"WDATP-connector.properties", "details-qradar.txt", "details-lines.txt"} {
		f.Add(name, read(f, name))
	}
	f.Add("details.json", []byte(`{"clientSecret":"x","region":["us"]`))
	f.Fuzz(func(t *testing.T, name string, text []byte) {
		s := readSettings(name, text)
		secret := s.ClientSecret.Reveal()
		if len(secret) < 12 || strings.ContainsAny(secret, " _.") {
			return
		}
		for _, p := range append(s.Problems, s.Notes...) {
			if p.Key == secret {
				t.Errorf("shows the secret: %s", p)
			}
		}
	})
}
