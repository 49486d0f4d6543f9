package entra

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFederatedToken: the file's token is the assertion, as it stands there at each request.
func TestFederatedToken(t *testing.T) {
	e := newEndpoint(t, false)
	file := filepath.Join(t.TempDir(), "token")
	expected := ""
	e.accept = func(form url.Values) (int, map[string]any) {
		switch {
		case form.Get("grant_type") != "client_credentials", form.Has("client_secret"):
			return 70003, nil
		case form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer":
			return 7000218, nil
		case form.Get("client_assertion") != expected:
			return 700213, nil
		}
		return 0, nil
	}
	g := FederatedToken{App: e.app(), File: file}
	for _, claims := range []string{`{"sub":"system:serviceaccount:siem:siembridge","n":1}`, `{"n":2}`} {
		expected = jwtOf(claims)
		put(t, file, expected+"\n")
		if _, err := g.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	put(t, file, jwtOf(`{"n":3}`)) // not the one that is trusted
	var refused *Error
	_, err := g.Token(t.Context())
	if !errors.As(err, &refused) || refused.Code != 700213 || !strings.Contains(err.Error(), "issuer, subject and audience") {
		t.Errorf("error %v", err)
	}
	if strings.Contains(err.Error(), expected) || strings.Contains(err.Error(), "e30.") {
		t.Errorf("the assertion is in %q", err)
	}
	before := e.count()
	for _, text := range []string{"", "hidden", "a.b.c\nd.e.f", strings.Repeat("x.", 1<<20)} {
		put(t, file, text)
		if _, err := g.Token(t.Context()); err == nil || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%.20q: %v", text, err)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Token(t.Context()); err == nil || !strings.Contains(err.Error(), "azure.workload.identity/use") {
		t.Errorf("no file: %v", err)
	}
	if e.count() != before {
		t.Error("something that is no token was sent")
	}
}
