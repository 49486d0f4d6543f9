package migrate

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/formats/flexconnector"
)

var guid = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)

func setClientID(s *settings, at flexconnector.Property, v string) {
	if !guid.MatchString(v) {
		s.wrong(at, "is no application id, which looks like 00000000-0000-0000-0000-000000000000")
		return
	}
	if s.ClientID != "" && !strings.EqualFold(s.ClientID, v) {
		s.wrong(at, "is another application than before; import one at a time")
		return
	}
	s.ClientID = v
}

func setSecret(s *settings, at flexconnector.Property, v string) {
	if guid.MatchString(v) {
		s.note(at, "looks like the id of a secret, not like its value: if Microsoft refuses it (AADSTS7000215), make a new one")
	}
	s.ClientSecret = config.Secret(v)
}

var domain = regexp.MustCompile(`^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$`)

func setTenant(s *settings, at flexconnector.Property, v string) {
	switch {
	case !guid.MatchString(v) && !domain.MatchString(v):
		s.wrong(at, "is neither a tenant's id nor its domain")
	case s.Tenant != "" && !strings.EqualFold(s.Tenant, v):
		s.wrong(at, "names another tenant than before")
	default:
		s.Tenant = v
	}
}

// clouds are the clouds by the host where one signs in.
var clouds = map[string]string{"login.microsoftonline.com": "public", "login.windows.net": "public", "sts.windows.net": "public", "login.microsoftonline.us": "gcc-high"}

// setLogin reads the tenant from an address to sign in at: its path begins with it.
func setLogin(s *settings, at flexconnector.Property, v string) {
	u, err := url.Parse(v)
	if err != nil || u.Host == "" {
		s.wrong(at, "is no address")
		return
	}
	cloud, known := clouds[strings.ToLower(u.Hostname())]
	if !known {
		s.wrong(at, "is at a host where nobody signs in to Microsoft")
		return
	}
	if s.Cloud == "" || cloud != "public" {
		s.Cloud = cloud
	}
	if cloud == "gcc-high" {
		s.note(at, "is of a cloud for the US government; cloud is set to gcc-high, make it dod where that is right")
	}
	tenant, _, _ := strings.Cut(strings.Trim(u.Path, "/"), "/")
	switch strings.ToLower(tenant) {
	case "", "common", "organizations", "oauth2":
		s.note(at, "names no tenant")
		return
	}
	setTenant(s, at, tenant)
	if r := u.Query().Get("resource"); r != "" {
		setResource(s, at, r)
	}
}

func qradarLogin(s *settings, at flexconnector.Property, v string) {
	s.SIEM = "qradar"
	setLogin(s, at, v)
}

func arcsightLogin(s *settings, at flexconnector.Property, v string) {
	if s.SIEM == "" {
		s.SIEM = "arcsight"
	}
	setLogin(s, at, v)
}

// setResource says what it means that the old audience is not used.
func setResource(s *settings, at flexconnector.Property, v string) {
	if !strings.Contains(strings.ToLower(v), "graph.windows.net") {
		s.note(at, "the audience is not carried over: siembridge asks for the one that Microsoft documents for each API")
	}
}

var regionName = map[string]string{"us": "us", "eu": "eu", "uk": "uk", "europe": "eu", "unitedstates": "us", "unitedkingdom": "uk"}

func setRegions(s *settings, at flexconnector.Property, v string) {
	for _, one := range strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ';' || r == '|' }) {
		one = strings.TrimSpace(one)
		if strings.Contains(one, "/") || strings.Contains(one, ".") {
			setEvents(s, at, one)
			continue
		}
		region, ok := regionName[foldLabel(one)]
		if !ok {
			s.wrong(at, "has a region that the API does not have; regions are us, eu, uk")
			continue
		}
		s.addRegion(region)
	}
}

func (s *settings) addRegion(region string) {
	if !slices.Contains(s.Regions, region) {
		s.Regions = append(s.Regions, region)
	}
}

var exporter = regexp.MustCompile(`^wdatp-alertexporter-(us|eu|uk)\.((gcc\.)?securitycenter\.windows\.us|(securitycenter\.)?windows\.com)$`)

// setEvents reads region and cloud from the address of the detections API.
func setEvents(s *settings, at flexconnector.Property, v string) {
	host := strings.ToLower(v)
	if u, err := url.Parse(v); err == nil && u.Host != "" {
		host = strings.ToLower(u.Hostname())
	}
	m := exporter.FindStringSubmatch(host)
	switch {
	case m == nil:
		s.wrong(at, "is no address of the detections API (wdatp-alertexporter-...)")
	case m[3] != "":
		s.Cloud = "gcc"
	case strings.HasSuffix(host, ".us"):
		s.Cloud = "gcc-high"
		s.note(at, "is of a cloud for the US government; cloud is set to gcc-high, make it dod where that is right")
	default:
		s.addRegion(m[1])
	}
}

func setSIEM(s *settings, at flexconnector.Property, v string) {
	switch word := foldLabel(v); {
	case strings.Contains(word, "qradar"):
		s.SIEM = "qradar"
	case strings.Contains(word, "arcsight"):
		s.SIEM = "arcsight"
	default:
		s.note(at, "is a SIEM that siembridge has no preset for")
	}
}
