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
	secret, err := secretOf(g.Secret)
	if err != nil {
		return nil, err
	}
	if secret == "" {
		return nil, &Error{Summary: "the client secret is empty", Remedy: "put the secret's value in place", Permanent: true}
	}
	return g.App.exchange(ctx, secret, nil)
}

// secretOf asks for a client secret; "" where there is none to ask for, as with public clients.
func secretOf(ask func() (string, error)) (string, error) {
	if ask == nil {
		return "", nil
	}
	secret, err := ask()
	if err != nil {
		return "", &Error{Summary: "the client secret cannot be read (" + err.Error() + ")",
			Remedy: "check the path and its permissions", Permanent: true, cause: err}
	}
	return secret, nil
}
