package bridge

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/entra"
	"github.com/siembridge/siembridge/bridge/source"
)

// tenantFor is a token endpoint and an API; the API serves who has the token that the endpoint gave for a request
// that proves by the given means.
func tenantFor(t *testing.T, proves func(r *http.Request) bool) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.URL.Path == "/v1.0/security/alerts_v2":
			if r.Header.Get("Authorization") != "Bearer good" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			_, _ = w.Write([]byte(`{"value":[]}`))
		case r.ParseForm() == nil && proves(r):
			_ = json.NewEncoder(w).Encode(map[string]any{"token_type": "Bearer", "access_token": "good", "expires_in": "3600", "refresh_token": "next"})
		default:
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"error":"invalid_client","error_codes":[7000215]}`))
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// TestEachCredentialReachesTheAPI goes from the configuration of each kind of credential to a page of the API.
func TestEachCredentialReachesTheAPI(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	assertion := func(parts int) func(*http.Request) bool {
		return func(r *http.Request) bool {
			return r.PostForm.Get("scope") == "https://graph.microsoft.com/.default" && r.PostForm.Get("client_id") == "app" && !r.PostForm.Has("client_secret") &&
				len(strings.Split(r.PostForm.Get("client_assertion"), ".")) == parts && strings.HasSuffix(r.PostForm.Get("client_assertion_type"), ":jwt-bearer")
		}
	}
	const app = "tenant_id = \"t\"\nclient_id = \"app\"\n"
	tests := []struct {
		auth, keys string
		proves     func(*http.Request) bool
	}{
		{"client-secret", app + "client_secret_file = '" + write("secret", "s3cret\n") + "'", func(r *http.Request) bool {
			return r.PostForm.Get("client_secret") == "s3cret" && r.PostForm.Get("grant_type") == "client_credentials"
		}},
		{"refresh-token", app + "refresh_token_file = '" + write("seed", "seed") + "'", func(r *http.Request) bool {
			return r.PostForm.Get("refresh_token") == "seed" && r.PostForm.Get("grant_type") == "refresh_token" && !r.PostForm.Has("client_secret")
		}},
		{"certificate", app + "certificate_file = '" + write("cert.pem", certificate(t, time.Now().Add(20*24*time.Hour))) + "'", assertion(3)},
		{"workload-identity", app + "federated_token_file = '" + write("token", "e30.e30.c2ln") + "'", assertion(3)},
		{"managed-identity", "", func(r *http.Request) bool {
			return r.Method == http.MethodGet && r.Header.Get("Metadata") == "true" && r.URL.Query().Get("resource") == "https://graph.microsoft.com"
		}},
	}
	for _, test := range tests {
		t.Run(test.auth, func(t *testing.T) {
			s := tenantFor(t, test.proves)
			c := parse(t, fmt.Sprintf("endpoint = %q\ntoken_url = %q\nauth = %q\n%s", s.URL, s.URL+"/token", test.auth, test.keys))
			for _, f := range source.Check(t.Context(), SourceOptions(&c.Sources[0], Keeper{StateDir: t.TempDir()})) {
				if !f.OK {
					t.Errorf("%s: %s", f.What, f.Detail)
				}
			}
		})
	}
}

// parse makes a configuration of one source's keys.
func parse(t *testing.T, keys string) *config.Config {
	t.Helper()
	c, err := config.Parse("test.toml", "[[source]]\nname = \"contoso\"\n"+keys+"\n[[destination]]\nname = \"d\"\naddress = \"127.0.0.1:514\"\n")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// certificate makes a certificate with its key.
func certificate(t *testing.T, end time.Time) string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: end.AddDate(-1, 0, 0), NotAfter: end}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})) +
		string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
}

// TestCredentialExpiry: the earlier of what a credential tells and what the configuration says.
func TestCredentialExpiry(t *testing.T) {
	end := time.Now().Add(20 * 24 * time.Hour).UTC()
	file := filepath.Join(t.TempDir(), "cert.pem")
	if err := os.WriteFile(file, []byte(certificate(t, end)), 0o600); err != nil {
		t.Fatal(err)
	}
	day := func(n int) string {
		return "credential_expires = \"" + end.AddDate(0, 0, n).Format(time.DateOnly) + "\"\n"
	}
	const app = "tenant_id = \"t\"\nclient_id = \"c\"\n"
	for _, test := range []struct{ keys, what string }{
		{app + "client_secret = \"s\"", ""},
		{app + "client_secret = \"s\"\n" + day(0), "the credential"},
		{app + "auth = \"certificate\"\ncertificate_file = '" + file + "'\n", "the certificate"},
		{app + "auth = \"certificate\"\ncertificate_file = '" + file + "'\n" + day(9), "the certificate"},
		{app + "auth = \"certificate\"\ncertificate_file = '" + file + "'\n" + day(-9), "the credential"},
		{"auth = \"managed-identity\"", ""},
	} {
		c := parse(t, test.keys)
		e := CredentialExpiry(&c.Sources[0], Keeper{StateDir: t.TempDir()})
		if e.What != test.what || (e.Warning(time.Now()) == "") != (test.what == "") {
			t.Errorf("%s: %+v", test.keys, e)
		}
	}
}

// TestCredentialEnd follows a credential to its end and renewal, in the metric and the status.
func TestCredentialEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := time.Now().Add(20 * 24 * time.Hour)
		var metric time.Time
		c := &credential{metric: func(t time.Time) { metric = t }, expires: func() entra.Expiry {
			return entra.Expiry{What: "the refresh token", End: end, Notice: 14 * 24 * time.Hour, Remedy: "sign in"}
		}}
		c.look()
		if _, warning := c.status(); warning != "" || !metric.Equal(end) {
			t.Errorf("20 days before: %q, metric %s", warning, metric)
		}
		time.Sleep(7 * 24 * time.Hour)
		c.look()
		if at, warning := c.status(); !strings.HasPrefix(warning, "the refresh token ends in 13 days") || !at.Equal(end) {
			t.Errorf("status %s, %q", at, warning)
		}
		end = end.Add(90 * 24 * time.Hour) // renewed
		c.look()
		if _, warning := c.status(); warning != "" || !metric.Equal(end) {
			t.Errorf("after its renewal: %q, metric %s", warning, metric)
		}
	})
}
