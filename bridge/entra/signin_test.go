package entra

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
)

// authority is a sign-in authority that checks each step of both flows against the one before it.
type authority struct {
	t         *testing.T
	secret    string // of the app; "": a public client
	challenge string
	redirect  string
	pending   int  // answers to the device's question before the user has signed in
	code      int  // AADSTS code to refuse by, at the token endpoint
	without   bool // no refresh token
}

const signInScope = testScope + " offline_access"

func (a *authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	if r.Form.Get("client_id") != testClient {
		refuse(w, 700016, "app")
		return
	}
	switch strings.TrimPrefix(r.URL.Path, "/"+testTenant+"/oauth2/v2.0/") {
	case "authorize":
		a.authorize(w, r)
	case "devicecode":
		if r.PostForm.Get("scope") != signInScope {
			refuse(w, 70011, "scope")
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"device_code": "device-1", "user_code": "ABCD-EFGH", "verification_uri": "https://microsoft.com/devicelogin", "expires_in": 900, "interval": 5})
	case "token":
		a.token(w, r.PostForm)
	default:
		refuse(w, 90002, r.URL.Path)
	}
}

func (a *authority) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	a.challenge, a.redirect = q.Get("code_challenge"), q.Get("redirect_uri")
	if q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || q.Get("scope") != signInScope || len(q.Get("state")) < 32 || q.Has("client_secret") {
		a.t.Errorf("asked by %v", q)
	}
	http.Redirect(w, r, a.redirect+"?code=code-1&session_state=x&state="+url.QueryEscape(q.Get("state")), http.StatusFound)
}

