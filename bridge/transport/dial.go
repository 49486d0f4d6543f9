package transport

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options say how to connect.
type Options struct {
	ConnectTimeout time.Duration // for TCP and TLS together; 0: 10 s
	TLS            *TLS          // nil: plain TCP
}

// TLS says whom to trust and who we are.
type TLS struct {
	CAFile             string // PEM; "": the system's
	CertFile, KeyFile  string // client certificate, PEM; read again when a file changes
	ServerName         string // "": the host of the address
	Fingerprint        string // hexadecimal SHA-256 of the peer's certificate, instead of CA and name
	MinVersion         string // "1.2" or "1.3"; "": 1.2
	InsecureSkipVerify bool   // trusts anybody; for tests
}

// Dialer opens connections. It may be used by several goroutines.
type Dialer struct {
	timeout time.Duration
	tls     *tls.Config // nil: plain TCP
	pair    *certificateFiles

	peerEnds atomic.Int64 // of the certificate last seen, as Unix time; 0: none yet
}

// sessions is how many addresses' TLS sessions are kept for resumption.
const sessions = 16

// NewDialer reads the files of o once, so that a mistake in them shows at the start.
func NewDialer(o Options) (*Dialer, error) {
	d := &Dialer{timeout: o.ConnectTimeout}
	if d.timeout <= 0 {
		d.timeout = 10 * time.Second
	}
	if o.TLS == nil {
		return d, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: o.TLS.ServerName, InsecureSkipVerify: o.TLS.InsecureSkipVerify,
		ClientSessionCache: tls.NewLRUClientSessionCache(sessions)}
	if o.TLS.MinVersion == "1.3" {
		c.MinVersion = tls.VersionTLS13
	}
	if o.TLS.CAFile != "" {
		pem, err := os.ReadFile(o.TLS.CAFile)
		if err != nil {
			return nil, fmt.Errorf("tls.ca_file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.ca_file: %s holds no certificate in PEM form; name a file with the authority's", o.TLS.CAFile)
		}
	}
	if o.TLS.CertFile != "" {
		pair := &certificateFiles{cert: o.TLS.CertFile, key: o.TLS.KeyFile}
		if err := pair.load(); err != nil {
			return nil, fmt.Errorf("tls.cert_file: %w; name a certificate there, and its key in tls.key_file, both in PEM form", err)
		}
		d.pair = pair
	}
	if o.TLS.Fingerprint != "" {
		want, err := hex.DecodeString(strings.ReplaceAll(o.TLS.Fingerprint, ":", ""))
		if err != nil || len(want) != sha256.Size {
			return nil, errors.New("tls.fingerprint: not a SHA-256 in hexadecimal digits")
		}
		c.InsecureSkipVerify = true // VerifyConnection decides instead, on every handshake, resumed ones too
		c.VerifyConnection = func(s tls.ConnectionState) error {
			got := sha256.Sum256(s.PeerCertificates[0].Raw)
			if !bytes.Equal(got[:], want) {
				return &fingerprintError{hex.EncodeToString(got[:])}
			}
			return nil
		}
	}
	d.tls = c
	return d, nil
}

// Dial connects to host:port. resolved is the address of an earlier Conn to use in place of looking the host up; "":
// look it up. Its errors are worded for the operator.
func (d *Dialer) Dial(ctx context.Context, address, resolved string) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	to := resolved
	if to == "" {
		to = address
	}
	nd := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 6}}
	c, err := nd.DialContext(ctx, "tcp", to)
	if err != nil {
		return nil, explain(address, err)
	}
	tcp := &countingConn{Conn: c}
	if d.tls == nil {
		return newConn(address, tcp, nil), nil
	}
	config := d.tls.Clone()
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(address)
	}
	if d.pair != nil {
		if err := d.pair.use(config); err != nil {
			_ = c.Close()
			return nil, &DialError{address, "the client certificate cannot be read: " + err.Error(), "mend tls.cert_file and tls.key_file", err}
		}
	}
	secure := tls.Client(tcp, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = c.Close()
		return nil, explainHandshake(address, err)
	}
	d.peerEnds.Store(secure.ConnectionState().PeerCertificates[0].NotAfter.Unix())
	return newConn(address, tcp, secure), nil
}

// CertificateEnds returns when the receiver's certificate, as last seen, and our client certificate end; zero: there is
// none, or it was not seen yet.
func (d *Dialer) CertificateEnds() (peer, own time.Time) {
	if end := d.peerEnds.Load(); end != 0 {
		peer = time.Unix(end, 0).UTC()
	}
	if d.pair != nil {
		own = d.pair.ends()
	}
	return peer, own
}

// certificateFiles is a client certificate that is read again when one of its files changes.
type certificateFiles struct {
	cert, key string

	mu       sync.Mutex
	loaded   *tls.Certificate
	sessions tls.ClientSessionCache // made with loaded: a resumed session keeps the certificate it began with
	stamp    [2]time.Time
}

// use makes config connect with the certificate as it is now.
func (f *certificateFiles) use(config *tls.Config) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.load(); err != nil {
		return err
	}
	loaded := f.loaded
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return loaded, nil }
	config.ClientSessionCache = f.sessions
	return nil
}

func (f *certificateFiles) ends() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.loaded.Leaf.NotAfter
}

// load reads the files if they have changed. While they do not fit each other, being half-written, the pair read
// before goes on.
func (f *certificateFiles) load() error {
	var stamp [2]time.Time
	for i, path := range []string{f.cert, f.key} {
		st, err := os.Stat(path)
		if err != nil && f.loaded == nil {
			return err
		}
		if err == nil {
			stamp[i] = st.ModTime()
		}
	}
	if f.loaded != nil && stamp == f.stamp {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		if f.loaded != nil {
			return nil
		}
		return err
	}
	f.loaded, f.stamp, f.sessions = &pair, stamp, tls.NewLRUClientSessionCache(sessions)
	return nil
}
