package entra

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// ManagedIdentity gets tokens from the host that siembridge runs on: Azure answers for the machine, so there is no
// secret at all. It knows Azure VMs, App Service with Functions and Container Apps, and servers joined by Azure Arc
// (Azure, "managed identities", "how to use managed identities to get a token").
type ManagedIdentity struct {
	// App tells the API, and by its ClientID a user-assigned identity; without one it is the machine's own. Its
	// TokenURL and Client are not used.
	App App
	// Endpoint overrides the address of a VM's metadata service; loopback or link-local only, unless https.
	Endpoint string

	getenv func(string) string // os.Getenv, except in tests
	arc    arcHost             // likewise
	client *http.Client        // likewise
}

// host is how tokens are asked for on one kind of host.
type host struct {
	name    string
	address string
	version string
	header  [2]string // name and value
}

// arcName is the one host that asks back.
const arcName = "Azure Arc"

// vmAddress is the metadata service of every Azure VM.
const vmAddress = "http://169.254.169.254/metadata/identity/oauth2/token"

// where finds out what kind of host this is. The variables are set by the platform.
func (g *ManagedIdentity) where() (host, error) {
	endpoint, secret := g.getenv("IDENTITY_ENDPOINT"), g.getenv("IDENTITY_HEADER")
	vm := host{"Azure VM", vmAddress, "2018-02-01", [2]string{"Metadata", "true"}}
	switch {
	case g.Endpoint != "":
		vm.address = g.Endpoint
		return vm, nil
	case endpoint != "" && g.getenv("IDENTITY_SERVER_THUMBPRINT") != "":
		return host{}, fmt.Errorf("managed identities of Service Fabric are not known here")
	case endpoint != "" && secret != "":
		return host{"App Service", endpoint, "2019-08-01", [2]string{"X-IDENTITY-HEADER", secret}}, nil
	case g.arc.present():
		return host{arcName, g.arc.address, "2020-06-01", [2]string{"Metadata", "true"}}, nil
	}
	return vm, nil
}

// Token asks the host for a token. Proxies are never used: the answer is for this machine alone.
func (g *ManagedIdentity) Token(ctx context.Context) (*oauth2.Token, error) {
	g.defaults()
	at, err := g.where()
	if err == nil {
		err = onHost(at.address)
	}
	if err != nil {
		return nil, &Error{Summary: "there is no managed identity (" + err.Error() + ")", Remedy: "choose another auth", Permanent: true}
	}
	query := url.Values{"api-version": {at.version}, "resource": {g.App.audience()}}
	if g.App.ClientID != "" {
		query.Set("client_id", g.App.ClientID)
	}
	address, secrets := at.address+"?"+query.Encode(), hidden(at.header[1], nil)
	status, header, body, err := g.get(ctx, address, at.header)
	if err == nil && status == http.StatusUnauthorized && at.name == arcName {
		proof, wrong := g.arc.proof(header.Get("WWW-Authenticate"))
		if wrong != nil {
			return nil, &Error{Summary: "Azure Arc asks for a key that cannot be read (" + wrong.Error() + ")", Permanent: true,
				Remedy: "add siembridge's user to the group himds"}
		}
		secrets = hidden(proof, nil)
		status, header, body, err = g.get(ctx, address, at.header, [2]string{"Authorization", "Basic " + proof})
	}
	switch {
	case err != nil:
		return nil, unreachableHost(at, err, secrets)
	case status != http.StatusOK:
		return nil, hostError(at, status, header, body, secrets)
	}
	return hostToken(at, body)
}

func (g *ManagedIdentity) defaults() {
	if g.getenv == nil {
		g.getenv = os.Getenv
	}
	if g.arc == (arcHost{}) {
		g.arc = thisArcHost()
	}
	if g.client == nil {
		dialer := &net.Dialer{Timeout: 5 * time.Second} // outside Azure nobody answers
		g.client = &http.Client{Timeout: requestTimeout, Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}}
	}
	g.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
}

// maxHostAnswer bounds the host's answer in bytes.
const maxHostAnswer = 1 << 20

func (g *ManagedIdentity) get(ctx context.Context, address string, headers ...[2]string) (int, http.Header, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, nil, nil, err
	}
	for _, h := range headers {
		request.Header.Set(h[0], h[1])
	}
	response, err := g.client.Do(request)
	if err != nil {
		return 0, nil, nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxHostAnswer))
	return response.StatusCode, response.Header, body, err
}

// onHost reports an address that leaves this machine and its host unencrypted.
func onHost(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return fmt.Errorf("%q is no address of a token service", address)
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme == "https" || u.Scheme == "http" && (loopback(u.Hostname()) || ip != nil && ip.IsLinkLocalUnicast()) {
		return nil
	}
	return fmt.Errorf("%q is not on this host", address)
}

// hostToken reads an answer. Its numbers are strings, and the end is told as a span, or as a time, or both.
func hostToken(at host, body []byte) (*oauth2.Token, error) {
	var a struct {
		AccessToken string          `json:"access_token"`
		Type        string          `json:"token_type"`
		In          json.RawMessage `json:"expires_in"`
		On          json.RawMessage `json:"expires_on"`
	}
	if json.Unmarshal(body, &a) != nil || a.AccessToken == "" {
		return nil, &Error{Status: http.StatusOK, Summary: "the managed identity's answer (" + at.name + ") holds no token", Remedy: "it is asked again"}
	}
	token := &oauth2.Token{AccessToken: a.AccessToken, TokenType: a.Type}
	if in := number(a.In); in > 0 {
		token.Expiry = time.Now().Add(time.Duration(in) * time.Second)
	} else if on := number(a.On); on > 0 {
		token.Expiry = time.Unix(on, 0)
	}
	return token, nil
}

// number reads a number that may be in quotes; 0 when it is none, or beyond 9999.
func number(raw json.RawMessage) int64 {
	n, err := strconv.ParseInt(strings.Trim(string(raw), `"`), 10, 64)
	if err != nil || n < 0 || n > 253402300799 {
		return 0
	}
	return n
}
