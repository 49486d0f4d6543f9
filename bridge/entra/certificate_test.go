package entra

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"
)

// newKey makes RSA keys, which takes a while, so there are only two.
var (
	testKey  = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	otherKey = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// selfSigned makes a certificate for a key.
func selfSigned(key crypto.Signer, end time.Time) *x509.Certificate {
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "siembridge"}, NotBefore: end.Add(-365 * 24 * time.Hour), NotAfter: end}
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))))
}

func certPEM(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

func keyPEM(key crypto.PrivateKey) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key))}))
}

func rsaPEM(key *rsa.PrivateKey) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
}

// verifier holds assertions against a certificate that was uploaded, as Entra ID does, with a clock of its own. It
// shares no code with what makes assertions.
type verifier struct {
	uploaded *x509.Certificate
	audience string
	now      func() time.Time
	seen     map[string]bool // jti
}

func newVerifier(c *x509.Certificate, audience string) *verifier {
	return &verifier{uploaded: c, audience: audience, now: time.Now, seen: map[string]bool{}}
}

func (v *verifier) accept(form url.Values) (int, map[string]any) {
	switch {
	case form.Get("grant_type") != "client_credentials":
		return 70003, nil
	case form.Has("client_secret"), form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer":
		return 7000218, nil
	}
	return v.check(form.Get("client_assertion")), nil
}

func (v *verifier) check(assertion string) int {
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return 50027
	}
	var header map[string]string
	var claims struct {
		Aud, Iss, Sub, Jti string
		Iat, Nbf, Exp      int64
	}
	if decode(parts[0], &header) != nil || decode(parts[1], &claims) != nil {
		return 50027
	}
	sum := sha256.Sum256(v.uploaded.Raw)
	if header["alg"] != "PS256" || header["typ"] != "JWT" || header["x5t#S256"] != base64.RawURLEncoding.EncodeToString(sum[:]) {
		return 700027
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err != nil || rsa.VerifyPSS(v.uploaded.PublicKey.(*rsa.PublicKey), crypto.SHA256, digest[:], signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) != nil {
		return 50012
	}
	if claims.Aud != v.audience || claims.Iss != testClient || claims.Sub != testClient {
		return 50027
	}
	if claims.Jti == "" || v.seen[claims.Jti] {
		return 50013
	}
	v.seen[claims.Jti] = true
	const tolerated = 300 // seconds
	now := v.now().Unix()
	if claims.Exp-claims.Nbf > 600 || claims.Nbf > now+tolerated || claims.Exp < now-tolerated {
		return 700024
	}
	return 0
}

