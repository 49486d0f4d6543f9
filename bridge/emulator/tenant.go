package emulator

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
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
