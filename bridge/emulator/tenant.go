package emulator

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Record is one record of a tenant's API.
type Record struct {
	ID      string
	Changed time.Time // Microsoft's changed-time
	Visible time.Time // from when on the API shows it; zero: at once
	fields  map[string]any
}

// Faults are how often an answer goes wrong, each from 0 to 1, and how long Retry-After asks to wait.
type Faults struct {
	TooMany, Unavailable, Unauthorized, Reset, Truncated, HTML float64
	RetryAfter                                                 time.Duration // in whole seconds
	NoRetryAfter                                               float64       // share of the 429 that have no Retry-After
}

// Tenant is a Microsoft tenant in a box: the token endpoints of Entra ID and the APIs, as an http.Handler. Each API has
// a prefix of its own (Endpoint). It may be used by several goroutines.
type Tenant struct {
	ID, ClientID, Secret string
	TokenLife            time.Duration
	Now                  func() time.Time

	mu      sync.Mutex
	random  *rand.Rand
	faults  Faults
	records map[string][]Record
	tokens  map[string]token
	refresh refreshChain
	served  map[int]int // answers by status
}

// token is an access token that was given out.
type token struct {
	audience string
	expires  time.Time
}

// NewTenant makes a tenant whose faults are drawn from a seed.
func NewTenant(seed uint64) *Tenant {
	return &Tenant{ID: "11111111-1111-4111-8111-111111111111", ClientID: "22222222-2222-4222-8222-222222222222", Secret: "Demo~secret.value+/=",
		TokenLife: time.Hour, Now: time.Now, random: rand.New(rand.NewPCG(seed, 0xfa17)), records: map[string][]Record{}, tokens: map[string]token{}, served: map[int]int{}}
}

// SetFaults changes the faults from now on.
func (t *Tenant) SetFaults(f Faults) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults = f
}

// Add puts a record into an API. One with the id of an earlier one replaces it.
func (t *Tenant) Add(api string, r Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, old := range t.records[api] {
		if old.ID == r.ID {
			t.records[api][i] = r
			return
		}
	}
	t.records[api] = append(t.records[api], r)
}

// Served returns how many answers of each status were given.
func (t *Tenant) Served() map[int]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := map[int]int{}
	for k, v := range t.served {
		out[k] = v
	}
	return out
}

// Endpoint returns the path prefix of an API, for the source's endpoint key.
func Endpoint(api string) string { return "/" + api }

// TokenPath returns the path of the token endpoint that an API's tokens come from: v1 for the detections API, else v2.
func (t *Tenant) TokenPath(api string) string {
	if api == "detections" {
		return "/login/" + t.ID + "/oauth2/token"
	}
	return "/login/" + t.ID + "/oauth2/v2.0/token"
}

// audiences by API, as section "Clouds" of Microsoft's documentation gives them for the public cloud.
var audiences = map[string]string{
	"detections": "https://graph.windows.net", "alerts": "https://api.securitycenter.microsoft.com", "graph-alerts": "https://graph.microsoft.com",
}

// paths that follow an API's prefix.
var paths = map[string]string{"detections": "/api/alerts", "alerts": "/api/alerts", "graph-alerts": "/v1.0/security/alerts_v2"}

// ServeHTTP implements http.Handler.
func (t *Tenant) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", t.Now().UTC().Format(http.TimeFormat))
	if strings.HasPrefix(r.URL.Path, "/login/") {
		t.token(w, r)
		return
	}
	for api, path := range paths {
		if r.URL.Path == "/"+api+path {
			t.api(w, r, api)
			return
		}
	}
	t.fail(w, http.StatusNotFound, "ResourceNotFound", "There is nothing here.")
}

// fault draws what goes wrong with the next answer; "" nothing.
func (t *Tenant) fault() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	x := t.random.Float64()
	for _, f := range []struct {
		name  string
		share float64
	}{{"429", t.faults.TooMany}, {"503", t.faults.Unavailable}, {"401", t.faults.Unauthorized}, {"reset", t.faults.Reset},
		{"truncated", t.faults.Truncated}, {"html", t.faults.HTML}} {
		if x < f.share {
			return f.name
		}
		x -= f.share
	}
	return ""
}

func (t *Tenant) count(status int) {
	t.mu.Lock()
	t.served[status]++
	t.mu.Unlock()
}

// fail answers with an error body as Graph and the Endpoint API write them.
func (t *Tenant) fail(w http.ResponseWriter, status int, code, message string) {
	t.count(status)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"code": code, "message": message,
		"innerError": map[string]any{"date": t.Now().UTC().Format("2006-01-02T15:04:05"), "request-id": "33333333-3333-4333-8333-333333333333"}}})
}

// api answers one request for a page.
func (t *Tenant) api(w http.ResponseWriter, r *http.Request, api string) {
	fault := t.fault()
	switch fault {
	case "429":
		t.mu.Lock()
		if t.random.Float64() >= t.faults.NoRetryAfter {
			w.Header().Set("Retry-After", strconv.Itoa(int(t.faults.RetryAfter/time.Second)))
		}
		t.mu.Unlock()
		t.fail(w, http.StatusTooManyRequests, "TooManyRequests", "Too many requests.")
		return
	case "503":
		t.fail(w, http.StatusServiceUnavailable, "ServiceUnavailable", "Try again.")
		return
	case "reset":
		panic(http.ErrAbortHandler)
	case "html":
		t.count(http.StatusOK)
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<html><body>Sign in to your network</body></html>")
		return
	}
	if !t.authorized(r, api) || fault == "401" {
		t.fail(w, http.StatusUnauthorized, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired.")
		return
	}
	q, err := parseQuery(r.URL.Query(), api, t.Now())
	if err != nil {
		t.fail(w, http.StatusBadRequest, "BadRequest", err.Error())
		return
	}
	rows := t.rows(api, q)
	body := t.page(r, api, q, rows)
	t.count(http.StatusOK)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if fault == "truncated" && len(body) > 2 {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body[:len(body)/2])
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(body)
}

func (t *Tenant) authorized(r *http.Request, api string) bool {
	bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	t.mu.Lock()
	defer t.mu.Unlock()
	got, known := t.tokens[bearer]
	return ok && known && got.audience == audiences[api] && t.Now().Before(got.expires)
}

// rows returns the records of a window that are visible by now, newest first as the APIs give them.
func (t *Tenant) rows(api string, q query) []Record {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.Now()
	var rows []Record
	for _, r := range t.records[api] {
		if !r.Visible.After(now) && q.matches(r) {
			rows = append(rows, r)
		}
	}
	sort.SliceStable(rows, func(i, j int) bool { return rows[i].Changed.After(rows[j].Changed) })
	return rows
}

// page writes one page of rows.
func (t *Tenant) page(r *http.Request, api string, q query, rows []Record) []byte {
	list := make([]map[string]any, 0, len(rows))
	end := len(rows)
	if q.top > 0 {
		end = min(end, q.skip+q.top)
	}
	for _, row := range rows[min(q.skip, len(rows)):end] {
		list = append(list, row.fields)
	}
	var answer any = list
	if api != "detections" {
		page := map[string]any{"@odata.context": "https://" + r.Host + "/$metadata", "value": list}
		if api == "graph-alerts" && end < len(rows) && end <= 500 {
			next := *r.URL
			v := next.Query()
			v.Set("$skip", strconv.Itoa(end))
			next.RawQuery, next.Host, next.Scheme = v.Encode(), r.Host, "http"
			page["@odata.nextLink"] = next.String()
		}
		answer = page
	}
	body, err := json.Marshal(answer)
	if err != nil {
		panic(err)
	}
	return body
}
