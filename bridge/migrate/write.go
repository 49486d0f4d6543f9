package migrate

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// write makes the text of the configuration and the files with the secrets.
func (m *Migration) write() (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "# Made by siembridge import of %s.\n", strings.Join(m.names(), ", "))
	if m.o.API == "detections" {
		b.WriteString("# The detections API is what the old connector read. Microsoft has stopped supporting it and may end it any day; to move\n" +
			"# on, grant the application SecurityAlert.Read.All of Microsoft Graph (application permission, admin consent), set api to\n" +
			"# \"graph-alerts\" and take region out. The events keep their fields.\n")
	}
	credential, err := m.credential()
	if err != nil {
		return "", err
	}
	for _, region := range m.regions() {
		m.source(&b, region, credential)
	}
	m.destination(&b)
	return b.String(), nil
}

func (m *Migration) names() (names []string) {
	for _, f := range m.files {
		names = append(names, filepath.Base(f))
	}
	return names
}

// regions are those that become a source each; "" stands for none.
func (m *Migration) regions() []string {
	switch {
	case m.o.API != "detections" || m.settings.Cloud != "" && m.settings.Cloud != "public":
		return []string{""}
	case m.o.Region != "":
		return []string{m.o.Region}
	case len(m.settings.Regions) == 0:
		return []string{""}
	}
	return m.settings.Regions
}

func (m *Migration) source(b *strings.Builder, region string, credential []string) {
	name := "defender"
	if len(m.regions()) > 1 {
		name += "-" + region
	}
	b.WriteString("\n[[source]]\n")
	set(b, "name", name)
	set(b, "api", m.o.API)
	if m.settings.Cloud != "" && m.settings.Cloud != "public" {
		set(b, "cloud", m.settings.Cloud)
	}
	switch {
	case region != "":
		set(b, "region", region)
	case m.o.API == "detections" && (m.settings.Cloud == "" || m.settings.Cloud == "public"):
		b.WriteString("region = \"us\"   # not in the files: us, eu or uk, as the old address wdatp-alertexporter-...\n")
		m.absent("the region of the tenant's data, which is set to us; give --region us, eu or uk")
	}
	m.required(b, "tenant_id", m.settings.Tenant, "the tenant")
	m.required(b, "client_id", m.settings.ClientID, "the application (client) id")
	for _, line := range credential {
		b.WriteString(line + "\n")
	}
}

func set(b *strings.Builder, key, value string) { fmt.Fprintf(b, "%s = %s\n", key, tomlString(value)) }

// tomlString quotes a text as a basic string of TOML.
func tomlString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func (m *Migration) required(b *strings.Builder, key, value, what string) {
	if value == "" {
		m.absent(what)
		fmt.Fprintf(b, "# %s = \"\"   # not in the files: %s\n", key, what)
		return
	}
	set(b, key, value)
}

// credential stores the secret, or without one the refresh token, and returns the lines that name its file.
func (m *Migration) credential() ([]string, error) {
	s := &m.settings
	switch {
	case s.ClientSecret != "":
		if s.RefreshToken != "" {
			fmt.Fprintln(m.o.Errors, "note: the refresh token is not carried over: with its secret the application signs in by itself, and nothing needs renewing every 90 days")
		}
		path, err := m.store("client-secret", s.ClientSecret.Reveal())
		return []string{"client_secret_file = " + tomlString(path)}, err
	case s.RefreshToken != "":
		path, err := m.store("refresh-token", s.RefreshToken.Reveal())
		return []string{`auth = "refresh-token"`, "refresh_token_file = " + tomlString(path)}, err
	}
	m.absent("the client secret")
	return []string{`# client_secret_file = ""   # a file with the secret; it was not in the files`}, nil
}

func (m *Migration) destination(b *strings.Builder) {
	siem := m.o.SIEM
	if siem == "" {
		siem = m.settings.SIEM
	}
	if siem == "" {
		siem = "generic"
		m.absent("which SIEM this is for; give --siem")
	}
	b.WriteString("\n[[destination]]\n")
	set(b, "name", siem)
	set(b, "type", siem)
	if m.o.Address != "" {
		set(b, "address", m.o.Address)
	} else {
		fmt.Fprintf(b, "address = %s   # the SIEM's syslog receiver\n", strconv.Quote(siem+".example.org"))
		m.absent("the address of the SIEM's syslog receiver; give --address, or change it in the configuration")
	}
	if m.mapping == "" {
		return
	}
	if siem != "arcsight" && siem != "sentinel" {
		m.missing = true
		fmt.Fprintf(m.o.Errors, "%s is for CEF and cannot be the mapping of a %s destination\n", m.mapping, siem)
		return
	}
	set(b, "mapping_file", m.mapping)
}
