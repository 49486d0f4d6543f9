package transport_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/siembridge/siembridge/bridge/emulator"
	"github.com/siembridge/siembridge/bridge/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve accepts one connection after another and gives each to handle; everything ends with the test.
func serve(t *testing.T, config *tls.Config, handle func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if config != nil {
				c = tls.Server(c, config)
			}
			handle(c)
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

// readAll is a receiver that reads to the end and closes, as syslog daemons do.
func readAll(c net.Conn) {
	_, _ = io.Copy(io.Discard, c)
	_ = c.Close()
}

func dial(t *testing.T, o transport.Options, address string) *transport.Conn {
	t.Helper()
	c, err := connect(t, o, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func connect(t *testing.T, o transport.Options, address string) (*transport.Conn, error) {
	t.Helper()
	d, err := transport.NewDialer(o)
	if err != nil {
		t.Fatal(err)
	}
	return d.Dial(context.Background(), address, "")
}

// authority is a CA in a file, and a server's configuration that it has signed.
type authority struct {
	*emulator.CA
	file string
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	ca, err := emulator.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	return authority{ca, write(t, "ca.pem", ca.PEM())}
}

func write(t *testing.T, name string, content []byte) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (a authority) server(t *testing.T, until time.Time, names ...string) *tls.Config {
	t.Helper()
	cert, key, err := a.Issue(until, names...)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}}
}

func tomorrow() time.Time { return time.Now().Add(24 * time.Hour) }

// TestEnds: how the peer's side ends is told apart, over TCP and under TLS.
func TestEnds(t *testing.T) {
	ca := newAuthority(t)
	reset := func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1))
		raw := c
		if s, ok := c.(*tls.Conn); ok {
			raw = s.NetConn()
		}
		_ = raw.(*net.TCPConn).SetLinger(0)
		_ = raw.Close()
	}
	for name, with := range map[string]struct {
		handle func(net.Conn)
		want   transport.EndKind
	}{
		"reads all and closes":   {readAll, transport.EndFIN},
		"closes at once, unread": {reset, transport.EndRST},
		"closes without close_notify": {func(c net.Conn) {
			_, _ = io.Copy(io.Discard, c)
			if s, ok := c.(*tls.Conn); ok {
				c = s.NetConn()
			}
			_ = c.Close()
		}, transport.EndFIN},
		"answers before it closes": {func(c net.Conn) {
			_, _ = c.Write([]byte(strings.Repeat("220 welcome\r\n", 1000)))
			readAll(c)
		}, transport.EndFIN},
	} {
		for _, secure := range []bool{false, true} {
			t.Run(name+map[bool]string{true: " TLS", false: " TCP"}[secure], func(t *testing.T) {
				var config *tls.Config
				o := transport.Options{}
				if secure {
					config = ca.server(t, tomorrow(), "127.0.0.1")
					o.TLS = &transport.TLS{CAFile: ca.file}
				}
				c := dial(t, o, serve(t, config, with.handle))
				sent := strings.Repeat("x", 100000)
				_, werr := c.Write([]byte(sent))
				if werr == nil {
					_ = c.HalfClose()
				}
				end := <-c.Ended()
				if end.Kind != with.want {
					t.Fatalf("ended with %d (%v), want %d", end.Kind, end.Err, with.want)
				}
				if with.want != transport.EndFIN {
					if strings.Contains(end.Err.Error(), "127.0.0.1:") {
						t.Errorf("%q names a port: the same fault would read differently each time", end.Err)
					}
					return
				}
				if c.Written() < int64(len(sent)) {
					t.Errorf("wrote %d bytes, want at least %d", c.Written(), len(sent))
				}
				if acked, ok := c.Acked(); ok && acked < c.Written() {
					t.Errorf("%d of %d bytes are acknowledged although everything was read", acked, c.Written())
				}
			})
		}
	}
}

// TestCloseNotifyUnanswered: a peer that has read everything, close_notify too, and answers nothing has not ended its
// side: nothing is reported, whatever its TCP has acknowledged, until we close.
func TestCloseNotifyUnanswered(t *testing.T) {
	ca := newAuthority(t)
	read, leave := make(chan int64), make(chan struct{})
	address := serve(t, ca.server(t, tomorrow(), "127.0.0.1"), func(c net.Conn) {
		n, err := io.Copy(io.Discard, c) // ends with close_notify
		if err != nil {
			t.Error(err)
		}
		read <- n
		<-leave
		_ = c.(*tls.Conn).NetConn().Close()
	})
	c := dial(t, transport.Options{TLS: &transport.TLS{CAFile: ca.file}}, address)
	sent := strings.Repeat("x", 100000)
	if _, err := c.Write([]byte(sent)); err != nil {
		t.Fatal(err)
	}
	if err := c.HalfClose(); err != nil {
		t.Fatal(err)
	}
	if n := <-read; n != int64(len(sent)) {
		t.Errorf("%d bytes were read", n)
	}
	for { // the FIN, too, is acknowledged in a moment
		if unanswered, ok := c.Unanswered(); !unanswered || !ok {
			break
		}
		runtime.Gosched()
	}
	select {
	case end := <-c.Ended():
		t.Errorf("ended with %d (%v) before the peer has", end.Kind, end.Err)
	default:
	}
	c.Close()
	if end := <-c.Ended(); end.Kind == transport.EndFIN {
		t.Error("our own close counts as the peer's")
	}
	close(leave)
}

