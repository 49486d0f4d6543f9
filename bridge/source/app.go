package source

import (
	"net/http"
	"time"

	"github.com/siembridge/siembridge/bridge/entra"
)

// App is the application of a source as the token endpoint sees it, for a sign-in outside a run.
func App(o Options) (entra.App, error) {
	a, err := findAPI(o.API)
	if err != nil {
		return entra.App{}, err
	}
	_, audience, err := endpointOf(&o, a)
	if err != nil {
		return entra.App{}, err
	}
	h, err := newHTTP(&o)
	if err != nil {
		return entra.App{}, err
	}
	return appOf(&o, a, audience, h), nil
}

// appOf is the application with the token endpoint and the audience that fit the API and the cloud.
func appOf(o *Options, a *api, audience string, h *http.Client) entra.App {
	app := entra.App{TokenURL: o.TokenURL, ClientID: o.ClientID, Client: &http.Client{Transport: h.Transport, Timeout: time.Minute}}
	if app.TokenURL == "" {
		app.TokenURL = entra.TokenURL(authority(o.Cloud), o.TenantID, a.v1)
	}
	if a.v1 {
		app.Resource = audience
	} else {
		app.Scope = audience + "/.default"
	}
	return app
}
