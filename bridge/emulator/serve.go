package emulator

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Served returns how many answers of each status were given.
func (t *Tenant) Served() map[int]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.served)
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