// TestWriteEndsWithClose: a peer that reads nothing holds Write up until Close.
func TestWriteEndsWithClose(t *testing.T) {
	hold := make(chan struct{})
	address := serve(t, nil, func(c net.Conn) { <-hold; _ = c.Close() })
	c := dial(t, transport.Options{}, address)
	wrote := make(chan error)
	go func() { _, err := c.Write(make([]byte, 64<<20)); wrote <- err }()
	c.Close()
	if err := <-wrote; !errors.Is(err, net.ErrClosed) && err == nil {
		t.Errorf("64 MiB were taken by a peer that reads nothing")
	}
	if end := <-c.Ended(); end.Kind != transport.EndLost {
		t.Errorf("ended with %d, want lost", end.Kind)
	}
	// What was acknowledged is still known, where the system tells: else all that was written would count as such.
	if acked, ok := c.Acked(); ok != (runtime.GOOS == "linux") || acked >= 64<<20 {
		t.Errorf("%d bytes are acknowledged (%v) by a peer that reads nothing", acked, ok)
	}
	close(hold)
}

// TestRefusals: whatever keeps a connection from being made is told with its remedy.
func TestRefusals(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	good := ca.server(t, tomorrow(), "127.0.0.1")
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	trusting := transport.Options{TLS: &transport.TLS{CAFile: ca.file}}
	print := sha256.Sum256(good.Certificates[0].Certificate[0])
	for name, with := range map[string]struct {
		o       transport.Options
		address string
		says    string // "": connects
		remedy  string
	}{
		"nobody listens":      {transport.Options{}, closed.Addr().String(), "connection refused", "listens on this port"},
		"no such host":        {transport.Options{}, "siem.invalid:6514", "no such host: siem.invalid", "DNS"},
		"plain text for TLS":  {trusting, serve(t, nil, func(c net.Conn) { _, _ = c.Write([]byte("220 plain\r\n")); readAll(c) }), "speaks no TLS", `transport = "tcp"`},
		"another authority":   {transport.Options{TLS: &transport.TLS{CAFile: other.file}}, serve(t, good, readAll), "not trusted here", "tls.ca_file"},
		"the system's alone":  {transport.Options{TLS: &transport.TLS{}}, serve(t, good, readAll), "not trusted here", "tls.ca_file"},
		"another name":        {transport.Options{TLS: &transport.TLS{CAFile: ca.file, ServerName: "siem.example"}}, serve(t, good, readAll), "for another name", "tls.server_name"},
		"expired":             {trusting, serve(t, ca.server(t, time.Now().Add(-time.Hour), "127.0.0.1"), readAll), "has expired", "renew it"},
		"another fingerprint": {transport.Options{TLS: &transport.TLS{Fingerprint: strings.Repeat("0f", 32)}}, serve(t, good, readAll), hex.EncodeToString(print[:]), "tls.fingerprint"},
		"its fingerprint":     {transport.Options{TLS: &transport.TLS{Fingerprint: strings.ToUpper(hex.EncodeToString(print[:]))}}, serve(t, good, readAll), "", ""},
		"not verified":        {transport.Options{TLS: &transport.TLS{InsecureSkipVerify: true}}, serve(t, good, readAll), "", ""},
		"TLS 1.3 is wanted": {transport.Options{TLS: &transport.TLS{CAFile: ca.file, MinVersion: "1.3"}}, serve(t, func() *tls.Config {
			c := good.Clone()
			c.MaxVersion = tls.VersionTLS12
			return c
		}(), readAll), "protocol version", "tls.min_version"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := connect(t, with.o, with.address)
			if with.says == "" {
				if err != nil {
					t.Fatal(err)
				}
				_ = c.HalfClose()
				<-c.Ended()
				c.Close()
				return
			}
			if err == nil {
				c.Close()
				t.Fatal("connected")
			}
			if text := err.Error(); !strings.HasPrefix(text, with.address) || !strings.Contains(text, with.says) || !strings.Contains(text, with.remedy) {
				t.Errorf("%q\nshould name %s, say %q and help with %q", text, with.address, with.says, with.remedy)
			}
		})
	}
}

