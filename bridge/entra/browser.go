package entra

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// Browser has the user sign in with a browser on this machine, and returns the refresh token. Entra ID sends the
// browser back to redirect, which is http on localhost; port 0 or none takes any free port, which Entra ID allows
// for the redirect address http://localhost of a mobile and desktop application. Only an answer with the state of
// this sign-in counts, and its code is of use only together with a verifier that never leaves here (PKCE, RFC 7636).
func (s SignIn) Browser(ctx context.Context, redirect string, open func(address string)) (string, error) {
	c, err := s.config()
	if err != nil {
		return "", err
	}
	back, listeners, err := listenLocal(redirect)
	if err != nil {
		return "", &Error{Summary: "the browser cannot come back here (" + err.Error() + ")", Permanent: true, cause: err,
			Remedy: "name another port with --redirect, or sign in with --device"}
	}
	c.RedirectURL = back.String()
	state, verifier := oauth2.GenerateVerifier(), oauth2.GenerateVerifier()
	answers := make(chan url.Values, 1)
	server := &http.Server{Handler: landing(back.Path, state, answers), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10}
	for _, l := range listeners {
		go func() { _ = server.Serve(l) }() // ends with Close
	}
	defer server.Close()
	open(c.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("prompt", "select_account")))

	var answer url.Values
	select {
	case answer = <-answers:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	stop, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_ = server.Shutdown(stop) // the browser has its page then
	if answer.Get("error") != "" {
		return "", refusedSignIn(answer)
	}
	code := answer.Get("code")
	token, err := c.Exchange(s.within(ctx), code, oauth2.VerifierOption(verifier))
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	return refreshOf(token, err, append(hidden(c.ClientSecret, url.Values{"code": {code}}), verifier))
}

// listenLocal listens where localhost is, by IPv4 and, where it exists, IPv6.
func listenLocal(redirect string) (*url.URL, []net.Listener, error) {
	u, err := url.Parse(redirect)
	if err != nil || u.Scheme != "http" || u.Hostname() != "localhost" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, nil, fmt.Errorf("%q is not like http://localhost:8400/callback", redirect)
	}
	port := u.Port()
	if port == "" {
		port = "0"
	}
	first, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return nil, nil, err
	}
	_, port, err = net.SplitHostPort(first.Addr().String())
	if err != nil {
		return nil, nil, errors.Join(err, first.Close())
	}
	u.Host = "localhost:" + port
	listeners := []net.Listener{first}
	if second, err := net.Listen("tcp6", net.JoinHostPort("::1", port)); err == nil {
		listeners = append(listeners, second)
	}
	return u, listeners, nil
}

// landing is the page to which the browser comes back. It takes the first answer that carries the state.
func landing(path, state string, answers chan<- url.Values) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		answer := r.URL.Query()
		if r.Method != http.MethodGet || strings.Trim(r.URL.Path, "/") != strings.Trim(path, "/") {
			http.NotFound(w, r)
			return
		}
		if subtle.ConstantTimeCompare([]byte(answer.Get("state")), []byte(state)) != 1 || !answer.Has("code") && !answer.Has("error") {
			http.Error(w, "This is not the answer that siembridge waits for.", http.StatusBadRequest)
			return
		}
		select {
		case answers <- answer:
			_, _ = w.Write([]byte("siembridge has its answer. You may close this window and go back to the terminal.\n"))
		default:
			http.Error(w, "siembridge has its answer already.", http.StatusConflict)
		}
	})
}

// refusedSignIn is the error for a browser that comes back with a refusal (RFC 6749 section 4.1.2.1).
func refusedSignIn(v url.Values) *Error {
	a := answer{Error: v.Get("error"), Description: v.Get("error_description")}
	e := &Error{Code: a.code(), Permanent: true, Remedy: "start the sign-in again"}
	if known, ok := remedies[e.Code]; ok {
		e.Summary, e.Remedy = fmt.Sprintf("Entra ID refused the sign-in (AADSTS%d, %s)", e.Code, known.meaning), known.remedy
		return e
	}
	e.Summary = "Entra ID refused the sign-in" + a.text(nil)
	if a.Error == "access_denied" {
		e.Remedy = "have a user sign in who may consent to the app, or an administrator grant consent"
	}
	return e
}
