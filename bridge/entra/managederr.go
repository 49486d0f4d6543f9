package entra

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// unreachableHost is the error for a token service of the host that does not answer.
func unreachableHost(at host, err error, secrets []string) *Error {
	return &Error{Summary: "the managed identity's token service (" + at.name + ") gave no usable answer (" + clean(err.Error(), secrets) + ")", cause: err,
		Remedy: "managed-identity works on Azure and on servers joined by Azure Arc; elsewhere choose another auth; it is asked again"}
}

// hostError judges an answer that is no token. What passes by itself is as Microsoft lists it: 404 and 410 while the
// service is updated, 429, and 5xx.
func hostError(at host, status int, header http.Header, body []byte, secrets []string) *Error {
	e := &Error{Status: status, RetryAfter: retryAfter(header)}
	words := hostWords(body)
	e.Summary = fmt.Sprintf("the managed identity's token service (%s) answered %d", at.name, status)
	if words != "" {
		e.Summary += ": " + clean(words, secrets)
	}
	switch {
	case status == http.StatusNotFound, status == http.StatusGone, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status >= 500:
		e.Remedy = "it is asked again"
	case strings.Contains(strings.ToLower(words), "identity not found"):
		e.Permanent, e.Remedy = true, "give this machine a managed identity in the portal (Identity, System assigned, On), or name a user-assigned one by client_id"
	default:
		e.Permanent, e.Remedy = true, "check that this machine has a managed identity, and client_id if it is a user-assigned one"
	}
	return e
}

// hostWords takes the service's own words out of the bodies of VMs and of App Service.
func hostWords(body []byte) string {
	var a struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Message     string `json:"message"`
	}
	if json.Unmarshal(body, &a) != nil {
		return ""
	}
	return strings.TrimSpace(strings.Join([]string{a.Error, a.Description, a.Message}, " "))
}
