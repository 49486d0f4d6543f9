package entra

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"
)

// SignIn gets a first refresh token from a user: by a browser on this machine ([SignIn.Browser]), or by a code that
// the user enters in a browser anywhere ([SignIn.Device]). Both run at the v2 endpoint, also for APIs whose tokens
// come from the v1 endpoint: refresh tokens are good at both.
type SignIn struct {
	App App // for whom the user signs in
	// Secret returns the client secret of a confidential client; nil for public clients.
	Secret func() (string, error)
}

// config is the application as golang.org/x/oauth2 wants it.
func (s SignIn) config() (*oauth2.Config, error) {
	if err := CheckURL(s.App.TokenURL); err != nil {
		return nil, &Error{Summary: "token endpoint: " + err.Error(), Remedy: "correct token_url", Permanent: true}
	}
	base, ok := strings.CutSuffix(s.App.TokenURL, "/token")
	if !ok {
		return nil, &Error{Summary: "the sign-in's address cannot be told from token_url, which does not end in /token",
			Remedy: "correct token_url, or leave it out", Permanent: true}
	}
	if v1, ok := strings.CutSuffix(base, "/oauth2"); ok {
		base = v1 + "/oauth2/v2.0"
	}
	secret, err := secretOf(s.Secret)
	if err != nil {
		return nil, err
	}
	return &oauth2.Config{
		ClientID: s.App.ClientID, ClientSecret: secret, Scopes: []string{s.App.audience() + "/.default", "offline_access"},
		Endpoint: oauth2.Endpoint{AuthURL: base + "/authorize", DeviceAuthURL: base + "/devicecode", TokenURL: base + "/token", AuthStyle: oauth2.AuthStyleInParams},
	}, nil
}

// within is ctx with the application's HTTP client, which follows no redirect.
func (s SignIn) within(ctx context.Context) context.Context {
	client := http.Client{Timeout: requestTimeout}
	if s.App.Client != nil {
		client = *s.App.Client
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return context.WithValue(ctx, oauth2.HTTPClient, &client)
}

// Device asks for a code, has it shown to the user, and waits until he has signed in with it (RFC 8628). It returns
// the refresh token. Its error is an *Error or ctx's.
func (s SignIn) Device(ctx context.Context, show func(address, code string)) (string, error) {
	c, err := s.config()
	if err != nil {
		return "", err
	}
	within := s.within(ctx)
	device, err := c.DeviceAuth(within)
	if err != nil {
		return "", newError(err, hidden(c.ClientSecret, nil))
	}
	show(clean(device.VerificationURI, nil), clean(device.UserCode, nil))
	token, err := c.DeviceAccessToken(within, device)
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "", &Error{Summary: "nobody signed in while the code was good", Remedy: "start the sign-in again", Permanent: true}
	}
	return refreshOf(token, err, hidden(c.ClientSecret, url.Values{"device_code": {device.DeviceCode}}))
}

// refreshOf takes the refresh token out of what a sign-in brought.
func refreshOf(token *oauth2.Token, err error, secrets []string) (string, error) {
	if err != nil {
		return "", newError(err, secrets)
	}
	if token.RefreshToken == "" {
		return "", &Error{Summary: "the sign-in brought no refresh token", Permanent: true,
			Remedy: "allow offline_access for the app: an administrator may have to consent to it"}
	}
	return token.RefreshToken, nil
}
