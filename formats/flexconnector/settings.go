package flexconnector

import (
	"bytes"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Secret is a text that prints as ***, whatever prints it.
type Secret string

// String returns *** for every secret that is not empty.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return s.String() }

// Format implements fmt.Formatter, so that no verb shows the secret.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// Reveal returns the secret itself, for the one place that stores it.
func (s Secret) Reveal() string { return string(s) }

// Settings are what a connector was set up with to reach Microsoft.
type Settings struct {
	Tenant       string   // id or domain
	ClientID     string   // of the app registration; "": not in the file
	ClientSecret Secret   // "": not in the file
	RefreshToken Secret   // "": not in the file
	Cloud        string   // public, gcc, gcc-high, as the configuration spells them; "" when nothing tells
	Regions      []string // us, eu, uk
	SIEM         string   // qradar when the file is of QRadar's set-up, arcsight when it is of ArcSight's; else ""

	Problems Problems // lines that were not understood; no value of the file is shown in them
	Notes    Problems // lines that were understood and mean something to the reader
}

// setting is what a label of a file stands for.
type setting func(s *Settings, at Property, value string)

// settings are the labels by their letters and digits in lower case: those of WDATP-connector.properties and those of
// the portal's SIEM page, which were named differently for QRadar and for the others ("Enable SIEM integration",
// Microsoft Learn), with obvious variants, since the layout of a saved file is published nowhere.
var settings = map[string]setting{
	"clientid": setClientID, "applicationid": setClientID, "appid": setClientID, "applicationclientid": setClientID,
	"clientsecret": setSecret, "applicationsecret": setSecret, "appsecret": setSecret, "secret": setSecret, "applicationkey": setSecret,
	"tenantid": setTenant, "tenant": setTenant, "directoryid": setTenant, "directorytenantid": setTenant,
	"tokenurl": setLogin, "authurl": setLogin, "tokenrefreshurl": setLogin, "oauth2tokenrefreshurl": arcsightLogin, "oauthtokenrefreshurl": setLogin,
	"oauth2tokenurl": setLogin, "authorizationserverurl": qradarLogin, "authorizationserver": qradarLogin, "authorizationurl": setLogin,
	"resource": setResource, "resourceurl": setResource,
	"region": setRegions, "regions": setRegions, "otherregion": setRegions, "regionorregions": setRegions,
	"eventsurl": setEvents, "eventurl": setEvents, "alertsurl": setEvents, "apiurl": setEvents, "endpoint": setEvents, "url": setEvents, "serverurl": setEvents,
	"refreshtoken": func(s *Settings, _ Property, v string) { s.RefreshToken = Secret(v) },
	"accesstoken": func(s *Settings, at Property, _ string) {
		s.Notes.add(at, "an access token lives for an hour and is not carried over")
	},
	"redirecturi": ignored, "redirecturl": ignored, "scope": ignored, "reauthenticate": ignored,
	"siem": setSIEM, "siemtype": setSIEM, "siemapplication": setSIEM,
}

// ignored settings are of the sign-in in a browser, which an application that signs in by itself does without.
func ignored(*Settings, Property, string) {}

// ReadSettings reads WDATP-connector.properties (name ends in .properties), or what "Save details to file" wrote: lines
// of a label and a value with a colon, an equals sign or a tab between them, a label and its value on lines of their
// own, or a JSON object.
func ReadSettings(name string, text []byte) *Settings {
	s := &Settings{}
	var all []Property
	switch {
	case len(text) > MaxFile:
		s.Problems = Problems{{Line: 1, Text: "the file is larger than any settings"}}
	case strings.HasSuffix(name, ".properties"):
		all = ReadProperties(text)
		s.SIEM = "arcsight"
	case strings.HasPrefix(strings.TrimSpace(decodeText(text)), "{"):
		all = s.readObject(decodeText(text))
	default:
		all = s.readLines(decodeText(text))
	}
	for _, p := range all {
		s.apply(p)
	}
	return s
}

func (s *Settings) apply(p Property) {
	set, ok := settings[foldLabel(p.Key)]
	value := strings.Trim(strings.TrimSpace(p.Value), `"'`)
	switch {
	case !ok:
		s.Problems = append(s.Problems, Problem{Line: p.Line, Key: shownLabel(p.Key), Text: "not understood"})
	case strings.HasPrefix(value, "<") && strings.HasSuffix(value, ">"):
		s.Problems.add(p, "was never filled in")
	case value != "":
		set(s, p, value)
	}
}

func foldLabel(label string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			return r
		}
		return -1
	}, label)
}

