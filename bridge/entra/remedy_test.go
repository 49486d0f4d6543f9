package entra

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// codes are the AADSTS codes that Microsoft documents for the flows used here, and whether asking again can help.
var codes = map[int]bool{
	7000215: false, 7000222: false, 700016: false, 7000112: false, 70001: false, 90002: false, 900382: false, 900432: false,
	90038: false, 65001: false, 650052: false, 650056: false, 650057: false, 500011: false, 50001: false, 70011: false,
	28002: false, 901002: false, 9001023: false, 50194: false, 700027: false, 50012: false, 50013: false, 50027: false,
	50048: false, 700024: true, 7000218: false, 700025: false, 700229: false, 50034: false, 50076: false, 50079: false,
	53003: false, 50173: false, 70008: false, 700082: false, 70043: false, 54005: false, 50011: false, 50196: true,
	90055: true, 90033: true, 90006: true, 90024: true, 50033: true, 90012: true, 90090: true, 90014: false, 900144: false,
	65004: false, 50020: false, 70020: false, 700211: false, 700212: false, 700213: false,
}

// TestEachCodeIsOneLine holds every code's line: the code, what it means, what to do.
func TestEachCodeIsOneLine(t *testing.T) {
	e := newEndpoint(t, false)
	for code, retry := range codes {
		e.accept = func(url.Values) (int, map[string]any) { return code, nil }
		_, err := ClientSecret{App: e.app(), Secret: secretIs(testSecret)}.Token(t.Context())
		var refused *Error
		if !errors.As(err, &refused) {
			t.Fatalf("AADSTS%d: %v", code, err)
		}
		if refused.Code != code || refused.Permanent == retry || refused.Remedy == "" || refused.Status != http.StatusBadRequest {
			t.Errorf("AADSTS%d: %+v", code, refused)
		}
		known := remedies[code]
		if known.meaning == "" || !strings.Contains(err.Error(), known.meaning) || strings.Contains(err.Error(), "\n") {
			t.Errorf("AADSTS%d: %q", code, err)
		}
		if !strings.Contains(err.Error(), "[trace id trace, correlation id correlation]") {
			t.Errorf("AADSTS%d: no trace id in %q", code, err)
		}
	}
	for code := range remedies {
		if _, ok := codes[code]; !ok {
			t.Errorf("AADSTS%d is not in the list of codes", code)
		}
	}
}

// TestAnswersThatAreNoErrorBody judges by the status where there is no code.
func TestAnswersThatAreNoErrorBody(t *testing.T) {
	tests := []struct {
		name      string
		status    int
		header    string // Retry-After
		body      string
		code      int
		permanent bool
		wait      time.Duration
		text      string
	}{
		{name: "busy", status: 429, header: "17", wait: 17 * time.Second, text: "answered 429"},
		{name: "down", status: 503, body: "<html>\nmaintenance\n</html>", text: "asked again"},
		{name: "absurd wait", status: 503, header: "99999999", text: "answered 503"},
		{name: "wait is no number", status: 503, header: "soon", text: "answered 503"},
		{name: "code in the description only", status: 400, body: `{"error":"x","error_description":"AADSTS7000222: expired"}`, code: 7000222, permanent: true, text: "new secret"},
		{name: "code as text", status: 401, body: `{"error_codes":["7000215"]}`, code: 7000215, permanent: true, text: "not its id"},
		{name: "unheard-of code", status: 400, body: `{"error":"odd","error_codes":[123456],"error_description":"AADSTS123456: something\r\nforged line"}`, code: 123456, permanent: true, text: "something forged line"},
		{name: "huge code", status: 400, body: `{"error_codes":[99999999999999999999999]}`, permanent: true, text: "answered 400"},
		{name: "no JSON", status: 400, body: "\x00\xff", permanent: true, text: "answered 400"},
		{name: "proxy", status: 407, body: "log in", permanent: true, text: "answered 407"},
		{name: "redirect", status: 302, permanent: true, text: "not followed"},
		{name: "empty 200", status: 200, text: "no usable answer"},
		{name: "200 without token", status: 200, body: `{"token_type":"Bearer"}`, text: "no usable answer"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := newEndpoint(t, false)
			e.answerWith(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				if test.header != "" {
					w.Header().Set("Retry-After", test.header)
				}
				w.WriteHeader(test.status)
				_, _ = w.Write([]byte(test.body))
			})
			_, err := ClientSecret{App: e.app(), Secret: secretIs(testSecret)}.Token(t.Context())
			var got *Error
			if !errors.As(err, &got) {
				t.Fatal(err)
			}
			if got.Code != test.code || got.Permanent != test.permanent || got.RetryAfter != test.wait || !strings.Contains(got.Error(), test.text) {
				t.Errorf("%+v", got)
			}
			if strings.ContainsAny(got.Error(), "\r\n\x00") || len(got.Error()) > 800 {
				t.Errorf("not fit for a log line: %q", got)
			}
		})
	}
}

// TestLongAnswersAreBounded: a server that never stops neither fills memory nor the log.
func TestLongAnswersAreBounded(t *testing.T) {
	e := newEndpoint(t, false)
	e.answerWith(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"` + strings.Repeat("é", 200_000) + `"}`))
	})
	_, err := ClientSecret{App: e.app(), Secret: secretIs(testSecret)}.Token(t.Context())
	if err == nil || len(err.Error()) > 800 {
		t.Errorf("%d bytes", len(err.Error()))
	}
}

// TestCheckURL holds where secrets may be sent.
func TestCheckURL(t *testing.T) {
	for address, allowed := range map[string]bool{
		"https://login.microsoftonline.com/t/oauth2/v2.0/token": true,
		"http://127.0.0.1:8080/token":                           true,
		"http://localhost/token":                                true,
		"http://[::1]/token":                                    true,
		"http://login.example.org/token":                        false,
		"http://127.0.0.1.example.org/token":                    false,
		"http://localhost.example.org/token":                    false,
		"https://user:pass@login.example.org/token":             false,
		"ftp://127.0.0.1/token":                                 false,
		"https:///token":                                        false,
		"login.example.org":                                     false,
		"":                                                      false,
		"http://[::1%25eth0]:80:80/":                            false,
	} {
		if err := CheckURL(address); (err == nil) != allowed {
			t.Errorf("%q: %v", address, err)
		}
		if err := CheckURL(address); err != nil && strings.Contains(err.Error(), "pass@") {
			t.Errorf("the password is in %q", err)
		}
	}
}
