package entra

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"
)

// scripted is a grant that answers as told.
type scripted struct {
	life  time.Duration
	err   error
	calls int
}

func (g *scripted) Token(context.Context) (*oauth2.Token, error) {
	g.calls++
	if g.err != nil {
		return nil, g.err
	}
	t := &oauth2.Token{AccessToken: string(rune('a' + g.calls - 1))}
	if g.life > 0 {
		t.Expiry = time.Now().Add(g.life)
	}
	return t, nil
}

// want asks for a token and holds it against what it must be; "" is an error.
func want(t *testing.T, c *Cache, token string) {
	t.Helper()
	got, err := c.Token(t.Context())
	if (err != nil) != (token == "") || err == nil && got.AccessToken != token {
		t.Fatalf("token %v, error %v, want %q", got, err, token)
	}
}

// TestCacheRenewsBeforeTheEnd walks through the life of two tokens.
func TestCacheRenewsBeforeTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &scripted{life: time.Hour}
		var told time.Time
		c := NewCache(g, nil, func(end time.Time) { told = end })
		want(t, c, "a")
		if end := time.Now().Add(time.Hour); !told.Equal(end) {
			t.Errorf("told %s, want %s", told, end)
		}
		time.Sleep(50*time.Minute - time.Second) // at the earliest 10 minutes before the end
		want(t, c, "a")
		time.Sleep(5*time.Minute + 2*time.Second) // at the latest 5 minutes before
		want(t, c, "b")
		want(t, c, "b")
		if g.calls != 2 {
			t.Errorf("%d requests", g.calls)
		}
	})
}

// TestCacheOutlivesFaults: a renewal that fails costs nothing while the old token is good, and is not tried in a loop.
func TestCacheOutlivesFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &scripted{life: time.Hour}
		c := NewCache(g, nil, nil)
		want(t, c, "a")
		time.Sleep(56 * time.Minute)
		g.err = &Error{Summary: "down"}
		for range 10 {
			want(t, c, "a")
		}
		if g.calls != 2 {
			t.Errorf("%d requests, want one try a minute", g.calls)
		}
		time.Sleep(61 * time.Second)
		g.err = &Error{Summary: "busy", RetryAfter: time.Hour}
		want(t, c, "a")
		time.Sleep(3 * time.Minute) // the token has ended, whatever Retry-After said
		want(t, c, "")
		g.err = nil
		want(t, c, "e")
	})
}

// TestCacheRejects: a refused token is replaced once, however many callers report it.
func TestCacheRejects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &scripted{life: time.Hour}
		c := NewCache(g, nil, nil)
		first, err := c.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c.Reject(first)
		want(t, c, "b")
		c.Reject(first)
		want(t, c, "b")
	})
}

// TestCacheWithoutExpiry: a token that does not say when it ends is used for some minutes.
func TestCacheWithoutExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCache(&scripted{}, nil, nil)
		want(t, c, "a")
		time.Sleep(2 * time.Minute)
		want(t, c, "a")
		time.Sleep(assumedLife)
		want(t, c, "b")
	})
}

// blocked is a grant that answers when it is let go.
type blocked struct {
	scripted
	gate chan struct{}
}

func (g *blocked) Token(ctx context.Context) (*oauth2.Token, error) {
	select {
	case <-g.gate:
		return g.scripted.Token(ctx)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// TestCacheAsksOnce: of several callers one asks; the others wait, and may give up on their own.
func TestCacheAsksOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &blocked{scripted{life: time.Hour}, make(chan struct{})}
		c := NewCache(g, nil, nil)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() { want(t, c, "a") })
		}
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := c.Token(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("a caller that gave up got %v", err)
		}
		close(g.gate)
		all.Wait()
		if g.calls != 1 {
			t.Errorf("%d requests", g.calls)
		}
	})
}

// TestSourceIsATokenSource holds the cache as golang.org/x/oauth2 sees it.
func TestSourceIsATokenSource(t *testing.T) {
	var s oauth2.TokenSource = NewCache(&scripted{life: time.Hour}, nil, nil).Source(t.Context())
	if token, err := s.Token(); err != nil || token.AccessToken != "a" {
		t.Errorf("token %v, error %v", token, err)
	}
}
