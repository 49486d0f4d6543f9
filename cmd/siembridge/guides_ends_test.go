//go:build guides

package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/emulator"
)

// The guides name Microsoft's hosts and SIEMs of example.org. On the throw-away machine these names are its own: the
// emulated tenant answers on port 443, an emulated SIEM on 6514 (TLS) and 514, with certificates of an authority that
// the machine trusts.
var (
	microsoftHosts = []string{"login.microsoftonline.com", "graph.microsoft.com", "api.securitycenter.microsoft.com",
		"api.security.microsoft.com", "wdatp-alertexporter-eu.windows.com"}
	siemHosts = []string{"qradar.example.org", "siem.example.org", "connector.example.org", "forwarder.example.org"}
)

const (
	guideID     = "00000000-0000-0000-0000-000000000000" // tenant and app, as the guides have them
	guideSecret = "Guide~secret.value+/="
	guideAlerts = 20
	loopbackAPI = "127.0.0.1:8080" // the tenant again, by http, as the emulator has it
)

// ends are the emulated tenant and SIEM.
type ends struct {
	tenant *emulator.Tenant
	ca     *emulator.CA

	mu       sync.Mutex
	received int
	wrong    []string
}

func newEnds(t *testing.T) *ends {
	t.Helper()
	e := &ends{tenant: emulator.NewTenant(5)}
	e.tenant.ID, e.tenant.ClientID, e.tenant.Secret = guideID, guideID, guideSecret
	generator := emulator.NewGenerator(9, false)
	for i := range guideAlerts {
		for _, api := range everyAPI {
			e.tenant.Add(api, generator.Record(api, time.Now().Add(-time.Hour-time.Duration(i)*time.Minute)))
		}
	}
	var err error
	if e.ca, err = emulator.NewCA(); err != nil {
		t.Fatal(err)
	}
	certificate, key, err := e.ca.Issue(time.Now().Add(24*time.Hour), append(append([]string{"127.0.0.1"}, microsoftHosts...), siemHosts...)...)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	secure := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	serve(t, "127.0.0.1:443", secure, http.HandlerFunc(e.microsoft))
	serve(t, loopbackAPI, nil, e.tenant)
	for address, config := range map[string]*tls.Config{"127.0.0.1:6514": secure, "127.0.0.1:514": nil} {
		r, err := emulator.Listen(address, config, e.receive)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(r.Close)
	}
	e.settle(t)
	return e
}

func serve(t *testing.T, address string, config *tls.Config, h http.Handler) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if config != nil {
		l = tls.NewListener(l, config)
	}
	s := &http.Server{Handler: h}
	t.Cleanup(func() { _ = s.Close() })
	go func() { _ = s.Serve(l) }()
}

// settle makes the machine know the names and trust the authority.
func (e *ends) settle(t *testing.T) {
	t.Helper()
	hosts, err := os.OpenFile("/etc/hosts", os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer hosts.Close()
	if _, err := fmt.Fprintf(hosts, "\n127.0.0.1 %s %s\n", strings.Join(microsoftHosts, " "), strings.Join(siemHosts, " ")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll("/usr/local/share/ca-certificates", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("/usr/local/share/ca-certificates/guides.crt", e.ca.PEM(), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("update-ca-certificates").CombinedOutput(); err != nil {
		t.Fatalf("update-ca-certificates: %v\n%s", err, out)
	}
}

// microsoft answers for Microsoft's hosts: it finds the emulator's path of what is asked. Signing in by a code, and by
// an assertion instead of a secret, is done here.
func (e *ends) microsoft(w http.ResponseWriter, r *http.Request) {
	prefix := map[string]string{"graph.microsoft.com": "/graph-alerts", "api.securitycenter.microsoft.com": "/alerts",
		"api.security.microsoft.com": "/incidents", "wdatp-alertexporter-eu.windows.com": "/detections", "login.microsoftonline.com": "/login"}[r.Host]
	if strings.HasSuffix(r.URL.Path, "/security/incidents") {
		prefix = "/graph-incidents"
	}
	if prefix == "/login" {
		if err := r.ParseForm(); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		const refresh = "0.of-the-user"
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.HasSuffix(r.URL.Path, "/devicecode"):
			fmt.Fprint(w, `{"device_code":"d","user_code":"ABCD","verification_uri":"https://microsoft.com/devicelogin","expires_in":900,"interval":1}`)
			return
		case r.PostForm.Get("device_code") == "d":
			e.tenant.SeedRefresh(refresh)
			fmt.Fprintf(w, `{"token_type":"Bearer","expires_in":3600,"access_token":"a","refresh_token":%q}`, refresh)
			return
		case strings.Count(r.PostForm.Get("client_assertion"), ".") == 2, r.PostForm.Get("grant_type") == "refresh_token":
			r.PostForm.Set("client_secret", guideSecret)
		}
	}
	r.URL.Path = prefix + r.URL.Path
	e.tenant.ServeHTTP(w, r)
}

func (e *ends) receive(got emulator.Received) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.received++
	if got.Err != nil || got.Partial {
		e.wrong = append(e.wrong, fmt.Sprintf("%v: %.200q", got.Err, got.Frame))
	}
}

// events returns how many events the SIEM has received, and forgets them.
func (e *ends) events() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := e.received
	e.received = 0
	return n
}
