package emulator

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Record is one record of a tenant's API.
type Record struct {
	ID      string    // what the API calls it by
	Created time.Time // Microsoft's creation time
	Changed time.Time // Microsoft's changed-time
	Visible time.Time // from when on the API shows it; zero: at once
	Carried []string  // ids of the alerts in an incident of Defender XDR
	fields  map[string]any
	whole   json.RawMessage // fields, once a tenant has the record
	bare    json.RawMessage // the same without what has to be asked for by $expand
}

// Faults are how often an answer goes wrong, each from 0 to 1, and how long Retry-After asks to wait.
type Faults struct {
	TooMany, Unavailable, Unauthorized, Reset, Truncated, HTML float64       // 429, 503, 401, a reset, half an answer, a web page
	RetryAfter                                                 time.Duration // in whole seconds
	NoRetryAfter                                               float64       // share of the 429 that have no Retry-After
}

// Tenant is a Microsoft tenant in a box: the token endpoints of Entra ID and the APIs, as an http.Handler. Each API has
// a prefix of its own (Endpoint). It may be used by several goroutines.
type Tenant struct {
	ID, ClientID, Secret string           // what a source signs in with
	TokenLife            time.Duration    // of access tokens
	Now                  func() time.Time // the tenant's clock
	Withdrawn            []string         // application permissions that tokens do not have

	mu      sync.Mutex
	issued  func() // called when a token has been sent; nil: nothing
	random  *rand.Rand
	faults  Faults
	records map[string][]Record
	places  map[place]int // where in records an id is, of a record or of an alert that it carries
	tokens  map[string]token
	refresh refreshChain
	served  map[int]int // answers by status
	answers map[string]int
	given   map[place]time.Time // changed-time of what was sent last
}

type place struct{ api, id string }

// token is an access token that was given out.
type token struct {
	audience string
	roles    []string
	expires  time.Time
}

// NewTenant makes a tenant whose faults are drawn from a seed.
func NewTenant(seed uint64) *Tenant {
	return &Tenant{ID: "11111111-1111-4111-8111-111111111111", ClientID: "22222222-2222-4222-8222-222222222222", Secret: "Demo~secret.value+/=",
		TokenLife: time.Hour, Now: time.Now, random: rand.New(rand.NewPCG(seed, 0xfa17)), records: map[string][]Record{}, places: map[place]int{}, tokens: map[string]token{},
		served: map[int]int{}, answers: map[string]int{}, given: map[place]time.Time{}}
}

// SetFaults changes the faults from now on.
func (t *Tenant) SetFaults(f Faults) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults = f
}

// OnIssue makes f be called whenever a token has been sent.
func (t *Tenant) OnIssue(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.issued = f
}

// Add puts a record into an API. One with the id of an earlier one replaces it.
func (t *Tenant) Add(api string, r Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if member := apis[api].created; member != "" && r.fields != nil {
		r.fields[member] = microsoftTime(r.Created)
	}
	r.write(apis[api])
	at, ok := t.places[place{api, r.ID}]
	if !ok {
		at = len(t.records[api])
		t.records[api] = append(t.records[api], r)
	}
	t.records[api][at] = r
	t.places[place{api, r.ID}] = at
	for _, id := range r.Carried {
		t.places[place{api, id}] = at
	}
}

// write keeps what pages say of the record: it is in many of them.
func (r *Record) write(a *api) {
	var err error
	if r.whole, err = json.Marshal(r.fields); err != nil {
		panic(err)
	}
	r.bare = r.whole
	if a.expand != "" {
		fields := maps.Clone(r.fields)
		fields[a.expand] = []any{}
		if r.bare, err = json.Marshal(fields); err != nil {
			panic(err)
		}
	}
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

// ServeHTTP implements http.Handler.
func (t *Tenant) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", t.Now().UTC().Format(http.TimeFormat))
	if strings.HasPrefix(r.URL.Path, "/login/") {
		t.token(w, r)
		return
	}
	name, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if a := apis[name]; a != nil && "/"+path == a.path {
		t.api(w, r, a)
		return
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
func (t *Tenant) api(w http.ResponseWriter, r *http.Request, a *api) {
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
	roles, ok := t.authorized(r, a)
	if !ok || fault == "401" {
		t.fail(w, http.StatusUnauthorized, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired.")
		return
	}
	if a.role != "" && !slices.Contains(roles, a.role) {
		t.fail(w, http.StatusForbidden, "Forbidden", "Missing application roles. API required roles: "+a.role+".")
		return
	}
	q, refusal := parseQuery(r.URL.Query(), a, t.Now())
	if refusal != nil {
		t.fail(w, refusal.status, refusal.code, refusal.message)
		return
	}
	rows := t.rows(a, q)
	body := t.page(r, a, q, rows)
	t.count(http.StatusOK)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if fault == "truncated" && len(body) > 2 {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body[:len(body)/2])
		panic(http.ErrAbortHandler)
	}
	if _, err := w.Write(body); err == nil {
		t.gave(a, q.page(rows))
	}
}

// gave notes which records were in an answer that was sent whole.
func (t *Tenant) gave(a *api, rows []Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.answers[a.name]++
	for _, r := range rows {
		t.given[place{a.name, r.ID}] = r.Changed
	}
}

// Given reports whether a record, as it is now, has been in an answer that was sent whole.
func (t *Tenant) Given(api, id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, ok := t.places[place{api, id}]
	if !ok {
		return false
	}
	r := t.records[api][at]
	return t.given[place{api, r.ID}].Equal(r.Changed)
}

// Answers returns how many answers of an API were sent whole.
func (t *Tenant) Answers(api string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.answers[api]
}

// authorized returns the roles of a request's token; false when it is none of this API, or over.
func (t *Tenant) authorized(r *http.Request, a *api) (roles []string, ok bool) {
	bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	t.mu.Lock()
	defer t.mu.Unlock()
	got, known := t.tokens[bearer]
	return got.roles, ok && known && got.audience == a.audience && t.Now().Before(got.expires)
}

// rows returns the records of a window that are visible by now, newest first as the APIs give them.
func (t *Tenant) rows(a *api, q query) []Record {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.Now()
	var rows []Record
	for _, r := range t.records[a.name] {
		if !r.Visible.After(now) && q.matches(r) {
			rows = append(rows, r)
		}
	}
	sort.SliceStable(rows, func(i, j int) bool { return rows[i].Changed.After(rows[j].Changed) })
	return rows
}

// page writes one page of rows.
func (t *Tenant) page(r *http.Request, a *api, q query, rows []Record) []byte {
	shown := q.page(rows)
	page := []byte("[")
	for i, row := range shown {
		if i > 0 {
			page = append(page, ',')
		}
		if q.expanded {
			page = append(page, row.whole...)
		} else {
			page = append(page, row.bare...)
		}
	}
	page = append(page, ']')
	if a.usualTop == 0 {
		return page
	}
	page = fmt.Appendf(nil, `{"@odata.context":%q,"value":%s`, "https://"+r.Host+"/$metadata", page)
	if end := q.skip + len(shown); a.links && end < len(rows) && end <= a.maxSkip {
		next := *r.URL
		v := next.Query()
		v.Set("$skip", strconv.Itoa(end))
		next.RawQuery, next.Host, next.Scheme = v.Encode(), r.Host, "http"
		page = fmt.Appendf(page, `,"@odata.nextLink":%q`, next.String())
	}
	return append(page, '}')
}
