package emulator

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// refreshChain is the chain of refresh tokens: each use gives a successor, and a token is honoured until its successor
// has been used.
type refreshChain struct {
	current, next string
}

// SeedRefresh sets the first refresh token.
func (t *Tenant) SeedRefresh(value string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refresh = refreshChain{current: value}
}

// token answers a request for a token at the v1 or v2 endpoint.
func (t *Tenant) token(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || r.Method != http.MethodPost {
		t.entraError(w, 900144, "invalid_request", "The request body must contain the parameter grant_type.")
		return
	}
	v2 := strings.HasSuffix(r.URL.Path, "/oauth2/v2.0/token")
	audience := r.PostForm.Get("resource")
	if v2 {
		scope, ok := strings.CutSuffix(r.PostForm.Get("scope"), "/.default")
		if !ok {
			t.entraError(w, 70011, "invalid_scope", "The provided value for scope is not valid; it must end in /.default.")
			return
		}
		audience = scope
	}
	id, secret := r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	if user, password, ok := r.BasicAuth(); ok {
		id, secret = user, password
	}
	t.mu.Lock()
	tenant, client, value := t.ID, t.ClientID, t.Secret
	t.mu.Unlock()
	switch {
	case !strings.HasPrefix(r.URL.Path, "/login/"+tenant+"/"):
		t.entraError(w, 90002, "invalid_request", "Tenant not found. Check to make sure you have the correct tenant ID.")
	case id != client:
		t.entraError(w, 700016, "unauthorized_client", "Application was not found in the directory.")
	case secret != value:
		t.entraError(w, 7000215, "invalid_client", "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID.")
	case r.PostForm.Get("grant_type") == "client_credentials":
		t.issue(w, audience, v2, "")
	case r.PostForm.Get("grant_type") == "refresh_token":
		next, ok := t.rotate(r.PostForm.Get("refresh_token"))
		if !ok {
			t.entraError(w, 700082, "invalid_grant", "The refresh token has expired due to inactivity.")
			return
		}
		t.issue(w, audience, v2, next)
	default:
		t.entraError(w, 70003, "unsupported_grant_type", "The app requested an unsupported grant type.")
	}
}

// rotate uses a refresh token and returns its successor.
func (t *Tenant) rotate(used string) (next string, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case used == "":
		return "", false
	case used == t.refresh.next:
		t.refresh = refreshChain{current: used, next: random()}
	case used == t.refresh.current:
		if t.refresh.next == "" {
			t.refresh.next = random()
		}
	default:
		return "", false
	}
	return t.refresh.next, true
}

func (t *Tenant) issue(w http.ResponseWriter, audience string, v2 bool, refresh string) {
	t.mu.Lock()
	life := t.TokenLife
	expires, roles := t.Now().Add(life), t.roles(audience)
	value := t.jwt(audience, roles, expires)
	t.tokens[value] = token{audience, roles, expires}
	t.served[http.StatusOK]++
	issued := t.issued
	t.mu.Unlock()
	seconds := int(life.Seconds())
	answer := map[string]any{"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": value}
	if !v2 { // the v1 endpoint writes numbers as strings
		answer["expires_in"], answer["ext_expires_in"] = strconv.Itoa(seconds), strconv.Itoa(seconds)
		answer["expires_on"], answer["resource"] = strconv.FormatInt(expires.Unix(), 10), audience
	}
	if refresh != "" {
		answer["refresh_token"] = refresh
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(answer)
	if issued != nil {
		_ = http.NewResponseController(w).Flush()
		issued()
	}
}

// roles are the application permissions of the tokens for an audience: all of its APIs, but for those withdrawn.
func (t *Tenant) roles(audience string) (roles []string) {
	for _, a := range apis {
		if a.audience == audience && a.role != "" && !slices.Contains(t.Withdrawn, a.role) {
			roles = append(roles, a.role)
		}
	}
	slices.Sort(roles)
	return roles
}

// jwt writes an access token as Entra ID does, with a signature that nobody can check.
func (t *Tenant) jwt(audience string, roles []string, expires time.Time) string {
	part := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	return part(map[string]any{"typ": "JWT", "alg": "RS256"}) + "." +
		part(map[string]any{"aud": audience, "tid": t.ID, "appid": t.ClientID, "roles": roles, "exp": expires.Unix()}) + "." + random()
}

func (t *Tenant) entraError(w http.ResponseWriter, code int, name, text string) {
	status := http.StatusBadRequest
	if name == "invalid_client" {
		status = http.StatusUnauthorized
	}
	t.count(status)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	const trace, correlation = "44444444-4444-4444-8444-444444444444", "55555555-5555-4555-8555-555555555555"
	_ = json.NewEncoder(w).Encode(map[string]any{"error": name, "error_codes": []int{code},
		"error_description": fmt.Sprintf("AADSTS%d: %s Trace ID: %s Correlation ID: %s", code, text, trace, correlation),
		"timestamp":         t.Now().UTC().Format("2006-01-02 15:04:05Z"), "trace_id": trace, "correlation_id": correlation})
}

func random() string {
	b := make([]byte, 24)
	_, _ = rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}
