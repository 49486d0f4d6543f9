// Package entra gets access tokens from Microsoft Entra ID and keeps them fresh.
//
// A [Grant] is one way to prove who we are: [ClientSecret], [Certificate], [RefreshToken], [ManagedIdentity] and
// [FederatedToken]; another kind of credential is one more type with a Token method. Those that end one day tell it by
// an [Expiry]. A [Cache] holds the token of one grant, renews it before it ends and forgets it when an
// API refuses it. Whatever goes wrong comes back as an [*Error]: one line that says what Entra ID refused and what the
// operator does about it, and whether asking again can help.
//
// Token requests go over https, or http to loopback; they follow no redirect, so that a secret is never sent on to
// another host. No error and no log line holds a secret or a token.
package entra

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"
)

// Grant fetches a new access token by one kind of credential. Its error is an *Error. It is called by one goroutine
// at a time.
type Grant interface {
	// Token asks for one; ctx bounds the asking.
	Token(ctx context.Context) (*oauth2.Token, error)
}

// App is the registered application that asks, and what it asks for. Exactly one of Scope and Resource is set.
type App struct {
	TokenURL string // complete token endpoint, see TokenURL
	ClientID string // of the app registration
	Scope    string // v2 endpoint, e.g. https://graph.microsoft.com/.default
	Resource string // v1 endpoint, e.g. https://graph.windows.net

	Client *http.Client // proxy, CA and timeouts; nil: a default. Its redirect policy is not used
}

// audience is the API as managed identities name it: without the /.default of a scope.
func (a App) audience() string {
	if a.Resource != "" {
		return a.Resource
	}
	return strings.TrimSuffix(a.Scope, "/.default")
}

// The authorities of the clouds (defender-apis section 0: "login authority").
const (
	AuthorityPublic     = "https://login.microsoftonline.com"
	AuthorityGovernment = "https://login.microsoftonline.us"
)

// TokenURL returns the token endpoint of a tenant: the v1 endpoint takes a resource, the v2 endpoint a scope
// (Microsoft identity platform, "OAuth 2.0 client credentials flow").
func TokenURL(authority, tenant string, v1 bool) string {
	version := "/oauth2/v2.0/token"
	if v1 {
		version = "/oauth2/token"
	}
	return strings.TrimSuffix(authority, "/") + "/" + url.PathEscape(tenant) + version
}

// CheckURL reports why secrets and tokens may not be sent to an address: it must be https, or http to loopback, and
// hold no user name.
func CheckURL(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "":
		return fmt.Errorf("%q is not a URL with a host", address)
	case u.User != nil:
		return fmt.Errorf("the URL for %s must not hold a user name or password", u.Host)
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return nil
	}
	return fmt.Errorf("%q must begin with https:// (http:// is allowed to loopback only)", address)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
