package entra

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const hostPath = "/metadata/identity/oauth2/token"

// hostEndpoint is a token service of a host: it checks method, path, version, resource, client id and headers, and
// that no proxy stands in between.
func hostEndpoint(t *testing.T, path, version, clientID string, header [2]string) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		switch {
		case r.Method != http.MethodGet, r.URL.Path != path:
			http.Error(w, `{"error":"not_found"}`, http.StatusNotFound)
		case r.Header.Get(header[0]) != header[1], r.Header.Get("X-Forwarded-For") != "":
			http.Error(w, `{"error":"invalid_request","error_description":"Required metadata header not specified"}`, http.StatusBadRequest)
		case q.Get("api-version") != version, len(q) > 3:
			http.Error(w, `{"error":"bad_request_102","error_description":"Required query variables"}`, http.StatusBadRequest)
		case q.Get("resource") != "https://graph.microsoft.com":
			http.Error(w, `{"error":"invalid_resource","error_description":"AADSTS500011"}`, http.StatusBadRequest)
		case q.Get("client_id") != clientID || clientID == "" && q.Has("client_id"):
			http.Error(w, `{"error":"invalid_request","error_description":"Identity not found"}`, http.StatusBadRequest)
		default:
			_, _ = w.Write([]byte(`{"access_token":"of-the-host","refresh_token":"","expires_in":"3599","expires_on":"1","resource":"x","token_type":"Bearer"}`))
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// environment is a getenv of a table.
func environment(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

// TestManagedIdentityHosts gets a token from each kind of host.
func TestManagedIdentityHosts(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1") // nothing listens there
	vm := hostEndpoint(t, hostPath, "2018-02-01", "", [2]string{"Metadata", "true"})
	user := hostEndpoint(t, hostPath, "2018-02-01", testClient, [2]string{"Metadata", "true"})
	app := hostEndpoint(t, "/msi/token", "2019-08-01", "", [2]string{"X-IDENTITY-HEADER", "header-secret"})
	tests := []struct {
		name string
		g    ManagedIdentity
		code int // status of a refusal; 0: a token
		text string
	}{
		{"VM", ManagedIdentity{Endpoint: vm.URL + hostPath}, 0, ""},
		{"VM, user-assigned", ManagedIdentity{Endpoint: user.URL + hostPath, App: App{ClientID: testClient}}, 0, ""},
		{"App Service", ManagedIdentity{getenv: environment(map[string]string{"IDENTITY_ENDPOINT": app.URL + "/msi/token", "IDENTITY_HEADER": "header-secret"})}, 0, ""},
		{"VM without identity", ManagedIdentity{Endpoint: user.URL + hostPath}, 400, "System assigned"},
		{"App Service, wrong header", ManagedIdentity{getenv: environment(map[string]string{"IDENTITY_ENDPOINT": app.URL + "/msi/token", "IDENTITY_HEADER": "old"})}, 400, "client_id"},
		{"not there yet", ManagedIdentity{Endpoint: vm.URL + "/elsewhere"}, 404, "asked again"},
		{"Service Fabric", ManagedIdentity{getenv: environment(map[string]string{"IDENTITY_ENDPOINT": "https://localhost/", "IDENTITY_HEADER": "x", "IDENTITY_SERVER_THUMBPRINT": "y"})}, -1, "Service Fabric"},
		{"another host", ManagedIdentity{getenv: environment(map[string]string{"IDENTITY_ENDPOINT": "http://tokens.example.org/", "IDENTITY_HEADER": "x"})}, -1, "not on this host"},
		{"nobody answers", ManagedIdentity{Endpoint: "http://127.0.0.1:1" + hostPath}, -1, "works on Azure"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := test.g
			g.App.Scope = testScope
			if g.getenv == nil {
				g.getenv = environment(nil)
			}
			g.arc = arcHost{agent: filepath.Join(t.TempDir(), "none")}
			token, err := g.Token(t.Context())
			if test.code == 0 {
				if err != nil || token.AccessToken != "of-the-host" || time.Until(token.Expiry) < 50*time.Minute {
					t.Errorf("token %v, error %v", token, err)
				}
				return
			}
			var refused *Error
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), test.text) || test.code > 0 && refused.Status != test.code {
				t.Fatalf("error %v", err)
			}
			if strings.Contains(err.Error(), "header-secret") {
				t.Errorf("a secret is in %q", err)
			}
		})
	}
}