// plainLabel are words with blanks between them, or a key of a properties file; the secrets that Entra makes are
// neither, since they have digits in them.
var plainLabel = regexp.MustCompile(`^[A-Za-z]+( [A-Za-z]+){1,5}$|^[a-z]+([_.][a-z]+)+$`)

// shownLabel returns a label that is surely none of the values: a part of a secret may stand before an equals sign.
func shownLabel(label string) string {
	if len(label) <= 40 && plainLabel.MatchString(label) {
		return label
	}
	return ""
}

// readLines reads labels and values.
func (s *Settings) readLines(text string) []Property {
	var all []Property
	waiting := -1 // a label whose value stands on the next line
	for i, line := range strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.Trim(line, "-=*#_") == "" {
			continue
		}
		label, value := line, ""
		if at := strings.IndexAny(line, ":=\t"); at >= 0 {
			label, value = strings.TrimSpace(line[:at]), strings.TrimSpace(line[at+1:])
		}
		_, known := settings[foldLabel(label)]
		switch {
		case known && len(label) < 60:
			all = append(all, Property{Key: label, Value: value, Line: i + 1})
			waiting = -1
			if value == "" {
				waiting = len(all) - 1
			}
		case waiting >= 0:
			all[waiting].Value = line
			waiting = -1
		default:
			all = append(all, Property{Key: label, Line: i + 1})
		}
	}
	return all
}

// readObject reads a JSON object of texts and lists of texts.
func (s *Settings) readObject(text string) []Property {
	var all []Property
	dec := jsontext.NewDecoder(strings.NewReader(text), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	line := func() int { return 1 + strings.Count(text[:min(int(dec.InputOffset()), len(text))], "\n") }
	_, _ = dec.ReadToken()
	for dec.PeekKind() == '"' {
		token, _ := dec.ReadToken()
		p := Property{Key: token.String(), Line: line()}
		v, err := dec.ReadValue()
		if err != nil {
			break
		}
		switch v.Kind() {
		case '"':
			unquoted, _ := jsontext.AppendUnquote(nil, v)
			p.Value = string(unquoted)
		case 'n':
		default: // a list of regions, a number, true
			p.Value = string(bytes.Trim(bytes.ReplaceAll(v, []byte(`"`), nil), "[] \n\t"))
		}
		all = append(all, p)
	}
	if dec.PeekKind() != '}' {
		s.Problems = append(s.Problems, Problem{Line: line(), Text: "the JSON ends here"})
	}
	return all
}

var guid = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)

func setClientID(s *Settings, at Property, v string) {
	if !guid.MatchString(v) {
		s.Problems.add(at, "is no application id, which looks like 00000000-0000-0000-0000-000000000000")
		return
	}
	if s.ClientID != "" && !strings.EqualFold(s.ClientID, v) {
		s.Problems.add(at, "is another application than before; import one at a time")
		return
	}
	s.ClientID = v
}

func setSecret(s *Settings, at Property, v string) {
	if guid.MatchString(v) {
		s.Notes.add(at, "looks like the id of a secret, not like its value: if Microsoft refuses it (AADSTS7000215), make a new one")
	}
	s.ClientSecret = Secret(v)
}

var domain = regexp.MustCompile(`^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$`)

func setTenant(s *Settings, at Property, v string) {
	switch {
	case !guid.MatchString(v) && !domain.MatchString(v):
		s.Problems.add(at, "is neither a tenant's id nor its domain")
	case s.Tenant != "" && !strings.EqualFold(s.Tenant, v):
		s.Problems.add(at, "names another tenant than before")
	default:
		s.Tenant = v
	}
}

// clouds are the clouds by the host where one signs in.
var clouds = map[string]string{"login.microsoftonline.com": "public", "login.windows.net": "public", "sts.windows.net": "public", "login.microsoftonline.us": "gcc-high"}

