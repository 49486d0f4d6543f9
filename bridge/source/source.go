// Package source pulls records from Microsoft's APIs, or reads them from files, and appends them to the buffer.
//
// All APIs are read by one algorithm. A plan (plan.go) decides which windows of the changed-time are read and what
// their answers mean; it is pure. A client (client.go) sends the requests and judges the answers. The poller (poll.go)
// does what the plan says: it reads a window, splits and identifies its records, and appends them to the buffer
// together with the coverage, by one commit. What differs between the APIs stands in a file for each.
package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/entra"
)

// ErrEnded: the source has read everything there will ever be.
var ErrEnded = errors.New("the source has come to its end")

// Options describe a source.
type Options struct {
	Name     string // in records, metrics and logs
	API      string // one of defender.APIs
	Cloud    string // public, gcc, gcc-high, dod; "": public
	Region   string // us, eu, uk; of the detections API only
	Endpoint string // overrides scheme, host and prefix of the API
	TokenURL string // overrides the token endpoint
	TenantID string // an id or a domain
	ClientID string // of the app registration

	Secret func() (string, error)          // the client secret, asked before each token request
	Grant  func(app entra.App) entra.Grant // another credential; nil: the client secret

	CAFile, ProxyURL  string                        // further authorities for the API and token hosts, PEM; "": HTTPS_PROXY
	Transport         http.RoundTripper             // instead of the network; nil: the network
	PollInterval      time.Duration                 // how often the API is asked
	Lookback          time.Duration                 // how far each poll looks back for late arrivals
	RequestsPerMinute int                           // 0: Microsoft's limit for the API
	Start             func(now time.Time) time.Time // where the first run begins
	NoUpdates         bool                          // a record that changed is remembered and not delivered
	Evidence          bool                          // a record for each piece of evidence, in place of one for the alert
	Backoff           Backoff                       // the pauses between failures

	Buffer       buffer.Appender // takes records with the coverage
	Limits       *Limits         // what sources of one tenant and app share
	Metrics      *Metrics        // of all sources
	TokenMetrics *entra.Metrics  // of all sources
	Logger       *slog.Logger    // with the source's name in it
	Version      string          // for User-Agent
}

// Source pulls one API of one tenant.
type Source struct {
	o      Options
	api    *api
	client *client
	plan   *plan
	skew   time.Duration // the server's clock less ours
	fresh  bool          // nothing was read yet: where the first run begins is known only by our clock
	log    *slog.Logger

	patience int // failures in a row after which a poll ends; 0: it goes on until it succeeds

	mu     sync.Mutex
	status Status
	warned bool // that it fails, since it last worked
}

// New prepares a source; Run does the work.
func New(o Options) (*Source, error) {
	a, err := findAPI(o.API)
	if err != nil {
		return nil, err
	}
	c, err := newClient(&o, a)
	if err != nil {
		return nil, err
	}
	o.Backoff = o.Backoff.orDefaults()
	s := &Source{o: o, api: a, client: c, log: o.Logger.With("source", o.Name)}
	s.status.State = "starting"
	now := time.Now()
	s.plan = newPlan(o.Start(now).UnixMilli(), o.Lookback.Milliseconds(), a.window.Milliseconds(), a.top)
	return s, nil
}

// restore takes up the coverage where the last run left it, or another source of this name that has just ended.
func (s *Source) restore() error {
	data, err := s.o.Buffer.Checkpoint(s.o.Name)
	if err != nil {
		return fmt.Errorf("the checkpoint: %w", err)
	}
	if s.fresh = data == nil; s.fresh {
		return nil
	}
	if err := s.plan.restore(data); err != nil {
		s.fresh = true
		s.log.Warn("what was read before is not known; it is read again and recognised", "error", err)
	}
	return nil
}

// newGrant is the credential that a source's configuration names.
func newGrant(o *Options, app entra.App) entra.Grant {
	if o.Grant != nil {
		return o.Grant(app)
	}
	return entra.ClientSecret{App: app, Secret: o.Secret}
}

// authority is the login authority of a cloud.
func authority(cloud string) string {
	if cloud == "gcc-high" || cloud == "dod" {
		return entra.AuthorityGovernment
	}
	return entra.AuthorityPublic
}

// newHTTP builds the HTTP client of a source: proxy, CA and time-outs.
func newHTTP(o *Options) (*http.Client, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout, t.MaxResponseHeaderBytes = 2*time.Minute, 256<<10
	t.MaxIdleConnsPerHost = 2
	// A silent connection is asked for a sign of life, and given up 15 seconds later: else requests, each with its time-out,
	// would go on over a dead one until TCP gives up.
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 30 * time.Second}
	if o.ProxyURL != "" {
		proxy, err := url.Parse(o.ProxyURL)
		if err != nil {
			return nil, errors.New("proxy_url is no address")
		}
		t.Proxy = http.ProxyURL(proxy)
	}
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		if err := trust(t, pem); err != nil {
			return nil, fmt.Errorf("ca_file: %s %w", o.CAFile, err)
		}
	}
	var transport http.RoundTripper = t
	if o.Transport != nil {
		transport = o.Transport
	}
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, nil
}

// Run polls until ctx ends.
func (s *Source) Run(ctx context.Context) error {
	s.client.limiter.override(s.o.Name, s.o.RequestsPerMinute)
	defer s.client.limiter.override(s.o.Name, 0)
	for {
		err := s.restore()
		if err == nil {
			break
		}
		s.failed(&Error{Reason: ReasonBuffer, Slow: true, Message: err.Error(), Remedy: "it is tried again; see the buffer's errors in the log", cause: err})
		if sleep(ctx, s.o.PollInterval) != nil {
			return nil
		}
	}
	for {
		s.poll(ctx)
		if err := sleep(ctx, s.o.PollInterval); err != nil {
			return nil
		}
	}
}

// endpointOf joins the configured or the API's own endpoint.
func endpointOf(o *Options, a *api) (base, audience string, err error) {
	base, audience, err = a.endpoint(o.Cloud, o.Region)
	if err != nil {
		return "", "", err
	}
	if o.Endpoint != "" {
		base = strings.TrimSuffix(o.Endpoint, "/")
	}
	return base, audience, entra.CheckURL(base)
}
