package entra

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
)

const (
	testTenant = "11111111-2222-4333-8444-555555555555"
	testClient = "99999999-8888-4777-8666-555555555555"
	testSecret = "s~cr.t+with/odd=signs&more"
	testScope  = "https://graph.microsoft.com/.default"
)

// endpoint is a token endpoint that holds each request against what it must be. accept sees the form of a request
// that has the right method, type, path and client, and returns an AADSTS code, or 0 and further members of the answer.
type endpoint struct {
	*httptest.Server
	t      *testing.T
	v1     bool
	accept func(form url.Values) (code int, members map[string]any)

	mu       sync.Mutex
	requests int
	override http.HandlerFunc // instead of everything above
}

func newEndpoint(t *testing.T, v1 bool) *endpoint {
	e := &endpoint{t: t, v1: v1, accept: func(url.Values) (int, map[string]any) { return 0, nil }}
	e.Server = httptest.NewServer(e)
	t.Cleanup(e.Close)
	return e
}

// app is an application that fits the endpoint.
func (e *endpoint) app() App {
	a := App{TokenURL: TokenURL(e.URL, testTenant, e.v1), ClientID: testClient, Client: e.Client()}
	if e.v1 {
		a.Resource = "https://graph.windows.net"
	} else {
		a.Scope = testScope
	}
	return a
}

func (e *endpoint) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.requests
}

func (e *endpoint) answerWith(h http.HandlerFunc) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.override = h
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.requests++
	if e.override != nil {
		e.override(w, r)
		return
	}
	path := "/" + testTenant + "/oauth2/v2.0/token"
	if e.v1 {
		path = "/" + testTenant + "/oauth2/token"
	}
	kind := r.Header.Get("Content-Type")
	err := r.ParseForm()
	switch {
	case r.Method != http.MethodPost, kind != "application/x-www-form-urlencoded", err != nil:
		refuse(w, 900144, "the request is no form")
	case r.URL.Path != path:
		refuse(w, 90002, "no tenant at "+r.URL.Path)
	case r.URL.RawQuery != "", r.Header.Get("Authorization") != "":
		refuse(w, 900144, "credentials belong into the form")
	case r.PostForm.Get("client_id") != testClient:
		refuse(w, 700016, "no app "+r.PostForm.Get("client_id"))
	case e.v1 && (r.PostForm.Get("resource") != "https://graph.windows.net" || r.PostForm.Has("scope")):
		refuse(w, 50001, "the resource is "+r.PostForm.Get("resource"))
	case !e.v1 && r.PostForm.Has("resource"):
		refuse(w, 901002, "resource")
	case !e.v1 && !strings.HasSuffix(strings.Fields(r.PostForm.Get("scope") + " -")[0], "/.default"):
		refuse(w, 70011, "the scope is "+r.PostForm.Get("scope"))
	default:
		code, members := e.accept(r.PostForm)
		if code != 0 {
			refuse(w, code, "refused")
			return
		}
		issue(w, e.requests, e.v1, members)
	}
}

// issue answers with a token named after the request's number.
func issue(w http.ResponseWriter, n int, v1 bool, members map[string]any) {
	answer := map[string]any{"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": fmt.Sprintf("access-%d", n)}
	if v1 {
		answer["expires_in"] = "3599"
	}
	for k, v := range members {
		answer[k] = v
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(answer)
}

// refuse answers as Entra ID does.
func refuse(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": "invalid_request", "error_codes": []int{code}, "trace_id": "trace", "correlation_id": "correlation",
		"error_description": fmt.Sprintf("AADSTS%d: %s\r\nTrace ID: trace\r\nCorrelation ID: correlation", code, text)})
}

// clientSecretOnly accepts the client credentials grant with the secret and nothing else.
func clientSecretOnly(form url.Values) (int, map[string]any) {
	switch {
	case form.Get("grant_type") != "client_credentials":
		return 70003, nil
	case form.Get("client_secret") == "":
		return 7000218, nil
	case form.Get("client_secret") != testSecret:
		return 7000215, nil
	}
	return 0, nil
}

func secretIs(s string) func() (string, error) { return func() (string, error) { return s, nil } }
