package entra

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// Certificate is the client credentials grant with a certificate: instead of a secret, a signed statement goes out
// that is good for ten minutes and for one token endpoint (Microsoft identity platform, "certificate credentials").
type Certificate struct {
	App App // who asks
	// Files are read before each request, so that a certificate that was replaced is used at once.
	Files CertificateFiles

	ahead time.Duration // how far Entra ID's clock is ahead of ours, known once it has refused an assertion for its times
}

// clockRefused is the code for an assertion that is not good yet or not any more by Entra ID's clock.
const clockRefused = 700024

// newCertificate is the remedy for one that ends.
const newCertificate = "make a new one, upload it to the app registration and put it into certificate_file"

// Token asks for a new access token. When Entra ID refuses the assertion because our clock is off, it is made once
// more by Entra ID's clock, as its answer tells it.
func (g *Certificate) Token(ctx context.Context) (*oauth2.Token, error) {
	credential, err := g.Files.load()
	if err != nil {
		return nil, &Error{Summary: "the certificate cannot be used (" + err.Error() + ")", Remedy: "correct certificate_file",
			Permanent: true, cause: err}
	}
	if end := credential.leaf.NotAfter; time.Now().After(end) {
		return nil, &Error{Summary: "the certificate ended on " + end.UTC().Format(time.DateOnly), Permanent: true,
			Remedy: newCertificate}
	}
	token, err := g.ask(ctx, credential)
	var e *Error
	if !errors.As(err, &e) {
		return token, err
	}
	if e.Code == clockRefused && !e.date.IsZero() {
		g.ahead = time.Until(e.date)
		if token, err = g.ask(ctx, credential); err == nil {
			return token, nil
		}
		errors.As(err, &e)
	}
	if e.Code == 700027 {
		e.Remedy += fmt.Sprintf(" (its thumbprint, as the portal shows it, is %s)", credential.thumbprint())
	}
	return nil, err
}

func (g *Certificate) ask(ctx context.Context, c *credential) (*oauth2.Token, error) {
	assertion, err := c.assertion(g.App.ClientID, g.App.TokenURL, time.Now().Add(g.ahead))
	if err != nil {
		return nil, &Error{Summary: "the certificate's key cannot sign (" + err.Error() + ")", Remedy: "correct certificate_file",
			Permanent: true, cause: err}
	}
	return g.App.assert(ctx, assertion)
}

// assert sends a client credentials request with a client assertion (RFC 7523 section 2.2).
func (a App) assert(ctx context.Context, assertion string) (*oauth2.Token, error) {
	return a.exchange(ctx, "", url.Values{
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {strings.TrimSpace(assertion)},
	})
}
