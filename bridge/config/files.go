package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
)

// fileExists checks that a file that must be there is there. There is none to be for "".
func (p *parser) fileExists(at, path string) bool {
	if path == "" {
		return false
	}
	info, err := os.Stat(path)
	if err != nil {
		p.fail(at, "%v; correct the path, or put the file there", err)
		return false
	}
	if info.IsDir() {
		p.fail(at, "%s is a folder; name the file in it", path)
		return false
	}
	return true
}

// secretExists is fileExists for a file with a secret. A path that is none is not shown: it may be the secret itself,
// written into the wrong key.
func (p *parser) secretExists(at, path string) {
	if path == "" {
		return
	}
	if _, err := os.Stat(path); err != nil {
		p.fail(at, "%v; correct the path, or put the file there", errors.Unwrap(err))
		return
	}
	p.fileExists(at, path)
}

// secretMode warns of a secret that every user of this machine can read.
func (p *parser) secretMode(at, path string) {
	if path == "" {
		return
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o004 != 0 {
		p.warn(at, "every user of this machine can read %s: chmod 600 it", path)
	}
}

// contents reads a file that must be there; false when there is none, or when that was a mistake.
func (p *parser) contents(at, path string) ([]byte, bool) {
	if !p.fileExists(at, path) {
		return nil, false
	}
	text, err := os.ReadFile(path)
	if err != nil {
		p.fail(at, "%v; let the user that siembridge runs as read it", err)
	}
	return text, err == nil
}

// authorities checks that a file holds the certificate of an authority.
func (p *parser) authorities(at, path string) {
	if pem, ok := p.contents(at, path); ok && !x509.NewCertPool().AppendCertsFromPEM(pem) {
		p.fail(at, "%s holds no certificate in PEM form; name a file with the authority's", path)
	}
}

// keyPair checks a client certificate and its key.
func (p *parser) keyPair(table, cert, key string) {
	certThere, keyThere := p.fileExists(table+".cert_file", cert), p.fileExists(table+".key_file", key)
	if !certThere || !keyThere {
		return
	}
	if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
		p.fail(table+".cert_file", "%v; name a certificate there, and its key in key_file, both in PEM form", err)
	}
}
