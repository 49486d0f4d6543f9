package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/siembridge/siembridge/bridge/delivery"
	"github.com/siembridge/siembridge/bridge/syslog"
	"github.com/siembridge/siembridge/formats/defender"
)

// namePattern keeps names fit for metrics, logs and file names.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// check holds a decoded configuration against what its keys mean together.
func (p *parser) check(c *Config) {
	p.checkJetStream(c)
	if c.StateDir == "" {
		p.fail("state_dir", "name a folder for the buffer")
	}
	if c.Buffer.MaxSize < 16<<20 {
		p.fail("buffer.max_size", "at least 16MiB, not %s", c.Buffer.MaxSize)
	}
	p.checkAdmin(c)
	if len(c.Sources) == 0 {
		p.fail("", "there is no [[source]]: add one that names what to pull")
	}
	if len(c.Destinations) == 0 {
		p.fail("", "there is no [[destination]]: add one that names where events go")
	}
	names := map[string]bool{}
	for i := range c.Sources {
		at := "source[" + strconv.Itoa(i) + "]"
		p.name(at, "source", c.Sources[i].Name, names)
		p.checkSource(&c.Sources[i], at)
	}
	taken := map[string]bool{}
	encoders := make([]Encoder, len(c.Destinations))
	for i := range c.Destinations {
		at := "destination[" + strconv.Itoa(i) + "]"
		p.name(at, "destination", c.Destinations[i].Name, taken)
		p.checkDestination(&c.Destinations[i], at, names)
		encoders[i] = p.checkMapping(&c.Destinations[i], at)
	}
	p.checkSourceFields(c, encoders)
	p.warnSameAlerts(c)
}

// checkJetStream checks [buffer.jetstream] where it is used.
func (p *parser) checkJetStream(c *Config) {
	if c.Buffer.Type != "jetstream" {
		return
	}
	j := &c.Buffer.JetStream
	const at = "buffer.jetstream."
	if len(j.URLs) == 0 {
		p.fail(at+"urls", "name the servers, as in [\"tls://nats-1.example.org:4222\", \"tls://nats-2.example.org:4222\"]")
	}
	for _, u := range j.URLs {
		if parsed, err := url.Parse(u); err != nil || parsed.Host == "" || parsed.Scheme != "nats" && parsed.Scheme != "tls" {
			p.fail(at+"urls", "a server is nats://host:port or tls://host:port")
		} else if parsed.User != nil {
			p.fail(at+"urls", "a user or token does not belong here: it would be shown with the address; use credentials_file, or a client certificate")
		}
	}
	if j.Replicas != 1 && j.Replicas != 3 && j.Replicas != 5 {
		p.fail(at+"replicas", "%d: 3 outlive one server, 5 two, 1 none; other numbers outlive no more than the one below", j.Replicas)
	}
	if (j.CertFile == "") != (j.KeyFile == "") {
		p.fail(at+"cert_file", "cert_file and key_file belong together")
	}
}

func (p *parser) name(at, what, name string, taken map[string]bool) {
	switch {
	case name == "":
		p.fail(at+".name", "each %s needs a name", what)
	case !namePattern.MatchString(name):
		p.fail(at+".name", "%q: a name has letters, digits, dots, dashes and underscores, at most 64", name)
	case taken[name]:
		p.fail(at+".name", "another %s has the name %q already", what, name)
	}
	taken[name] = true
}

func (p *parser) checkAdmin(c *Config) {
	if c.Admin.Listen == "" {
		return
	}
	host, _, err := net.SplitHostPort(c.Admin.Listen)
	if err != nil {
		p.fail("admin.listen", "%q is no host:port", c.Admin.Listen)
		return
	}
	if !isLoopback(host) && c.Admin.TokenFile == "" {
		p.fail("admin.token_file", "needed because admin.listen %q can be reached from other machines", c.Admin.Listen)
	}
	p.fileExists("admin.token_file", c.Admin.TokenFile)
}

func (p *parser) checkSource(s *Source, at string) {
	if s.PollInterval < time.Second {
		p.fail(at+".poll_interval", "at least 1s")
	}
	if s.Lookback > 7*24*time.Hour {
		p.fail(at+".lookback", "at most 7d")
	}
	if _, err := ParseStart(s.Start, time.Now()); err != nil {
		p.fail(at+".start", "%q: %v", s.Start, err)
	}
	if s.Hostname != "" {
		if err := syslog.CheckHostname(s.Hostname); err != nil {
			p.fail(at+".hostname", "%v", err)
		}
	}
	p.fileExists(at+".ca_file", s.CAFile)
	if s.API == "file" {
		if s.Path == "" {
			p.fail(at+".path", "api = \"file\" needs a path, a glob, or \"-\" for standard input")
		}
		return
	}
	if s.Path != "" {
		p.fail(at+".path", "only api = \"file\" has a path")
	}
	p.checkCredential(s, at)
	p.url(at+".endpoint", s.Endpoint)
	p.url(at+".token_url", s.TokenURL)
	if s.ProxyURL != "" {
		if u, err := url.Parse(s.ProxyURL); err != nil || u.Host == "" {
			p.fail(at+".proxy_url", "%q is no address of a proxy", s.ProxyURL)
		}
	}
}

// fileExists checks that a file that must be there is there.
func (p *parser) fileExists(at, path string) {
	if path == "" {
		return
	}
	if info, err := os.Stat(path); err != nil {
		p.fail(at, "%v; correct the path, or put the file there", err)
	} else if info.IsDir() {
		p.fail(at, "%s is a folder; name the file in it", path)
	}
}