// TestManagedIdentityDefaults: where nothing says otherwise, the metadata service of a VM is asked.
func TestManagedIdentityDefaults(t *testing.T) {
	g := ManagedIdentity{getenv: environment(nil), arc: arcHost{agent: filepath.Join(t.TempDir(), "none")}}
	at, err := g.where()
	if err != nil || at.address != "http://169.254.169.254/metadata/identity/oauth2/token" || at.header != [2]string{"Metadata", "true"} {
		t.Errorf("%+v, %v", at, err)
	}
	if err := onHost(at.address); err != nil {
		t.Error(err)
	}
}

// TestManagedIdentityAnswers judges what a host may answer.
func TestManagedIdentityAnswers(t *testing.T) {
	end := time.Now().Add(time.Hour).Truncate(time.Second)
	tests := []struct {
		name, body string
		status     int
		header     string
		permanent  bool
		wait       time.Duration
	}{
		{name: "end as a time", status: 200, body: `{"access_token":"a","expires_on":"` + strconv.FormatInt(end.Unix(), 10) + `"}`},
		{name: "no token", status: 200, body: `{}`},
		{name: "no JSON", status: 200, body: `<html>`},
		{name: "being updated", status: 410},
		{name: "busy", status: 429, header: "9", wait: 9 * time.Second},
		{name: "fault", status: 500, body: "\x01"},
		{name: "refused by App Service", status: 400, body: `{"statusCode":400,"message":"No User Assigned Managed Identity found"}`, permanent: true},
		{name: "redirect", status: 302, permanent: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "http://127.0.0.1:1/")
				if test.header != "" {
					w.Header().Set("Retry-After", test.header)
				}
				w.WriteHeader(test.status)
				_, _ = w.Write([]byte(test.body))
			}))
			defer s.Close()
			g := ManagedIdentity{Endpoint: s.URL, App: App{Resource: "x"}, getenv: environment(nil)}
			token, err := g.Token(t.Context())
			if err == nil {
				if test.name != "end as a time" || token.AccessToken != "a" || !token.Expiry.Equal(end) {
					t.Errorf("token %v", token)
				}
				return
			}
			var refused *Error
			if !errors.As(err, &refused) || refused.Permanent != test.permanent || refused.RetryAfter != test.wait || refused.Remedy == "" {
				t.Errorf("%+v", err)
			}
		})
	}
}

// TestArc goes through the challenge of the Azure Arc agent, and refuses to show it files that are not its own.
func TestArc(t *testing.T) {
	dir := t.TempDir()
	keys := filepath.Join(dir, "tokens")
	if err := os.Mkdir(keys, 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "himds"), "")
	put(t, filepath.Join(keys, "1.key"), "key-of-the-agent")
	put(t, filepath.Join(keys, "2.key"), strings.Repeat("x", maxArcKey+1))
	put(t, filepath.Join(keys, "3.txt"), "hidden")
	put(t, filepath.Join(dir, "4.key"), "hidden")
	for realm, works := range map[string]bool{
		"Basic realm=" + filepath.Join(keys, "1.key"):        true,
		`Basic realm="` + filepath.Join(keys, "1.key") + `"`: true,
		"Basic realm=" + filepath.Join(keys, "2.key"):        false,
		"Basic realm=" + filepath.Join(keys, "3.txt"):        false,
		"Basic realm=" + filepath.Join(dir, "4.key"):         false,
		"Basic realm=" + keys + "/../4.key":                  false,
		"Basic realm=" + filepath.Join(keys, "none.key"):     false,
		"Basic": false,
		"":      false,
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.Header.Get("Authorization") {
			case "":
				w.Header().Set("WWW-Authenticate", realm)
				w.WriteHeader(http.StatusUnauthorized)
			case "Basic key-of-the-agent":
				if r.Header.Get("Metadata") != "true" || r.URL.Query().Get("api-version") != "2020-06-01" {
					w.WriteHeader(http.StatusBadRequest)
					return
				}
				_, _ = w.Write([]byte(`{"access_token":"of-arc","expires_in":3599}`))
			default:
				t.Error("something else than the key was sent")
			}
		}))
		g := ManagedIdentity{App: App{Resource: "x"}, getenv: environment(nil), arc: arcHost{address: s.URL, agent: filepath.Join(dir, "himds"), keys: keys}}
		token, err := g.Token(t.Context())
		if works != (err == nil) || works && token.AccessToken != "of-arc" {
			t.Errorf("%q: token %v, error %v", realm, token, err)
		}
		if err != nil && strings.Contains(err.Error(), "hidden") {
			t.Errorf("a file's content is in %q", err)
		}
		s.Close()
	}
}