// TestClientCertificate: under TLS 1.2 the receiver refuses in the handshake, under 1.3 only after it.
func TestClientCertificate(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	files := func(a authority) (cert, key string) {
		c, k, err := a.Issue(tomorrow(), "siembridge")
		if err != nil {
			t.Fatal(err)
		}
		return write(t, "cert.pem", c), write(t, "key.pem", k)
	}
	for version, number := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		config := ca.server(t, tomorrow(), "127.0.0.1")
		config.ClientAuth, config.ClientCAs, config.MaxVersion = tls.RequireAndVerifyClientCert, ca.Pool(), number
		address := serve(t, config, readAll)
		for name, a := range map[string]*authority{"none": nil, "of another authority": &other, "good": &ca} {
			t.Run("TLS "+version+" "+name, func(t *testing.T) {
				o := transport.Options{TLS: &transport.TLS{CAFile: ca.file}}
				if a != nil {
					o.TLS.CertFile, o.TLS.KeyFile = files(*a)
				}
				c, err := connect(t, o, address)
				if err == nil {
					defer c.Close()
					_ = c.HalfClose()
					end := <-c.Ended()
					if name == "good" && end.Kind == transport.EndFIN {
						return
					}
					err = end.Err
				}
				if name == "good" {
					t.Fatal(err)
				}
				if err == nil || !strings.Contains(err.Error(), "client certificate") {
					t.Errorf("%v: does not speak of a client certificate", err)
				}
			})
		}
	}
}

// TestCertificateRenewed: a client certificate that was renewed on disk is used without a restart; a half-written one
// is not.
func TestCertificateRenewed(t *testing.T) {
	ca := newAuthority(t)
	seen := make(chan string, 1)
	config := ca.server(t, tomorrow(), "127.0.0.1")
	config.ClientAuth = tls.RequireAnyClientCert
	address := serve(t, config, func(c net.Conn) {
		_, _ = io.Copy(io.Discard, c)
		seen <- c.(*tls.Conn).ConnectionState().PeerCertificates[0].DNSNames[0]
		_ = c.Close()
	})
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	stamp := time.Now().Add(-time.Hour)
	put := func(name string, keyToo bool) {
		cert, key, err := ca.Issue(tomorrow(), name)
		if err != nil {
			t.Fatal(err)
		}
		files := map[string][]byte{certFile: cert}
		if keyToo {
			files[keyFile] = key
		}
		stamp = stamp.Add(time.Minute)
		for path, content := range files {
			if err := errors.Join(os.WriteFile(path, content, 0o600), os.Chtimes(path, stamp, stamp)); err != nil {
				t.Fatal(err)
			}
		}
	}
	put("first", true)
	d, err := transport.NewDialer(transport.Options{TLS: &transport.TLS{CAFile: ca.file, CertFile: certFile, KeyFile: keyFile}})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		put     string
		keyToo  bool
		used    string
		comment string
	}{{"", false, "first", "as loaded"}, {"second", true, "second", "renewed"}, {"third", false, "second", "half-written"}, {"fourth", true, "fourth", "complete"}} {
		if step.put != "" {
			put(step.put, step.keyToo)
		}
		c, err := d.Dial(context.Background(), address, "")
		if err != nil {
			t.Fatal(err)
		}
		_ = c.HalfClose()
		<-c.Ended()
		c.Close()
		if got := <-seen; got != step.used {
			t.Errorf("%s: used the certificate of %s, want %s", step.comment, got, step.used)
		}
	}
}

// TestFiles: a mistake in the files shows when the dialer is made, and names the key of the config.
func TestFiles(t *testing.T) {
	empty := write(t, "empty.pem", pem.EncodeToMemory(&pem.Block{Type: "NOTHING"}))
	for name, with := range map[string]struct {
		o    transport.TLS
		says string
	}{
		"no CA file":       {transport.TLS{CAFile: "absent.pem"}, "tls.ca_file: open absent.pem"},
		"no certificate":   {transport.TLS{CAFile: empty}, "holds no certificate"},
		"no client key":    {transport.TLS{CertFile: empty, KeyFile: "absent.pem"}, "tls.cert_file"},
		"bad fingerprint":  {transport.TLS{Fingerprint: "12:34"}, "tls.fingerprint"},
		"not a client key": {transport.TLS{CertFile: empty, KeyFile: empty}, "tls.cert_file"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := transport.NewDialer(transport.Options{TLS: &with.o}); err == nil || !strings.Contains(err.Error(), with.says) {
				t.Errorf("%v, want %q", err, with.says)
			}
		})
	}
}

// TestDialStops: a dial ends with its context and within the time to connect.
func TestDialStops(t *testing.T) {
	never := make(chan struct{})
	address := serve(t, nil, func(c net.Conn) { <-never; _ = c.Close() }) // takes connections and never speaks TLS
	defer close(never)
	d, err := transport.NewDialer(transport.Options{ConnectTimeout: 50 * time.Millisecond, TLS: &transport.TLS{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Dial(context.Background(), address, ""); err == nil || !strings.Contains(err.Error(), "does not answer the TLS handshake") {
		t.Errorf("%v, want that it does not answer", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := d.Dial(ctx, address, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want the end of the context", err)
	}
}
