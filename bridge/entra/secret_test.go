package entra

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestClientSecret holds the request of both endpoint versions, and each way it can be wrong.
func TestClientSecret(t *testing.T) {
	tests := []struct {
		name   string
		v1     bool
		change func(*App)
		secret string
		code   int // 0: a token
	}{
		{name: "v2", secret: testSecret},
		{name: "v1", v1: true, secret: testSecret},
		{name: "wrong secret", secret: "no", code: 7000215},
		{name: "wrong client", secret: testSecret, change: func(a *App) { a.ClientID = "other" }, code: 700016},
		{name: "wrong tenant", secret: testSecret, change: func(a *App) { a.TokenURL = strings.Replace(a.TokenURL, testTenant, "nobody", 1) }, code: 90002},
		{name: "resource sent to v2", secret: testSecret, change: func(a *App) { a.Scope, a.Resource = "", "https://graph.windows.net" }, code: 901002},
		{name: "scope sent to v1", v1: true, secret: testSecret, change: func(a *App) { a.Scope, a.Resource = testScope, "" }, code: 50001},
		{name: "scope of one permission", secret: testSecret, change: func(a *App) { a.Scope = "SecurityAlert.Read.All" }, code: 70011},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := newEndpoint(t, test.v1)
			e.accept = clientSecretOnly
			app := e.app()
			if test.change != nil {
				test.change(&app)
			}
			token, err := ClientSecret{App: app, Secret: secretIs(test.secret)}.Token(t.Context())
			if test.code == 0 {
				if err != nil {
					t.Fatal(err)
				}
				if life := time.Until(token.Expiry); token.AccessToken != "access-1" || life < 50*time.Minute || life > time.Hour {
					t.Errorf("token %q, good for %s", token.AccessToken, life)
				}
				return
			}
			var refused *Error
			if !errors.As(err, &refused) || refused.Code != test.code || !refused.Permanent {
				t.Errorf("error %v, want AADSTS%d", err, test.code)
			}
		})
	}
}

// TestSecretsAreAskedFor holds what is said when there is no secret to send; nothing is sent then.
func TestSecretsAreAskedFor(t *testing.T) {
	e := newEndpoint(t, false)
	for _, secret := range []func() (string, error){secretIs(""), func() (string, error) { return "", os.ErrNotExist }} {
		_, err := ClientSecret{App: e.app(), Secret: secret}.Token(t.Context())
		var refused *Error
		if !errors.As(err, &refused) || !refused.Permanent || refused.Remedy == "" {
			t.Errorf("error %v", err)
		}
	}
	if e.count() != 0 {
		t.Error("a request without a secret was sent")
	}
}

// TestSecretNeverInErrors makes everything that can fail say all it knows, with the secret in it.
func TestSecretNeverInErrors(t *testing.T) {
	echo := func(status int, contentType string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm()
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"error":"` + r.PostForm.Get("client_secret") + `","error_description":"` + r.PostForm.Encode() + `","trace_id":"` + r.PostForm.Get("client_secret") + `"}`))
		}
	}
	handlers := map[string]http.HandlerFunc{
		"json 400":  echo(400, "application/json"),
		"json 500":  echo(500, "application/json"),
		"plain 400": echo(400, "text/plain"),
		"html 200":  echo(200, "text/html"),
		"json 200":  echo(200, "application/json"),
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm()
			http.Redirect(w, r, "https://other.example/?"+r.PostForm.Encode(), http.StatusTemporaryRedirect)
		},
		"cut off": func(w http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm()
			w.Header().Set("Content-Length", "100000")
			_, _ = w.Write([]byte(r.PostForm.Get("client_secret")))
		},
	}
	for name, h := range handlers {
		t.Run(name, func(t *testing.T) {
			e := newEndpoint(t, false)
			e.answerWith(h)
			_, err := ClientSecret{App: e.app(), Secret: secretIs(testSecret)}.Token(t.Context())
			if err == nil {
				t.Fatal("no error")
			}
			noSecret(t, err, testSecret)
			if e.count() != 1 {
				t.Errorf("%d requests: a redirect must not be followed", e.count())
			}
		})
	}
}

// noSecret looks for a secret, plain and as it was sent, in an error and all that it wraps.
func noSecret(t *testing.T, err error, secret string) {
	t.Helper()
	for e := err; e != nil; e = errors.Unwrap(e) {
		for _, form := range []string{secret, strings.ReplaceAll(secret, "+", "%2B"), "s~cr.t%2Bwith%2Fodd%3Dsigns%26more"} {
			if strings.Contains(e.Error(), form) {
				t.Errorf("the secret is in %q", e)
			}
		}
	}
	if strings.ContainsAny(err.Error(), "\r\n") {
		t.Errorf("more than one line: %q", err)
	}
}

// TestAnswersAsSampled reads the recorded token answers, good and bad.
func TestAnswersAsSampled(t *testing.T) {
	tests := map[string]struct {
		status int
		code   int
		remedy string
	}{
		"v1-token-ok-string-numbers.json":       {status: 200},
		"v2-token-ok.json":                      {status: 200},
		"err-7000215-bad-secret.json":           {401, 7000215, "value there, not its id"},
		"err-7000222-expired-secret.json":       {401, 7000222, "new secret"},
		"err-700016-app-not-found.json":         {400, 700016, "client_id and tenant_id"},
		"err-700027-assertion-signature.json":   {401, 700027, "upload the certificate"},
		"err-70011-bad-scope.json":              {400, 70011, "/.default"},
		"err-700082-refresh-token-expired.json": {400, 700082, "siembridge login"},
		"err-90002-tenant-not-found.json":       {400, 90002, "tenant_id"},
		"400-without-error.json":                {400, 0, "check tenant_id"},
	}
	files, err := filepath.Glob("testdata/answers/*.json")
	if err != nil || len(files) != len(tests) {
		t.Fatalf("%d samples, %d expectations, %v", len(files), len(tests), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			want := tests[filepath.Base(file)]
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			e := newEndpoint(t, false)
			e.answerWith(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json; charset=utf-8")
				w.WriteHeader(want.status)
				_, _ = w.Write(body)
			})
			token, err := ClientSecret{App: e.app(), Secret: secretIs(testSecret)}.Token(t.Context())
			if want.status == 200 {
				if err != nil || token.AccessToken == "" {
					t.Errorf("token %v, error %v", token, err)
				}
				return
			}
			var refused *Error
			if !errors.As(err, &refused) || refused.Code != want.code || !strings.Contains(err.Error(), want.remedy) {
				t.Errorf("error %v", err)
			}
		})
	}
}
