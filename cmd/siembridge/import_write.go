package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// write makes the text of the configuration and the files with the secrets.
func (i *importer) write(files []string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "# Made by siembridge import of %s.\n", strings.Join(baseNames(files), ", "))
	if i.api == "detections" {
		b.WriteString("# The detections API is what the old connector read. Microsoft has stopped supporting it and may end it any day; to move\n" +
			"# on, grant the application SecurityAlert.Read.All of Microsoft Graph (application permission, admin consent), set api to\n" +
			"# \"graph-alerts\" and take region out. The events keep their fields.\n")
	}
	credential, err := i.credential()
	if err != nil {
		return "", err
	}
	for _, region := range i.regions() {
		i.source(&b, region, credential)
	}
	i.destination(&b)
	return b.String(), nil
}

func baseNames(files []string) []string {
	var names []string
	for _, f := range files {
		names = append(names, filepath.Base(f))
	}
	return names
}

// regions are those that become a source each; "" stands for none.
func (i *importer) regions() []string {
	switch {
	case i.api != "detections" || i.settings.Cloud != "" && i.settings.Cloud != "public":
		return []string{""}
	case i.region != "":
		return []string{i.region}
	case len(i.settings.Regions) == 0:
		return []string{""}
	}
	return i.settings.Regions
}

func (i *importer) source(b *strings.Builder, region string, credential []string) {
	name := "defender"
	if len(i.regions()) > 1 {
		name += "-" + region
	}
	b.WriteString("\n[[source]]\n")
	set(b, "name", name)
	set(b, "api", i.api)
	if i.settings.Cloud != "" && i.settings.Cloud != "public" {
		set(b, "cloud", i.settings.Cloud)
	}
	switch {
	case region != "":
		set(b, "region", region)
	case i.api == "detections" && (i.settings.Cloud == "" || i.settings.Cloud == "public"):
		b.WriteString("region = \"us\"   # not in the files: us, eu or uk, as the old address wdatp-alertexporter-...\n")
		i.absent("the region of the tenant's data, which is set to us; give --region us, eu or uk")
	}
	i.required(b, "tenant_id", i.settings.Tenant, "the tenant")
	i.required(b, "client_id", i.settings.ClientID, "the application (client) id")
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

func (i *importer) required(b *strings.Builder, key, value, what string) {
	if value == "" {
		i.absent(what)
		fmt.Fprintf(b, "# %s = \"\"   # not in the files: %s\n", key, what)
		return
	}
	set(b, key, value)
}

// credential stores the secret, or without one the refresh token, and returns the lines that name its file.
func (i *importer) credential() ([]string, error) {
	s := &i.settings
	switch {
	case s.ClientSecret != "":
		if s.RefreshToken != "" {
			fmt.Fprintln(i.errs, "note: the refresh token is not carried over: with its secret the application signs in by itself, and nothing needs renewing every 90 days")
		}
		path, err := i.store("client-secret", s.ClientSecret.Reveal())
		return []string{"client_secret_file = " + tomlString(path)}, err
	case s.RefreshToken != "":
		path, err := i.store("refresh-token", s.RefreshToken.Reveal())
		return []string{`auth = "refresh-token"`, "refresh_token_file = " + tomlString(path)}, err
	}
	i.absent("the client secret")
	return []string{`# client_secret_file = ""   # a file with the secret; it was not in the files`}, nil
}

// store writes a secret to a file of its own that only its owner can read, and returns its path. A file that is there
// with something else in it stays as it is.
func (i *importer) store(name, secret string) (string, error) {
	path, err := filepath.Abs(filepath.Join(i.secrets, "siembridge-"+name))
	if err != nil {
		return "", err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		old, readErr := os.ReadFile(path)
		if readErr == nil && bytes.Equal(bytes.TrimSpace(old), []byte(secret)) {
			return path, os.Chmod(path, 0o600)
		}
		return "", fmt.Errorf("%s is there already with another secret: move it away, or name another folder with --secrets", path)
	}
	if err != nil {
		return "", fmt.Errorf("the secret cannot be stored: %w; make the folder, or name another with --secrets", err)
	}
	_, err = f.WriteString(secret + "\n")
	if err := errors.Join(err, f.Close()); err != nil {
		return "", fmt.Errorf("the secret cannot be stored: %w; make the folder, or name another with --secrets", err)
	}
	fmt.Fprintf(i.errs, "the %s is in %s, which only its owner can read\n", strings.ReplaceAll(name, "-", " "), path)
	return path, nil
}

func (i *importer) destination(b *strings.Builder) {
	siem := i.siem
	if siem == "" {
		siem = i.settings.SIEM
	}
	if siem == "" {
		siem = "generic"
		i.absent("which SIEM this is for; give --siem")
	}
	b.WriteString("\n[[destination]]\n")
	set(b, "name", siem)
	set(b, "type", siem)
	if i.address != "" {
		set(b, "address", i.address)
	} else {
		fmt.Fprintf(b, "address = %s   # the SIEM's syslog receiver\n", strconv.Quote(siem+".example.org"))
		i.absent("the address of the SIEM's syslog receiver; give --address, or change it in the configuration")
	}
	if i.mapping == "" {
		return
	}
	if siem != "arcsight" && siem != "sentinel" {
		i.missing = true
		fmt.Fprintf(i.errs, "%s is for CEF and cannot be the mapping of a %s destination\n", i.mapping, siem)
		return
	}
	set(b, "mapping_file", i.mapping)
}
