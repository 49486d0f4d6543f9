package jetstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/buffertest"
	"github.com/siembridge/siembridge/bridge/emulator"
)

// TestTLS: a server that asks for a client certificate gets it; a server that is not trusted gets nothing.
func TestTLS(t *testing.T) {
	ca, err := emulator.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cert, key, err := ca.Issue(time.Now().Add(time.Hour), "localhost", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Replicas: 1, CAFile: write("ca.pem", ca.PEM()), CertFile: write("cert.pem", cert), KeyFile: write("key.pem", key)}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(ca.PEM())
	s := serveWith(t, &server.Options{TLS: true, TLSTimeout: 5,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: trusted, ClientAuth: tls.RequireAndVerifyClientCert}})
	o.URLs = []string{strings.Replace(s.ClientURL(), "nats://", "tls://", 1)}
	b, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	o.CAFile = ""
	if _, err := Open(o); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Fatalf("a server that nobody knows: %v", err)
	}
}

// TestAway: while the server is away an Append says so, and afterwards the same one is stored once.
func TestAway(t *testing.T) {
	s := serve(t)
	where := s.StoreDir()
	port := s.Addr().String()
	b, err := Open(Options{URLs: []string{s.ClientURL()}, Replicas: 1, Beat: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	q, err := b.Queue(buffer.Destination{Name: "d"})
	if err != nil {
		t.Fatal(err)
	}
	batch := buffer.Batch{Source: "s", Records: []buffer.Record{{Key: "k", Raw: []byte("{}")}}, Checkpoint: []byte("c")}
	s.Shutdown()
	s.WaitForShutdown()
	if _, err := b.Append(t.Context(), batch); !errors.Is(err, ErrAway) {
		t.Fatalf("Append to a server that is away: %v", err)
	}
	if since, cause := b.Away(); since.IsZero() || cause == "" {
		t.Fatal("it is not said that the server is away")
	}
	serveAt(t, where, port)
	for {
		o, err := b.Append(t.Context(), batch)
		if err == nil {
			if o.New+o.Known != 1 {
				t.Fatalf("outcome %+v", o)
			}
			break
		}
		if !errors.Is(err, ErrAway) {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if records, err := buffertest.Take(ctx, q, 10, 1<<20); err != nil || len(records) != 1 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	if p := q.Pending(); p.Records != 1 {
		t.Fatalf("pending %+v", p)
	}
}

// TestCredentials: an account of its own, and a .creds file of one of its users, as nsc makes them, is all that siembridge
// needs of servers that serve others, too.
func TestCredentials(t *testing.T) {
	pair := func(kp nkeys.KeyPair, err error) (nkeys.KeyPair, string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		public, err := kp.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		return kp, public
	}
	signed := func(claims jwt.Claims, by nkeys.KeyPair) string {
		t.Helper()
		token, err := claims.Encode(by)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	operator, operatorID := pair(nkeys.CreateOperator())
	_, systemID := pair(nkeys.CreateAccount())
	trusted := jwt.NewOperatorClaims(operatorID)
	trusted.SystemAccount = systemID
	signed(trusted, operator)
	known := &server.MemAccResolver{}
	account := func(id string, limits jwt.JetStreamLimits) {
		claims := jwt.NewAccountClaims(id)
		claims.Limits.JetStreamLimits = limits
		if err := known.Store(id, signed(claims, operator)); err != nil {
			t.Fatal(err)
		}
	}
	account(systemID, jwt.JetStreamLimits{})
	s := serveWith(t, &server.Options{TrustedOperators: []*jwt.OperatorClaims{trusted}, SystemAccount: systemID, AccountResolver: known})
	creds := func(limits jwt.JetStreamLimits) string {
		t.Helper()
		key, id := pair(nkeys.CreateAccount())
		account(id, limits)
		user, userID := pair(nkeys.CreateUser())
		seed, err := user.Seed()
		if err != nil {
			t.Fatal(err)
		}
		text, err := jwt.FormatUserConfig(signed(jwt.NewUserClaims(userID), key), seed)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "siembridge.creds")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	unlimited := jwt.JetStreamLimits{DiskStorage: jwt.NoLimit, Streams: jwt.NoLimit, Consumer: jwt.NoLimit}
	o := Options{URLs: []string{s.ClientURL()}, Replicas: 1, CredentialsFile: creds(unlimited)}
	batch := buffer.Batch{Source: "s", Records: []buffer.Record{{Key: "k", Raw: []byte("{}")}}, Checkpoint: []byte("c")}
	for _, want := range []buffer.Outcome{{New: 1}, {Known: 1}} { // the second time on what the first has left
		b, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := b.Append(t.Context(), batch); err != nil || got != want {
			t.Errorf("stored: %+v, %v, want %+v", got, err, want)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	o.CredentialsFile = creds(unlimited) // another account has a stream of its own
	b, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := b.Append(t.Context(), batch); err != nil || got.New != 1 {
		t.Errorf("stored in another account: %+v, %v", got, err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	for _, c := range []struct{ name, file, want string }{
		{"none", "", "Authorization Violation"},
		{"of an account without JetStream", creds(jwt.JetStreamLimits{}), "JetStream not enabled for account"},
		{"that is not there", filepath.Join(t.TempDir(), "none.creds"), "no such file"},
	} {
		o.CredentialsFile = c.file
		if b, err := Open(o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("credentials %s: %v, want %q", c.name, err, c.want)
			if err == nil {
				_ = b.Close()
			}
		}
	}
}