func decode(part string, into any) error {
	data, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

// TestCertificateFiles gets a token by a certificate in every form it can be in.
func TestCertificateFiles(t *testing.T) {
	leaf, another := selfSigned(testKey(), time.Now().Add(24*time.Hour)), selfSigned(otherKey(), time.Now().Add(24*time.Hour))
	tests := []struct {
		name      string
		file, key string
		password  string
		v1        bool
	}{
		{name: "PEM, certificate first", file: certPEM(leaf) + keyPEM(testKey())},
		{name: "PEM, key first, v1 endpoint", file: keyPEM(testKey()) + certPEM(leaf), v1: true},
		{name: "PEM, PKCS #1 key, text around", file: "Bag Attributes\n  friendlyName: x\n" + rsaPEM(testKey()) + "\n" + certPEM(leaf)},
		{name: "PEM, a chain with the leaf last", file: certPEM(another) + certPEM(leaf) + keyPEM(testKey())},
		{name: "PEM, two files", file: certPEM(leaf), key: keyPEM(testKey())},
		{name: "PFX without password", file: string(must(pkcs12.Modern.Encode(testKey(), leaf, nil, "")))},
		{name: "PFX with password and chain", file: string(must(pkcs12.Modern.Encode(testKey(), leaf, []*x509.Certificate{another}, "pä ss"))), password: "pä ss\r\n"},
		{name: "PFX of an old Windows", file: string(must(pkcs12.LegacyDES.Encode(testKey(), leaf, nil, "x"))), password: "x"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir, e := t.TempDir(), newEndpoint(t, test.v1)
			files := CertificateFiles{File: filepath.Join(dir, "certificate")}
			put(t, files.File, test.file)
			if test.key != "" {
				files.KeyFile = filepath.Join(dir, "key")
				put(t, files.KeyFile, test.key)
			}
			if test.password != "" {
				files.PasswordFile = filepath.Join(dir, "password")
				put(t, files.PasswordFile, test.password)
			}
			e.accept = newVerifier(leaf, e.app().TokenURL).accept
			g := &Certificate{App: e.app(), Files: files}
			for range 2 { // the second has an assertion of its own
				if _, err := g.Token(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestCertificateThatCannotBeUsed holds what is said before anything is sent.
func TestCertificateThatCannotBeUsed(t *testing.T) {
	end := time.Now().Add(24 * time.Hour)
	leaf := selfSigned(testKey(), end)
	curve, small := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), keyPEM(testKey())
	tests := []struct {
		name, file, password, want string
	}{
		{"no key", certPEM(leaf), "", "holds no private key"},
		{"no certificate", small, "", "holds no certificate"},
		{"key of another", certPEM(leaf) + keyPEM(otherKey()), "", "belongs to another certificate"},
		{"elliptic curve", certPEM(selfSigned(curve, end)) + keyPEM(curve), "", "not RSA"},
		{"encrypted key", certPEM(leaf) + "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", "", "has a password"},
		{"damaged key", certPEM(leaf) + "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "", "damaged"},
		{"damaged certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "", "damaged"},
		{"PFX, password missing", string(must(pkcs12.Modern.Encode(testKey(), leaf, nil, "hidden"))), "", "certificate_password_file"},
		{"PFX, wrong password", string(must(pkcs12.Modern.Encode(testKey(), leaf, nil, "hidden"))), "hidden-too", "is not that of"},
		{"neither", "hello", "", "neither PEM nor a PFX"},
		{"empty", "", "", "neither PEM nor a PFX"},
		{"huge", strings.Repeat("-----BEGIN ", 1<<18), "", "more than 1048576 bytes"},
		{"ended", certPEM(selfSigned(testKey(), time.Now().Add(-time.Hour))) + small, "", "the certificate ended on"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir, e := t.TempDir(), newEndpoint(t, false)
			files := CertificateFiles{File: filepath.Join(dir, "certificate")}
			put(t, files.File, test.file)
			if test.password != "" {
				files.PasswordFile = filepath.Join(dir, "password")
				put(t, files.PasswordFile, test.password)
			}
			_, err := (&Certificate{App: e.app(), Files: files}).Token(t.Context())
			var wrong *Error
			if !errors.As(err, &wrong) || !wrong.Permanent || wrong.Remedy == "" || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v", err)
			}
			if err != nil && (strings.Contains(err.Error(), "hidden") || strings.Contains(err.Error(), "AAAA")) {
				t.Errorf("a secret is in %q", err)
			}
			if e.count() != 0 {
				t.Error("a request was sent")
			}
		})
	}
	_, err := (&Certificate{Files: CertificateFiles{File: filepath.Join(t.TempDir(), "none")}}).Token(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("no file: %v", err)
	}
}

// TestCertificateRefused: the endpoint tells a certificate that was not uploaded, a wrong audience and a wrong client.
func TestCertificateRefused(t *testing.T) {
	leaf := selfSigned(testKey(), time.Now().Add(24*time.Hour))
	file := filepath.Join(t.TempDir(), "certificate.pem")
	put(t, file, certPEM(leaf)+keyPEM(testKey()))
	tests := []struct {
		name   string
		change func(v *verifier)
		code   int
		text   string
	}{
		{"not uploaded", func(v *verifier) { v.uploaded = selfSigned(otherKey(), time.Now().Add(time.Hour)) }, 700027, "thumbprint"},
		{"another audience", func(v *verifier) { v.audience = "https://elsewhere.example/token" }, 50027, "assertion"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := newEndpoint(t, false)
			v := newVerifier(leaf, e.app().TokenURL)
			test.change(v)
			e.accept = v.accept
			_, err := (&Certificate{App: e.app(), Files: CertificateFiles{File: file}}).Token(t.Context())
			var refused *Error
			if !errors.As(err, &refused) || refused.Code != test.code || !strings.Contains(err.Error(), test.text) {
				t.Errorf("error %v", err)
			}
			if err != nil && strings.Contains(err.Error(), "eyJ") {
				t.Errorf("the assertion is in %q", err)
			}
		})
	}
}

// TestCertificateWithAWrongClock: Entra ID's clock counts, whatever ours says, and is kept in mind.
func TestCertificateWithAWrongClock(t *testing.T) {
	leaf := selfSigned(testKey(), time.Now().Add(365*24*time.Hour))
	file := filepath.Join(t.TempDir(), "certificate.pem")
	put(t, file, certPEM(leaf)+keyPEM(testKey()))
	for _, off := range []time.Duration{-40 * time.Minute, -10 * time.Minute, 10 * time.Minute, 40 * time.Minute} {
		t.Run(off.String(), func(t *testing.T) {
			e := newEndpoint(t, false)
			v := newVerifier(leaf, e.app().TokenURL)
			v.now = func() time.Time { return time.Now().Add(off) }
			e.accept = v.accept
			handler := e.Config.Handler
			e.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Date", v.now().UTC().Format(http.TimeFormat))
				handler.ServeHTTP(w, r)
			})
			g := &Certificate{App: e.app(), Files: CertificateFiles{File: file}}
			if _, err := g.Token(t.Context()); err != nil {
				t.Fatal(err)
			}
			before := e.count()
			if _, err := g.Token(t.Context()); err != nil || e.count() != before+1 {
				t.Errorf("%v after %d requests", err, e.count()-before)
			}
		})
	}
}

// TestCertificateIsReadAgain: a certificate that was replaced is used at the next request.
func TestCertificateIsReadAgain(t *testing.T) {
	e := newEndpoint(t, false)
	file := filepath.Join(t.TempDir(), "certificate.pem")
	g := &Certificate{App: e.app(), Files: CertificateFiles{File: file}}
	for _, key := range []*rsa.PrivateKey{testKey(), otherKey()} {
		leaf := selfSigned(key, time.Now().Add(24*time.Hour))
		put(t, file, certPEM(leaf)+keyPEM(key))
		e.accept = newVerifier(leaf, e.app().TokenURL).accept
		if _, err := g.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
