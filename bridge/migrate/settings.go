package migrate

import (
	"bytes"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/formats/flexconnector"
)

// settings are what a connector was set up with to reach Microsoft.
type settings struct {
	Tenant       string        // id or domain
	ClientID     string        // of the app registration; "": not in the file
	ClientSecret config.Secret // "": not in the file
	RefreshToken config.Secret // "": not in the file
	Cloud        string        // public, gcc, gcc-high, as the configuration spells them; "" when nothing tells
	Regions      []string      // us, eu, uk
	SIEM         string        // qradar when the file is of QRadar's set-up, arcsight when it is of ArcSight's; else ""

	Problems flexconnector.Problems // lines that were not understood; no value of the file is shown in them
	Notes    flexconnector.Problems // lines that were understood and mean something to the reader
}

// setting is what a label of a file stands for.
type setting func(s *settings, at flexconnector.Property, value string)

// labels are those of settings, by their letters and digits in lower case: of WDATP-connector.properties and of the
// portal's SIEM page, which were named differently for QRadar and for the others ("Enable SIEM integration", Microsoft
// Learn), with obvious variants, since the layout of a saved file is published nowhere.
var labels = map[string]setting{
	"clientid": setClientID, "applicationid": setClientID, "appid": setClientID, "applicationclientid": setClientID,
	"clientsecret": setSecret, "applicationsecret": setSecret, "appsecret": setSecret, "secret": setSecret, "applicationkey": setSecret,
	"tenantid": setTenant, "tenant": setTenant, "directoryid": setTenant, "directorytenantid": setTenant,
	"tokenurl": setLogin, "authurl": setLogin, "tokenrefreshurl": setLogin, "oauth2tokenrefreshurl": arcsightLogin, "oauthtokenrefreshurl": setLogin,
	"oauth2tokenurl": setLogin, "authorizationserverurl": qradarLogin, "authorizationserver": qradarLogin, "authorizationurl": setLogin,
	"resource": setResource, "resourceurl": setResource,
	"region": setRegions, "regions": setRegions, "otherregion": setRegions, "regionorregions": setRegions,
	"eventsurl": setEvents, "eventurl": setEvents, "alertsurl": setEvents, "apiurl": setEvents, "endpoint": setEvents, "url": setEvents, "serverurl": setEvents,
	"refreshtoken": func(s *settings, _ flexconnector.Property, v string) { s.RefreshToken = config.Secret(v) },
	"accesstoken": func(s *settings, at flexconnector.Property, _ string) {
		s.note(at, "an access token lives for an hour and is not carried over")
	},
	"redirecturi": ignored, "redirecturl": ignored, "scope": ignored, "reauthenticate": ignored,
	"siem": setSIEM, "siemtype": setSIEM, "siemapplication": setSIEM,
}

// ignored settings are of the sign-in in a browser, which an application that signs in by itself does without.
func ignored(*settings, flexconnector.Property, string) {}

// readSettings reads WDATP-connector.properties (name ends in .properties), or what "Save details to file" wrote: lines
// of a label and a value with a colon, an equals sign or a tab between them, a label and its value on lines of their
// own, or a JSON object.
func readSettings(name string, text []byte) *settings {
	s := &settings{}
	var all []flexconnector.Property
	switch {
	case len(text) > flexconnector.MaxFile:
		s.Problems = flexconnector.Problems{{Line: 1, Text: "the file is larger than any settings"}}
	case strings.HasSuffix(name, ".properties"):
		all = flexconnector.ReadProperties(text)
		s.SIEM = "arcsight"
	case strings.HasPrefix(strings.TrimSpace(flexconnector.DecodeText(text)), "{"):
		all = s.readObject(flexconnector.DecodeText(text))
	default:
		all = s.readLines(flexconnector.DecodeText(text))
	}
	for _, p := range all {
		s.apply(p)
	}
	return s
}

func (s *settings) wrong(at flexconnector.Property, text string) {
	s.Problems = append(s.Problems, flexconnector.Problem{Line: at.Line, Key: at.Key, Text: text})
}

func (s *settings) note(at flexconnector.Property, text string) {
	s.Notes = append(s.Notes, flexconnector.Problem{Line: at.Line, Key: at.Key, Text: text})
}

func (s *settings) apply(p flexconnector.Property) {
	set, ok := labels[foldLabel(p.Key)]
	value := strings.Trim(strings.TrimSpace(p.Value), `"'`)
	switch {
	case !ok:
		s.Problems = append(s.Problems, flexconnector.Problem{Line: p.Line, Key: shownLabel(p.Key), Text: "not understood"})
	case strings.HasPrefix(value, "<") && strings.HasSuffix(value, ">"):
		s.wrong(p, "was never filled in")
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
func (s *settings) readLines(text string) []flexconnector.Property {
	var all []flexconnector.Property
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
		_, known := labels[foldLabel(label)]
		switch {
		case known && len(label) < 60:
			all = append(all, flexconnector.Property{Key: label, Value: value, Line: i + 1})
			waiting = -1
			if value == "" {
				waiting = len(all) - 1
			}
		case waiting >= 0:
			all[waiting].Value = line
			waiting = -1
		default:
			all = append(all, flexconnector.Property{Key: label, Line: i + 1})
		}
	}
	return all
}

// readObject reads a JSON object of texts and lists of texts.
func (s *settings) readObject(text string) []flexconnector.Property {
	var all []flexconnector.Property
	dec := jsontext.NewDecoder(strings.NewReader(text), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	line := func() int { return 1 + strings.Count(text[:min(int(dec.InputOffset()), len(text))], "\n") }
	_, _ = dec.ReadToken()
	for dec.PeekKind() == '"' {
		token, _ := dec.ReadToken()
		p := flexconnector.Property{Key: token.String(), Line: line()}
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
		s.Problems = append(s.Problems, flexconnector.Problem{Line: line(), Text: "the JSON ends here"})
	}
	return all
}

// merge adds what other has to s. Two that contradict each other are a problem.
func (s *settings) merge(other *settings) {
	for _, f := range []struct {
		mine  *string
		other string
		what  string
	}{{&s.Tenant, other.Tenant, "tenants"}, {&s.ClientID, other.ClientID, "applications"}} {
		switch {
		case *f.mine == "":
			*f.mine = f.other
		case f.other != "" && !strings.EqualFold(*f.mine, f.other):
			s.Problems = append(s.Problems, flexconnector.Problem{Line: 1, Text: "the files are of two " + f.what + "; import one at a time"})
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
