package source

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/siembridge/siembridge/bridge/entra"
)

// Reason says in one word why a poll failed; it is the label of siembridge_poll_errors_total.
type Reason string

// All reasons.
const (
	ReasonToken      Reason = "token"      // no access token
	ReasonAuth       Reason = "auth"       // 401, twice
	ReasonPermission Reason = "permission" // 403
	ReasonRequest    Reason = "request"    // another 4xx
	ReasonThrottled  Reason = "throttled"  // 429, or 503 with Retry-After
	ReasonServer     Reason = "server"     // 5xx
	ReasonNetwork    Reason = "network"    // no connection, reset
	ReasonTimeout    Reason = "timeout"    // no answer in time
	ReasonResponse   Reason = "response"   // cut short, HTML, not JSON, partial
	ReasonBuffer     Reason = "buffer"     // the buffer did not take it
	ReasonFile       Reason = "file"       // a file cannot be read
)

// reasons is the closed list, for metrics.
var reasons = []Reason{ReasonToken, ReasonAuth, ReasonPermission, ReasonRequest, ReasonThrottled, ReasonServer,
	ReasonNetwork, ReasonTimeout, ReasonResponse, ReasonBuffer, ReasonFile}

// Error says why a request brought nothing, and what the operator does.
type Error struct {
	Reason  Reason        // the kind, which callers decide by
	Status  int           // HTTP status; 0: none
	Message string        // what happened, without secrets
	Remedy  string        // what the operator does next; "": the message says all
	Wait    time.Duration // what the server asked for
	Slow    bool          // only the operator can cure it: retried in minutes

	cause error
}

// Error joins what happened and what to do, in one line.
func (e *Error) Error() string {
	if e.Remedy == "" {
		return e.Message
	}
	return e.Message + "; " + e.Remedy
}

// Unwrap returns what lies beneath, if anything.
func (e *Error) Unwrap() error { return e.cause }

// windowed reports whether the failure may lie in the records of the window.
func (e *Error) windowed() bool {
	switch e.Reason {
	case ReasonServer, ReasonNetwork, ReasonTimeout, ReasonResponse:
		return true
	}
	return false
}

// tokenError translates what entra says.
func tokenError(err error) *Error {
	var e *entra.Error
	if errors.As(err, &e) {
		return &Error{Reason: ReasonToken, Status: e.Status, Message: e.Summary, Remedy: e.Remedy, Wait: e.RetryAfter,
			Slow: e.Permanent, cause: err}
	}
	return &Error{Reason: ReasonToken, Message: err.Error(), cause: err}
}

// maxWait bounds a Retry-After: longer than a day is no throttling.
const maxWait = 24 * time.Hour

// statusError judges an answer by its status. body is the beginning of what came with it.
func (a *api) statusError(status int, header http.Header, body []byte, now time.Time) *Error {
	said := serverWords(body)
	e := &Error{Status: status, Message: fmt.Sprintf("the API answered %d%s", status, said)}
	wait := retryAfter(header, now)
	switch {
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable && wait > 0, status == 509:
		e.Reason, e.Wait, e.Remedy = ReasonThrottled, wait, "it is asked again later; if it stays so, set requests_per_minute lower"
	case status == http.StatusUnauthorized:
		e.Reason, e.Slow = ReasonAuth, true
		e.Remedy = "the API does not accept the token: check cloud, region and endpoint, and that the app belongs to this tenant"
	case status == http.StatusForbidden:
		e.Reason, e.Slow = ReasonPermission, true
		e.Remedy = "the app needs " + a.permission + " (" + a.grant + "); the tenant needs a Defender licence"
	case status == http.StatusRequestTimeout:
		e.Reason, e.Remedy = ReasonTimeout, "it is asked again"
	case status >= 500:
		e.Reason, e.Remedy = ReasonServer, "it is asked again"
	case status >= 400:
		e.Reason, e.Slow, e.Remedy = ReasonRequest, true, "check api, cloud, region and endpoint"
	case status >= 300:
		e.Reason, e.Slow, e.Remedy = ReasonRequest, true, "it redirects, which is not followed: check endpoint, or the proxy in between"
	default:
		e.Reason, e.Remedy = ReasonResponse, "a partial answer is not used; it is asked again"
	}
	return e
}

// serverWords takes code and message out of an error body of any of the APIs; "" when there are none.
func serverWords(body []byte) string {
	type words struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	var one words
	var wrapped struct{ Value []words }
	if json.Unmarshal(body, &one) != nil {
		if text := strings.TrimSpace(string(body)); strings.HasPrefix(text, "<") {
			return " with HTML (a proxy or a sign-in page?)"
		}
		return ""
	}
	if one.Error.Code == "" && one.Error.Message == "" && json.Unmarshal(body, &wrapped) == nil && len(wrapped.Value) > 0 {
		one = wrapped.Value[0]
	}
	text := strings.TrimSpace(strings.TrimSpace(one.Error.Code) + " " + one.Error.Message)
	if text == "" {
		return ""
	}
	return " (" + oneLine(text, 300) + ")"
}

// oneLine makes text from outside fit for a log line and bounds it.
func oneLine(s string, limit int) string {
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "?"), func(r rune) bool { return r <= ' ' || r == 0x7f }), " ")
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return s
}

// without takes a secret out of text from outside: some gateways repeat the request in their answer.
func without(secret, s string) string { return strings.ReplaceAll(s, secret, "***") }

// retryAfter reads Retry-After: seconds, or a date, which counts from the server's own Date (RFC 9110, 10.2.3).
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	var wait time.Duration
	if n, err := strconv.ParseFloat(v, 64); err == nil && n > 0 {
		wait = time.Duration(min(n, maxWait.Seconds()) * float64(time.Second))
	} else if at, err := http.ParseTime(v); err == nil {
		wait = at.Sub(now)
	}
	return max(0, min(wait, maxWait))
}
