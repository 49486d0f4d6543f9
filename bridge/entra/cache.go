package entra

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"golang.org/x/oauth2"
)

// Cache holds the access token of one grant. It renews the token some minutes before it ends, not at the same moment
// in every instance, and goes on with the old one while a renewal fails for a passing reason. It may be used by
// several goroutines; one of them asks, the others wait.
type Cache struct {
	grant  Grant
	log    *slog.Logger
	expiry func(time.Time)

	busy  chan struct{} // holds one element while somebody uses the fields below
	token *oauth2.Token
	renew time.Time
}

// assumedLife is how long a token is used that does not say when it ends.
const assumedLife = 5 * time.Minute

// NewCache returns a cache without a token. expiry is told the end of each new token; it may be nil.
func NewCache(g Grant, log *slog.Logger, expiry func(time.Time)) *Cache {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if expiry == nil {
		expiry = func(time.Time) {}
	}
	return &Cache{grant: g, log: log, expiry: expiry, busy: make(chan struct{}, 1)}
}

// Token returns a token that is good for some time, fetching one if needed. Its error is an *Error or ctx's.
func (c *Cache) Token(ctx context.Context) (*oauth2.Token, error) {
	select {
	case c.busy <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-c.busy }()

	now := time.Now()
	if c.token != nil && now.Before(c.renew) {
		return c.token, nil
	}
	fresh, err := c.grant.Token(ctx)
	if err != nil {
		return c.stay(now, err)
	}
	if fresh.Expiry.IsZero() {
		fresh.Expiry = now.Add(assumedLife)
	}
	c.token, c.renew = fresh, renewal(now, fresh.Expiry, rand.Float64())
	c.expiry(fresh.Expiry)
	return fresh, nil
}

// stay goes on with a token that is still good when its renewal failed.
func (c *Cache) stay(now time.Time, err error) (*oauth2.Token, error) {
	if c.token == nil || !now.Before(c.token.Expiry) {
		c.token = nil
		return nil, err
	}
	c.log.Warn("the access token could not be renewed and is used to its end", "expires", c.token.Expiry, "error", err)
	c.renew = now.Add(min(time.Minute, c.token.Expiry.Sub(now)))
	var e *Error
	if errors.As(err, &e) && e.RetryAfter > 0 {
		c.renew = now.Add(e.RetryAfter)
	}
	if c.renew.After(c.token.Expiry) {
		c.renew = c.token.Expiry
	}
	return c.token, nil
}

// Reject forgets a token that an API has refused, so that the next call of Token fetches another. A token that was
// replaced meanwhile is not touched.
func (c *Cache) Reject(refused *oauth2.Token) {
	c.busy <- struct{}{}
	defer func() { <-c.busy }()
	if c.token == refused {
		c.token = nil
	}
}

// Source returns the cache as an oauth2.TokenSource whose requests end with ctx.
func (c *Cache) Source(ctx context.Context) oauth2.TokenSource { return contextSource{c, ctx} }

type contextSource struct {
	cache *Cache
	ctx   context.Context
}

func (s contextSource) Token() (*oauth2.Token, error) { return s.cache.Token(s.ctx) }

// renewal returns when to fetch the next token: a fifth of its life before the end, at most five minutes, and up to
// as much again earlier, by a random number in [0, 1).
func renewal(now, expiry time.Time, random float64) time.Time {
	margin := min(expiry.Sub(now)/5, 5*time.Minute)
	return expiry.Add(-margin - time.Duration(random*float64(margin)))
}
