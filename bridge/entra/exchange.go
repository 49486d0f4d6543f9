package entra

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// requestTimeout bounds one token request from dial to the end of the body.
const requestTimeout = 60 * time.Second

// exchange sends one token request. form holds the parameters of the grant; every value of it and the secret are kept
// out of errors.
func (a App) exchange(ctx context.Context, secret string, form url.Values) (*oauth2.Token, error) {
	if err := CheckURL(a.TokenURL); err != nil {
		return nil, &Error{Summary: "token endpoint: " + err.Error(), Remedy: "correct token_url", Permanent: true}
	}
	client := http.Client{Timeout: requestTimeout}
	if a.Client != nil {
		client = *a.Client
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

	if form == nil {
		form = url.Values{}
	}
	config := clientcredentials.Config{
		ClientID:       a.ClientID,
		ClientSecret:   secret,
		TokenURL:       a.TokenURL,
		EndpointParams: form,
		AuthStyle:      oauth2.AuthStyleInParams,
	}
	if a.Resource != "" {
		form.Set("resource", a.Resource)
	} else {
		config.Scopes = []string{a.Scope}
	}
	token, err := config.Token(context.WithValue(ctx, oauth2.HTTPClient, &client))
	if err != nil {
		return nil, newError(err, hidden(secret, form))
	}
	return token, nil
}

// hidden lists what must never be seen in an error: the secret and what the form proves, plain and as sent.
func hidden(secret string, form url.Values) []string {
	var all []string
	add := func(s string) {
		if s != "" {
			all = append(all, s)
			if escaped := url.QueryEscape(s); escaped != s {
				all = append(all, escaped)
			}
		}
	}
	add(secret)
	for _, key := range []string{"refresh_token", "client_assertion", "code", "device_code", "password"} {
		add(form.Get(key))
	}
	return all
}