// url checks an address that overrides Microsoft's: tokens go there, so plain HTTP is for this machine only.
func (p *parser) url(at, text string) {
	if text == "" {
		return
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		p.fail(at, "%q is no http(s) address", text)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		p.fail(at, "give scheme, host and path only")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		p.fail(at, "%q would send credentials in the clear: use https; http:// is for this machine only", text)
	}
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

func (p *parser) checkDestination(d *Destination, at string, sources map[string]bool) {
	if len(d.Address) == 0 {
		p.fail(at+".address", "needed: host:port of the receiver, or a list of them")
	}
	for i, a := range d.Address {
		full, err := withPort(a, defaultPort(d))
		if err != nil {
			p.fail(at+".address", "%q: %v", a, err)
			continue
		}
		d.Address[i] = full
	}
	for _, name := range d.Sources {
		if !sources[name] {
			p.fail(at+".sources", "%v", NotNamed("source", name, sortedKeys(sources)))
		}
	}
	if d.Delimiter != "0x09" && d.Format != "leef:2.0" {
		p.fail(at+".delimiter", "only leef:2.0 has a delimiter of its own")
	}
	if d.MaxLength < 1024 || d.MaxLength > 1<<20 {
		p.fail(at+".max_length", "from 1024 to 1048576 bytes, not %d", d.MaxLength)
	}
	if d.ConfirmBytes < 64<<10 || d.ConfirmBytes > 256<<20 {
		p.fail(at+".confirm_bytes", "from 64KiB to 256MiB, not %s", d.ConfirmBytes)
	}
	for key, v := range map[string]time.Duration{"confirm_interval": d.ConfirmInterval, "confirm_timeout": d.ConfirmTimeout, "connect_timeout": d.ConnectTimeout} {
		if v < 100*time.Millisecond || v > 24*time.Hour {
			p.fail(at+"."+key, "from 100ms to 24h")
		}
	}
	if d.Heartbeat != 0 && (d.Heartbeat < 10*time.Second || d.Heartbeat > 24*time.Hour) {
		p.fail(at+".heartbeat", "from 10s to 24h, or \"\" for none")
	}
	if _, err := syslog.ParseFacility(d.Facility); err != nil {
		p.fail(at+".facility", "%v", err)
	}
	if err := syslog.CheckAppName(d.AppName); err != nil {
		p.fail(at+".app_name", "%v", err)
	}
	if d.Hostname != "" {
		if err := syslog.CheckHostname(d.Hostname); err != nil {
			p.fail(at+".hostname", "%v", err)
		}
	}
	if d.Filter != "" {
		if _, err := delivery.NewFilter(d.Filter); err != nil {
			p.fail(at+".filter", "%v; siembridge mapping --format json lists the fields", err)
		}
	}
	p.checkTLS(d, at)
}

var fingerprintPattern = regexp.MustCompile(`^[0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2}){31}$`)

func (p *parser) checkTLS(d *Destination, at string) {
	t := &d.TLS
	if d.Transport != "tls" {
		if p.given[at+".tls"] {
			p.fail(at+".tls", "transport = %q uses no TLS: set transport = \"tls\" or take this table out", d.Transport)
		}
		return
	}
	if (t.CertFile == "") != (t.KeyFile == "") {
		p.fail(at+".tls.cert_file", "a client certificate needs both cert_file and key_file")
	}
	p.fileExists(at+".tls.ca_file", t.CAFile)
	p.fileExists(at+".tls.cert_file", t.CertFile)
	p.fileExists(at+".tls.key_file", t.KeyFile)
	if t.Fingerprint != "" && !fingerprintPattern.MatchString(t.Fingerprint) {
		p.fail(at+".tls.fingerprint", "a SHA-256 fingerprint has 64 hexadecimal digits, colons allowed between pairs")
	}
	if t.InsecureSkipVerify {
		p.warn(at+".tls.insecure_skip_verify", "anybody between here and the receiver can read and take the events: use ca_file or fingerprint")
	}
}

// withPort completes an address by a port.
func withPort(address, port string) (string, error) {
	host, given, err := net.SplitHostPort(address)
	if err != nil {
		if strings.Count(address, ":") > 1 && !strings.HasPrefix(address, "[") {
			return "", fmt.Errorf("write an IPv6 address in brackets, like [2001:db8::1]:%s", port)
		}
		host, given = strings.Trim(address, "[]"), port
	}
	if host == "" || strings.ContainsAny(host, " /") {
		return "", fmt.Errorf("write it like siem.example.org:%s", port)
	}
	if n, err := strconv.Atoi(given); err != nil || n < 1 || n > 65535 {
		return "", fmt.Errorf("the port is a number from 1 to 65535")
	}
	return net.JoinHostPort(host, given), nil
}

// warnSameAlerts warns of two sources of one tenant that bring the same alerts to one destination.
func (p *parser) warnSameAlerts(c *Config) {
	for _, d := range c.Destinations {
		first := map[string]string{}
		for i, s := range c.Sources {
			if !defender.CarriesAlerts(defender.API(s.API)) || len(d.Sources) > 0 && !slices.Contains(d.Sources, s.Name) {
				continue
			}
			if other, ok := first[s.TenantID]; ok && s.TenantID != "" {
				p.warn("source["+strconv.Itoa(i)+"].api", "%s and %s bring the same alerts of one tenant to destination %s", other, s.Name, d.Name)
				continue
			}
			first[s.TenantID] = s.Name
		}
	}
}
