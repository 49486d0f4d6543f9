package entra

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// Error says why there is no token. It reads as one line.
type Error struct {
	Code    int    // Entra ID's AADSTS number; 0 when the answer held none
	Status  int    // HTTP status; 0 when there was no answer
	Summary string // what happened, without secrets
	Remedy  string // what the operator does next

	// Permanent: asking again with the same credential gives the same answer, so callers retry in minutes, not
	// seconds (AADSTS50196 exists because of clients that do otherwise).
	Permanent  bool
	RetryAfter time.Duration // what the server asked for; 0: nothing

	cause error     // of the network, never holding a body
	date  time.Time // when Entra ID answered by its own clock; zero when it did not say
}

// Error joins what happened and what to do.
func (e *Error) Error() string {
	if e.Remedy == "" {
		return e.Summary
	}
	return e.Summary + "; " + e.Remedy
}

// Unwrap returns the network's error, if it was that.
func (e *Error) Unwrap() error { return e.cause }

// maxText bounds what is repeated of a server's text, in bytes.
const maxText = 300

// answer is the body of a refused token request (Microsoft identity platform, "error response").
type answer struct {
	Error       string            `json:"error"`
	Description string            `json:"error_description"`
	Codes       []json.RawMessage `json:"error_codes"` // numbers, tolerated as strings
	Trace       string            `json:"trace_id"`
	Correlation string            `json:"correlation_id"`
}

// newError makes an Error of what the oauth2 package returned.
func newError(err error, secrets []string) *Error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) || refused.Response == nil {
		return unreachable(err, secrets)
	}
	e := &Error{Status: refused.Response.StatusCode, RetryAfter: retryAfter(refused.Response.Header)}
	e.date, _ = http.ParseTime(refused.Response.Header.Get("Date"))
	var a answer
	if json.Unmarshal(refused.Body, &a) != nil {
		a = answer{}
	}
	e.Code = a.code()
	known, ok := remedies[e.Code]
	switch {
	case ok:
		e.Summary = fmt.Sprintf("Entra ID refused the token request (AADSTS%d, %s)", e.Code, known.meaning)
		e.Remedy, e.Permanent = known.remedy, !known.retry
	case e.Status >= 500 || e.Status == http.StatusTooManyRequests || e.Status == http.StatusRequestTimeout:
		e.Summary = fmt.Sprintf("the token endpoint answered %d%s", e.Status, a.text(secrets))
		e.Remedy = "it is asked again"
	case e.Status >= 300 && e.Status < 400:
		e.Summary = fmt.Sprintf("the token endpoint answered %d, a redirect, which is not followed", e.Status)
		e.Remedy, e.Permanent = "correct cloud or token_url, or the proxy in between", true
	default:
		e.Summary = fmt.Sprintf("the token endpoint answered %d%s", e.Status, a.text(secrets))
		e.Remedy, e.Permanent = "check tenant_id, client_id, cloud and the credential", true
	}
	if a.Trace != "" || a.Correlation != "" {
		e.Summary += " " + clean(fmt.Sprintf("[trace id %s, correlation id %s]", a.Trace, a.Correlation), secrets)
	}
	return e
}

// unreachable is the error for a request that had no usable answer.
func unreachable(err error, secrets []string) *Error {
	e := &Error{Summary: "the token endpoint gave no usable answer (" + clean(err.Error(), secrets) + ")", cause: err}
	e.Remedy = "check the network, proxy_url and ca_file; it is asked again"
	return e
}

var aadsts = regexp.MustCompile(`AADSTS(\d{1,9})`)

// code returns the first error code, or else the first AADSTS number in the description.
func (a answer) code() int {
	for _, raw := range a.Codes {
		if n, err := strconv.Atoi(strings.Trim(string(raw), `"`)); err == nil && n > 0 {
			return n
		}
	}
	if m := aadsts.FindStringSubmatch(a.Description); m != nil {
		n, _ := strconv.Atoi(m[1])
		return n
	}
	return 0
}

// text is the server's own words, for codes that no table explains.
func (a answer) text(secrets []string) string {
	words := strings.TrimSpace(a.Error + " " + a.Description)
	if words == "" {
		return ""
	}
	return ": " + clean(words, secrets)
}

// clean makes text from outside fit for one log line: secrets out, control characters to blanks, bounded.
func clean(s string, secrets []string) string {
	for _, secret := range secrets {
		s = strings.ReplaceAll(s, secret, "***")
	}
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "?"), func(r rune) bool { return r <= ' ' || r == 0x7f }), " ")
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + "…"
	}
	return s
}

// retryAfter reads a Retry-After header in seconds; dates do not occur at the token endpoint.
func retryAfter(h http.Header) time.Duration {
	n, err := strconv.Atoi(strings.TrimSpace(h.Get("Retry-After")))
	if err != nil || n < 0 || n > 7*24*3600 {
		return 0
	}
	return time.Duration(n) * time.Second
}