func (a *authority) token(w http.ResponseWriter, form url.Values) {
	sum := sha256.Sum256([]byte(form.Get("code_verifier")))
	switch {
	case form.Get("client_secret") != a.secret:
		refuse(w, 7000215, "secret "+form.Get("client_secret"))
		return
	case a.code != 0:
		refuse(w, a.code, "refused "+form.Encode())
		return
	case form.Get("grant_type") == "authorization_code" && form.Get("code") == "code-1" && form.Get("redirect_uri") == a.redirect &&
		base64.RawURLEncoding.EncodeToString(sum[:]) == a.challenge:
	case form.Get("grant_type") == "urn:ietf:params:oauth:grant-type:device_code" && form.Get("device_code") == "device-1":
		if a.pending--; a.pending >= 0 {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"error":"authorization_pending","error_codes":[70016]}`))
			return
		}
	default:
		refuse(w, 9002313, form.Encode())
		return
	}
	if a.without {
		issue(w, 1, false, nil)
		return
	}
	issue(w, 1, false, map[string]any{"refresh_token": "refresh-of-the-user"})
}

// directly answers requests by a handler, without a network, so that synctest's clock may run.
type directly struct{ http.Handler }

func (d directly) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = io.NopCloser(strings.NewReader(""))
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w.Result(), nil
}

func (a *authority) signIn(v1 bool) SignIn {
	s := SignIn{App: App{TokenURL: TokenURL("https://login.example.org", testTenant, v1), ClientID: testClient, Scope: testScope,
		Client: &http.Client{Transport: directly{a}}}}
	if v1 {
		s.App.Scope, s.App.Resource = "", "https://graph.microsoft.com"
	}
	if a.secret != "" {
		s.Secret = secretIs(a.secret)
	}
	return s
}

// visit is a browser: it goes to the authority and where that sends it, and returns the page it ends on.
func visit(t *testing.T, a *authority, address string) string {
	r, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Error(err)
		return ""
	}
	answer, _ := directly{a}.RoundTrip(r)
	return fetch(t, answer.Header.Get("Location"))
}

func fetch(t *testing.T, address string) string {
	answer, err := http.Get(address)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer answer.Body.Close()
	page, _ := io.ReadAll(answer.Body)
	return answer.Status + " " + string(page)
}

// TestBrowser signs in by a browser: public and confidential client, and an API of the v1 endpoint.
func TestBrowser(t *testing.T) {
	for _, test := range []struct {
		name, redirect, secret string
		v1                     bool
	}{
		{name: "public", redirect: "http://localhost"},
		{name: "confidential, with a path", redirect: "http://localhost:0/callback", secret: testSecret},
		{name: "v1", redirect: "http://localhost", v1: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := &authority{t: t, secret: test.secret}
			page := make(chan string, 1)
			got, err := a.signIn(test.v1).Browser(t.Context(), test.redirect, func(address string) { go func() { page <- visit(t, a, address) }() })
			if err != nil || got != "refresh-of-the-user" {
				t.Errorf("%q, %v", got, err)
			}
			if text := <-page; !strings.Contains(text, "200 OK") || !strings.Contains(text, "may close this window") || strings.Contains(text, "code-1") {
				t.Errorf("the browser shows %q", text)
			}
		})
	}
}

// TestBrowserIsNotFooled: answers with a wrong state, without a code or to another path change nothing; a refusal
// ends the sign-in with its reason.
func TestBrowserIsNotFooled(t *testing.T) {
	a := &authority{t: t}
	var pages []string
	done := make(chan struct{})
	got, err := a.signIn(false).Browser(t.Context(), "http://localhost/back", func(address string) {
		go func() {
			defer close(done)
			q := must(url.Parse(address)).Query()
			back := q.Get("redirect_uri")
			for _, wrong := range []string{back, back + "?code=evil", back + "?code=evil&state=guess", back + "?state=" + q.Get("state"),
				strings.Replace(back, "/back", "/other", 1) + "?code=evil&state=" + q.Get("state")} {
				pages = append(pages, fetch(t, wrong))
			}
			visit(t, a, address)
		}()
	})
	<-done
	if err != nil || got != "refresh-of-the-user" {
		t.Errorf("%q, %v", got, err)
	}
	for _, page := range pages {
		if !strings.HasPrefix(page, "40") {
			t.Errorf("a wrong answer got %q", page)
		}
	}
	_, err = a.signIn(false).Browser(t.Context(), "http://localhost", func(address string) {
		q := must(url.Parse(address)).Query()
		go fetch(t, q.Get("redirect_uri")+"?error=access_denied&error_description="+url.QueryEscape("AADSTS65004: declined\r\nforged")+"&state="+q.Get("state"))
	})
	var refused *Error
	if !errors.As(err, &refused) || refused.Code != 65004 || strings.Contains(err.Error(), "\n") {
		t.Errorf("a refusal: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err = a.signIn(false).Browser(ctx, "http://localhost", func(string) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	for _, redirect := range []string{"https://localhost:1", "http://example.org", "http://127.0.0.1.example.org", "http://localhost:99999", "localhost", "http://localhost/?x=1"} {
		if _, err := a.signIn(false).Browser(t.Context(), redirect, func(string) { t.Error("the browser was opened") }); err == nil {
			t.Errorf("%s was taken", redirect)
		}
	}
}

// TestDevice signs in by a code that is entered elsewhere, after some waiting.
func TestDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, secret := range []string{"", testSecret} {
			a := &authority{t: t, pending: 3, secret: secret}
			shown := ""
			got, err := a.signIn(secret != "").Device(t.Context(), func(address, code string) { shown = address + " " + code })
			if err != nil || got != "refresh-of-the-user" || shown != "https://microsoft.com/devicelogin ABCD-EFGH" {
				t.Errorf("%q, %v, shown %q", got, err, shown)
			}
		}
		late := &authority{t: t, pending: 1 << 20}
		if _, err := late.signIn(false).Device(t.Context(), func(string, string) {}); err == nil || !strings.Contains(err.Error(), "start the sign-in again") {
			t.Errorf("nobody came: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := late.signIn(false).Device(ctx, func(string, string) { cancel() }); !errors.Is(err, context.Canceled) {
			t.Errorf("given up: %v", err)
		}
	})
}

// TestSignInRefused holds what is said, and that neither code nor secret is in it.
func TestSignInRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			a    authority
			want string
		}{
			{authority{code: 70020}, "start the sign-in again"},
			{authority{code: 7000218}, "allow public client flows"},
			{authority{code: 123456}, "answered 400"},
			{authority{without: true}, "offline_access"},
		} {
			test.a.t, test.a.secret = t, testSecret
			_, err := test.a.signIn(false).Device(t.Context(), func(string, string) {})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %s", err, test.want)
				continue
			}
			noSecret(t, err, testSecret)
			if strings.Contains(err.Error(), "device-1") {
				t.Errorf("the device's code is in %q", err)
			}
		}
		s := (&authority{t: t}).signIn(false)
		s.App.TokenURL = "https://login.example.org/elsewhere"
		if _, err := s.Device(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "does not end in /token") {
			t.Errorf("%v", err)
		}
	})
}
