package config

import (
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/siembridge/siembridge/bridge/delivery"
	"github.com/siembridge/siembridge/bridge/syslog"
)

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
			p.fail(at+"."+key, "from 100ms to 24h, not %s", v)
		}
	}
	if d.Heartbeat != 0 && (d.Heartbeat < 10*time.Second || d.Heartbeat > 24*time.Hour) {
		p.fail(at+".heartbeat", "from 10s to 24h, or \"\" for none, not %s", d.Heartbeat)
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
	p.authorities(at+".tls.ca_file", t.CAFile)
	p.keyPair(at+".tls", t.CertFile, t.KeyFile)
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
