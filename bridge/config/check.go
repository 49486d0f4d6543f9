package config

import (
	"bytes"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

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
	if len(c.Sources) == 0 && !p.given["source"] {
		p.fail("", "there is no [[source]]: add one that names what to pull")
	}
	if len(c.Destinations) == 0 && !p.given["destination"] {
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
		p.fail(at+"cert_file", "a client certificate needs both cert_file and key_file")
	}
	p.authorities(at+"ca_file", j.CAFile)
	p.keyPair("buffer.jetstream", j.CertFile, j.KeyFile)
	p.secretExists(at+"credentials_file", j.CredentialsFile)
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
	if name != "" {
		taken[name] = true
	}
}

func (p *parser) checkAdmin(c *Config) {
	if c.Admin.Listen == "" {
		return
	}
	host, port, err := net.SplitHostPort(c.Admin.Listen)
	if err != nil {
		p.fail("admin.listen", "%q is no host:port", c.Admin.Listen)
		return
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		p.fail("admin.listen", "%q: the port is a number up to 65535", c.Admin.Listen)
	}
	if !isLoopback(host) && c.Admin.TokenFile == "" {
		p.fail("admin.token_file", "needed because admin.listen %q can be reached from other machines", c.Admin.Listen)
	}
	if text, ok := p.contents("admin.token_file", c.Admin.TokenFile); ok && len(bytes.TrimSpace(text)) == 0 {
		p.fail("admin.token_file", "%s is empty; write a token into it", c.Admin.TokenFile)
	}
}

func (p *parser) checkSource(s *Source, at string) {
	if s.PollInterval < time.Second {
		p.fail(at+".poll_interval", "at least 1s, not %s", s.PollInterval)
	}
	if s.Lookback > 7*24*time.Hour {
		p.fail(at+".lookback", "at most 7d, not %s", s.Lookback)
	}
	if _, err := ParseStart(s.Start, time.Now()); err != nil {
		p.fail(at+".start", "%q: %v", s.Start, err)
	}
	if s.Hostname != "" {
		if err := syslog.CheckHostname(s.Hostname); err != nil {
			p.fail(at+".hostname", "%v", err)
		}
	}
	p.authorities(at+".ca_file", s.CAFile)
	if s.API == "file" {
		if s.Path == "" {
			p.fail(at+".path", "api = \"file\" needs a path, a glob, or \"-\" for standard input")
		} else if _, err := filepath.Match(s.Path, "x"); err != nil {
			p.fail(at+".path", "%q is no pattern: close each [, or put a \\ before it", s.Path)
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
		// The address is not shown: it may hold a password.
		u, err := url.Parse(s.ProxyURL)
		switch {
		case err != nil || u.Hostname() == "":
			p.fail(at+".proxy_url", "this is no address of a proxy: write it like http://proxy.example.org:3128, and in a password @ as %%40")
		case !slices.Contains(proxySchemes, u.Scheme):
			p.fail(at+".proxy_url", "a proxy's address begins with one of %s, not with %q", strings.Join(proxySchemes, ", "), u.Scheme)
		}
	}
}

// proxySchemes are those that net/http speaks to.
var proxySchemes = []string{"http", "https", "socks5", "socks5h"}

// url checks an address that overrides Microsoft's: tokens go there, so plain HTTP is for this machine only.
func (p *parser) url(at, text string) {
	if text == "" {
		return
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https": // not shown: it may hold a password
		p.fail(at, "this is no http(s) address: write it like https://graph.microsoft.com")
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
