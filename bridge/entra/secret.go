package entra

import (
	"context"

	"golang.org/x/oauth2"
)

// ClientSecret is the client credentials grant with a shared secret.
type ClientSecret struct {
	App App // who asks
	// Secret returns the secret; it is asked before each request, so that a file that was replaced is read again.
	Secret func() (string, error)
}

// Token asks for a new access token.
func (g ClientSecret) Token(ctx context.Context) (*oauth2.Token, error) {
	secret, err := g.Secret()
	if err == nil && secret == "" {
		return nil, &Error{Summary: "the client secret is empty", Remedy: "put the secret's value in place", Permanent: true}
	}
	if err != nil {
		return nil, &Error{Summary: "the client secret cannot be read (" + err.Error() + ")",
			Remedy: "check the path and its permissions", Permanent: true, cause: err}
	}
	return g.App.exchange(ctx, secret, nil)
}