// setLogin reads the tenant from an address to sign in at: its path begins with it.
func setLogin(s *Settings, at Property, v string) {
	u, err := url.Parse(v)
	if err != nil || u.Host == "" {
		s.Problems.add(at, "is no address")
		return
	}
	cloud, known := clouds[strings.ToLower(u.Hostname())]
	if !known {
		s.Problems.add(at, "is at a host where nobody signs in to Microsoft")
		return
	}
	if s.Cloud == "" || cloud != "public" {
		s.Cloud = cloud
	}
	if cloud == "gcc-high" {
		s.Notes.add(at, "is of a cloud for the US government; cloud is set to gcc-high, make it dod where that is right")
	}
	tenant, _, _ := strings.Cut(strings.Trim(u.Path, "/"), "/")
	switch strings.ToLower(tenant) {
	case "", "common", "organizations", "oauth2":
		s.Notes.add(at, "names no tenant")
		return
	}
	setTenant(s, at, tenant)
	if r := u.Query().Get("resource"); r != "" {
		setResource(s, at, r)
	}
}

func qradarLogin(s *Settings, at Property, v string) {
	s.SIEM = "qradar"
	setLogin(s, at, v)
}

func arcsightLogin(s *Settings, at Property, v string) {
	if s.SIEM == "" {
		s.SIEM = "arcsight"
	}
	setLogin(s, at, v)
}

// setResource says what it means that the old audience is not used.
func setResource(s *Settings, at Property, v string) {
	if !strings.Contains(strings.ToLower(v), "graph.windows.net") {
		s.Notes.add(at, "the audience is not carried over: siembridge asks for the one that Microsoft documents for each API")
	}
}

var regionName = map[string]string{"us": "us", "eu": "eu", "uk": "uk", "europe": "eu", "unitedstates": "us", "unitedkingdom": "uk"}

func setRegions(s *Settings, at Property, v string) {
	for _, one := range strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ';' || r == '|' }) {
		one = strings.TrimSpace(one)
		if strings.Contains(one, "/") || strings.Contains(one, ".") {
			setEvents(s, at, one)
			continue
		}
		region, ok := regionName[foldLabel(one)]
		if !ok {
			s.Problems.add(at, "has a region that the API does not have; regions are us, eu, uk")
			continue
		}
		s.addRegion(region)
	}
}

func (s *Settings) addRegion(region string) {
	if !slices.Contains(s.Regions, region) {
		s.Regions = append(s.Regions, region)
	}
}

var exporter = regexp.MustCompile(`^wdatp-alertexporter-(us|eu|uk)\.((gcc\.)?securitycenter\.windows\.us|(securitycenter\.)?windows\.com)$`)

// setEvents reads region and cloud from the address of the detections API.
func setEvents(s *Settings, at Property, v string) {
	host := strings.ToLower(v)
	if u, err := url.Parse(v); err == nil && u.Host != "" {
		host = strings.ToLower(u.Hostname())
	}
	m := exporter.FindStringSubmatch(host)
	switch {
	case m == nil:
		s.Problems.add(at, "is no address of the detections API (wdatp-alertexporter-...)")
	case m[3] != "":
		s.Cloud = "gcc"
	case strings.HasSuffix(host, ".us"):
		s.Cloud = "gcc-high"
		s.Notes.add(at, "is of a cloud for the US government; cloud is set to gcc-high, make it dod where that is right")
	default:
		s.addRegion(m[1])
	}
}

func setSIEM(s *Settings, at Property, v string) {
	switch word := foldLabel(v); {
	case strings.Contains(word, "qradar"):
		s.SIEM = "qradar"
	case strings.Contains(word, "arcsight"):
		s.SIEM = "arcsight"
	default:
		s.Notes.add(at, "is a SIEM that siembridge has no preset for")
	}
}

// Merge adds what other has to s. Two that contradict each other are a problem.
func (s *Settings) Merge(other *Settings) {
	for _, f := range []struct {
		mine  *string
		other string
		what  string
	}{{&s.Tenant, other.Tenant, "tenants"}, {&s.ClientID, other.ClientID, "applications"}} {
		switch {
		case *f.mine == "":
			*f.mine = f.other
		case f.other != "" && !strings.EqualFold(*f.mine, f.other):
			s.Problems = append(s.Problems, Problem{Line: 1, Text: "the files are of two " + f.what + "; import one at a time"})
		}
	}
	if other.ClientSecret != "" {
		s.ClientSecret = other.ClientSecret
	}
	if other.RefreshToken != "" {
		s.RefreshToken = other.RefreshToken
	}
	if s.Cloud == "" || s.Cloud == "public" && other.Cloud != "" {
		s.Cloud = other.Cloud
	}
	if s.SIEM == "" {
		s.SIEM = other.SIEM
	}
	for _, r := range other.Regions {
		s.addRegion(r)
	}
}
