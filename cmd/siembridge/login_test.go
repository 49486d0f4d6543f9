package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/siembridge/siembridge/bridge"
	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/source"
)

// signInTenant signs anybody in, and serves alerts to whoever has a token that came by the sign-in's refresh token.
func signInTenant(t *testing.T) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		w.Header().Set("Content-Type", "application/json")
		answer := map[string]any{"token_type": "Bearer", "expires_in": 3600, "access_token": "good"}
		switch {
		case r.URL.Path == "/v1.0/security/alerts_v2" && r.Header.Get("Authorization") == "Bearer good":
			answer = map[string]any{"value": []any{}}
		case strings.HasSuffix(r.URL.Path, "/authorize"):
			http.Redirect(w, r, r.Form.Get("redirect_uri")+"?code=c&state="+url.QueryEscape(r.Form.Get("state")), http.StatusFound)
			return
		case strings.HasSuffix(r.URL.Path, "/devicecode"):
			answer = map[string]any{"device_code": "d", "user_code": "ABCD", "verification_uri": "https://microsoft.com/devicelogin", "expires_in": 900, "interval": 1}
		case r.Form.Get("grant_type") == "refresh_token" && r.Form.Get("refresh_token") == "of-the-user":
			answer["refresh_token"] = "rotated"
		case r.Form.Get("code") == "c" && r.Form.Get("code_verifier") != "", r.Form.Get("device_code") == "d":
			answer["refresh_token"] = "of-the-user"
		default:
			w.WriteHeader(http.StatusBadRequest)
			answer = map[string]any{"error": "invalid_grant", "error_codes": []int{70008}}
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(s.Close)
	return s
}

func signInConfig(t *testing.T, server, dir string) *config.Config {
	t.Helper()
	c, err := config.Parse("f.toml", fmt.Sprintf("state_dir = %q\n[[source]]\nname = \"contoso\"\nauth = \"refresh-token\"\ntenant_id = \"t\"\nclient_id = \"c\"\n"+
		"endpoint = %q\ntoken_url = %q\n[[destination]]\nname = \"d\"\naddress = \"127.0.0.1:514\"\n", filepath.Join(dir, "state"), server, server+"/t/oauth2/v2.0/token"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestLogin signs in by both ways; the source works afterwards, and nothing on the terminal is a token.
func TestLogin(t *testing.T) {
	for _, device := range []bool{false, true} {
		t.Run(fmt.Sprintf("device=%v", device), func(t *testing.T) {
			server := signInTenant(t)
			cfg := signInConfig(t, server.URL, t.TempDir())
			var out bytes.Buffer
			l := login{out: &out, device: device, open: func(address string) {
				go func() {
					if answer, err := http.Get(address); err != nil || answer.StatusCode != http.StatusOK {
						t.Errorf("the browser: %v, %v", answer, err)
					} else {
						answer.Body.Close()
					}
				}()
			}}
			if err := l.run(t.Context(), cfg, &cfg.Sources[0]); err != nil {
				t.Fatal(err)
			}
			if device != strings.Contains(out.String(), "enter the code ABCD") || strings.Contains(out.String(), "of-the-user") || !strings.Contains(out.String(), "Signed in") {
				t.Errorf("on the terminal:\n%s", &out)
			}
			if info, err := os.Stat(cfg.StateDir); err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("state_dir: %v, %v", info, err)
			}
			for _, f := range source.Check(t.Context(), bridge.SourceOptions(&cfg.Sources[0], bridge.Keeper{StateDir: cfg.StateDir})) {
				if !f.OK {
					t.Errorf("%s: %s", f.What, f.Detail)
				}
			}
		})
	}
}

// TestLoginWithoutAPlace: nobody signs in for nothing.
func TestLoginWithoutAPlace(t *testing.T) {
	dir := t.TempDir()
	cfg := signInConfig(t, signInTenant(t).URL, dir)
	if err := os.WriteFile(cfg.StateDir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l := login{out: &bytes.Buffer{}, open: func(string) { t.Error("the browser was opened") }}
	if err := l.run(t.Context(), cfg, &cfg.Sources[0]); err == nil || !strings.Contains(err.Error(), "state_dir") {
		t.Errorf("error %v", err)
	}
}

// TestSignInSource holds which source is meant.
func TestSignInSource(t *testing.T) {
	one := config.Config{Sources: []config.Source{{Name: "a", Auth: "client-secret"}, {Name: "b", Auth: "refresh-token"}}}
	two := config.Config{Sources: append(one.Sources, config.Source{Name: "c", Auth: "refresh-token"})}
	for _, test := range []struct {
		cfg             config.Config
		name, want, err string
	}{
		{one, "", "b", ""},
		{one, "b", "b", ""},
		{two, "c", "c", ""},
		{two, "", "", "name one with --source"},
		{one, "a", "", "only auth = \"refresh-token\""},
		{one, "x", "", "no source is named"},
		{config.Config{}, "", "", "no source has"},
	} {
		s, err := signInSource(&test.cfg, test.name)
		switch {
		case test.err == "" && (err != nil || s.Name != test.want):
			t.Errorf("%q: %v, %v", test.name, s, err)
		case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
			t.Errorf("%q: %v, want %s", test.name, err, test.err)
		}
	}
}

// TestHasBrowser tells a desktop from a server.
func TestHasBrowser(t *testing.T) {
	for _, test := range []struct {
		system, variable string
		want             bool
	}{
		{"linux", "", false}, {"linux", "DISPLAY", true}, {"linux", "WAYLAND_DISPLAY", true},
		{"windows", "", true}, {"windows", "SSH_CONNECTION", false}, {"darwin", "", true},
	} {
		if got := hasBrowser(test.system, func(name string) string { return map[string]string{test.variable: "x"}[name] }); got != test.want {
			t.Errorf("%s with %s: %v", test.system, test.variable, got)
		}
	}
}
