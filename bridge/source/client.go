package source

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/siembridge/siembridge/bridge/entra"
	"github.com/siembridge/siembridge/formats/defender"
)

// Bounds of one answer.
const (
	maxBody     = 256 << 20 // bytes; a window whose answer is larger is halved
	maxError    = 64 << 10
	bodyTimeout = 5 * time.Minute
)

// errTooLarge: the answer is larger than maxBody.
var errTooLarge = errors.New("the answer is larger than 256 MiB")

// client sends the requests of one source and judges the answers.
type client struct {
	api     *api
	base    string
	http    *http.Client
	tokens  *entra.Cache
	limiter *limiter
	agent   string
	body    int64 // maxBody; less in tests

	tokenEnds atomic.Int64 // of the access token in use, as Unix time; 0: none yet
}

func newClient(o *Options, a *api) (*client, error) {
	base, audience, err := endpointOf(o, a)
	if err != nil {
		return nil, err
	}
	h, err := newHTTP(o)
	if err != nil {
		return nil, err
	}
	c := &client{api: a, base: base, http: h, agent: "siembridge/" + o.Version, body: maxBody, limiter: o.Limits.of(o.TenantID, o.ClientID, a)}
	told := o.TokenMetrics.Expiry(o.Name)
	c.tokens = entra.NewCache(newGrant(o, appOf(o, a, audience, h)), o.Logger, func(end time.Time) {
		c.tokenEnds.Store(end.Unix())
		told(end)
	})
	return c, nil
}

// answer is what a request brought besides its records.
type answer struct {
	rows int
	next string    // @odata.nextLink
	date time.Time // the server's; ours when it sends none
}

// get requests an address and calls found for each record. The token is renewed once when it is refused.
func (c *client) get(ctx context.Context, address string, catchUp bool, found func(defender.Found) error) (answer, error) {
	for attempt := 0; ; attempt++ {
		if err := c.limiter.wait(ctx, catchUp); err != nil {
			return answer{}, err
		}
		token, err := c.tokens.Token(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return answer{}, ctx.Err()
			}
			return answer{}, tokenError(err)
		}
		got, err := c.once(ctx, address, token.AccessToken, found)
		var e *Error
		if errors.As(err, &e) && e.Reason == ReasonAuth && attempt == 0 {
			c.tokens.Reject(token)
			continue
		}
		return got, err
	}
}

// once sends one request.
func (c *client) once(ctx context.Context, address, token string, found func(defender.Found) error) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, bodyTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return answer{}, &Error{Reason: ReasonRequest, Slow: true, Message: "the request's address is not valid", Remedy: "check endpoint", cause: err}
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", c.agent)
	r.Header.Set("client-request-id", requestID())
	if c.api.prefer != "" {
		r.Header.Set("Prefer", c.api.prefer)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return answer{}, c.networkError(ctx, err)
	}
	defer func() {
		_, _ = io.CopyN(io.Discard, resp.Body, maxError)
		resp.Body.Close()
	}()
	got := answer{date: time.Now()}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		got.date = date
	}
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxError))
		return got, c.api.statusError(resp.StatusCode, resp.Header, []byte(without(token, string(body))), got.date)
	}
	body := &boundedReader{r: resp.Body, left: c.body}
	page, _, err := defender.SplitFrom(defender.API(c.api.name), body, defender.Place{}, func(f defender.Found) error {
		switch {
		case f.Record == nil: // it is counted
			return nil
		case f.Behind.Within == "" && f.Behind.Offset > 0 && !c.alone(f.Record):
			// An object without a list of records is no record of its own here: the window would count as read.
			return defender.ErrNotPage
		}
		return found(f)
	})
	got.rows, got.next = page.Records, page.NextLink
	if err != nil {
		return got, c.bodyError(ctx, err, body, token)
	}
	if page.TooLarge > 0 { // it ends up as a hole of its own, where the operator sees it
		return got, &Error{Reason: ReasonResponse, Message: fmt.Sprintf("a record is larger than %d MiB", defender.MaxRecord>>20),
			Remedy: "it is set aside if it stays so; look it up in the Defender portal"}
	}
	return got, nil
}

// alone reports whether an object without a list is a record all the same: one detection may stand alone.
func (c *client) alone(record []byte) bool {
	api, _, ok := defender.Detect(record)
	return ok && api == defender.Detections && c.api == &detections
}

// bodyError judges what went wrong while a body was read. token is what asked for it.
func (c *client) bodyError(ctx context.Context, err error, body *boundedReader, token string) error {
	var api *defender.APIError
	var stored *storeError
	switch {
	case errors.As(err, &stored):
		return err
	case body.left < 0:
		return &Error{Reason: ReasonResponse, Message: errTooLarge.Error(), Remedy: "it is set aside if it stays so", cause: errTooLarge}
	case body.err != nil && !errors.Is(body.err, io.EOF):
		return c.networkError(ctx, body.err)
	case errors.As(err, &api):
		return &Error{Reason: ReasonPermission, Slow: true, Message: "the API answered with an error instead of records (" + oneLine(without(token, api.Error()), 300) + ")",
			Remedy: "the app needs " + c.api.permission + " (" + c.api.grant + ")", cause: err}
	case errors.Is(err, defender.ErrTruncated):
		return &Error{Reason: ReasonResponse, Message: "the answer was cut short", Remedy: "it is asked again", cause: err}
	case errors.Is(err, defender.ErrNotPage):
		return &Error{Reason: ReasonResponse, Message: "the answer is not JSON, or not a page of records (a proxy or a sign-in page?)", Remedy: "it is asked again; check proxy and endpoint if it stays so", cause: err}
	}
	return &Error{Reason: ReasonResponse, Message: err.Error(), Remedy: "it is asked again", cause: err}
}

// networkError judges a request that brought no answer.
func (c *client) networkError(ctx context.Context, err error) error {
	var dns *net.DNSError
	var timeout net.Error
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	var op *url.Error
	inner := err
	if errors.As(err, &op) {
		inner = op.Err // without the address, which is long and known
	}
	e := &Error{Reason: ReasonNetwork, cause: err}
	at := c.host()
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		e.Message, e.Remedy, e.Slow = "there is no such host: "+dns.Name, "check cloud, region, endpoint and this machine's DNS", true
	case errors.As(err, &authority):
		e.Message, e.Remedy, e.Slow = at+": its certificate is signed by an authority that is not trusted here", "if a proxy inspects TLS, put its authority's certificate into ca_file", true
	case errors.As(err, &host), errors.As(err, &invalid):
		e.Message, e.Remedy, e.Slow = at+": its certificate is not valid: "+inner.Error(), "check endpoint and the clock", true
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, os.ErrDeadlineExceeded):
		e.Reason, e.Message, e.Remedy = ReasonTimeout, at+" does not answer in time", "it is asked again; check proxy and firewall if it stays so"
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Message, e.Remedy = at+" refuses the connection", "it is asked again; check endpoint, proxy and firewall if it stays so"
	default:
		e.Message, e.Remedy = at+": "+oneLine(inner.Error(), 200), "it is asked again"
	}
	return e
}

func (c *client) host() string {
	if u, err := url.Parse(c.base); err == nil {
		return u.Host
	}
	return c.base
}

// sameHost reports whether a next link may be followed: the token goes to the configured host only.
func (c *client) sameHost(link string) bool {
	l, err := url.Parse(link)
	b, err2 := url.Parse(c.base)
	return err == nil && err2 == nil && l.Scheme == b.Scheme && l.Host == b.Host && l.User == nil
}

// boundedReader reads at most left bytes; left is negative when there were more.
type boundedReader struct {
	r    io.Reader
	left int64
	err  error
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.r.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return 0, errTooLarge
	}
	b.err = err
	return n, err
}

// requestID is a random UUID (RFC 9562, version 4), by which Microsoft's support finds a request.
func requestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	s := hex.EncodeToString(b[:])
	return fmt.Sprintf("%s-%s-%s-%s-%s", s[:8], s[8:12], s[12:16], s[16:20], s[20:])
}

// trust adds certificates to the system's.
func trust(t *http.Transport, pem []byte) error {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return errors.New("holds no certificate in PEM form; name a file with the authority's")
	}
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	t.TLSClientConfig.RootCAs = pool
	return nil
}
