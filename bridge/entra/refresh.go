package entra

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// RefreshToken is the refresh token grant. Entra ID answers each use with a new refresh token, which lives 90 days
// (Microsoft identity platform, "refresh tokens"); the newest is kept in a file and the seed is only where it begins.
//
// The order of things makes the chain survive a kill at any point: the new refresh token is on disk before the access
// token that came with it is handed out, and the one it replaces stays beside it until the new one has worked.
//
//	killed before the answer:         the file has the old token, which is still good
//	killed before the file's rename:  the same, and a temporary file that the next write replaces
//	killed after:                     the file has the new token and, should it not work, the old one
type RefreshToken struct {
	App App // who asks
	// Secret returns the client secret; nil for public clients.
	Secret func() (string, error)
	// SeedFile holds the first refresh token. It counts when the chain is empty or the seed has changed since. "":
	// the chain was begun by Begin.
	SeedFile string
	// File is where the chain is kept, readable by its owner only. Its directory must exist.
	File string
	// Shared keeps the chain instead of File, where several instances use it in turn; nil: File does.
	Shared ChainStore

	step func(string) error // tests: called at each point where a kill or a fault matters
}

// ChainStore keeps a chain of refresh tokens for several instances.
type ChainStore interface {
	// ReadChain returns what was stored last; nil: nothing.
	ReadChain() ([]byte, error)
	// WriteChain stores a chain in the place of what ReadChain has returned, safely when it returns without an error. It
	// is an error when another instance has stored one meanwhile.
	WriteChain(data []byte) error
}

// read returns the chain as it is stored.
func (g *RefreshToken) read() (chain, error) {
	if g.Shared == nil {
		return readChain(g.File)
	}
	data, err := g.Shared.ReadChain()
	if err != nil {
		return chain{}, fmt.Errorf("the stored refresh token cannot be read (%w)", err)
	}
	if data == nil {
		return chain{}, nil
	}
	return parseChain(data, "the buffer")
}

// write stores a chain, safely when it returns without an error.
func (g *RefreshToken) write(c chain, step func(string) error) error {
	if g.Shared == nil {
		return writeChain(g.File, c, step)
	}
	data, err := c.encode()
	if err != nil {
		return err
	}
	return g.Shared.WriteChain(data)
}

// ChainFile returns where the refresh tokens of a source are kept in the state directory.
func ChainFile(stateDir, source string) string {
	return filepath.Join(stateDir, "refresh-token-"+url.PathEscape(source)+".json")
}

// Token uses the newest refresh token that works and stores its successor before it returns the access token.
func (g *RefreshToken) Token(ctx context.Context) (*oauth2.Token, error) {
	if g.step == nil {
		g.step = noStep
	}
	secret, err := secretOf(g.Secret)
	if err != nil {
		return nil, err
	}
	c, err := g.chain()
	if err != nil {
		return nil, err
	}
	var refused error
	for _, refresh := range []string{c.Current, c.Previous} {
		if refresh == "" {
			continue
		}
		if err := g.step("request"); err != nil {
			return nil, err
		}
		token, err := g.App.exchange(ctx, secret, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}})
		var e *Error
		switch {
		case err == nil:
			if err := g.step("answered"); err != nil {
				return nil, err
			}
			return g.keep(c, refresh, token)
		case errors.As(err, &e) && !e.Permanent:
			return nil, err
		case refused == nil:
			refused = err // what the newest was refused for is what counts
		}
	}
	return nil, refused
}

// chain returns the stored chain, or a new one when there is none or the seed has changed. A changed seed replaces
// the stored chain only when it has worked, so that a mistake in the seed file costs nothing once it is corrected.
func (g *RefreshToken) chain() (chain, error) {
	stored, err := g.read()
	if err != nil {
		return chain{}, &Error{Summary: err.Error(), Permanent: true, cause: err,
			Remedy: "correct the file's permissions, or remove it and sign in again with siembridge login"}
	}
	seed, err := readSeed(g.SeedFile)
	if err != nil && stored.Current == "" {
		return chain{}, &Error{Summary: "the refresh token cannot be read (" + err.Error() + ")", Permanent: true, cause: err,
			Remedy: "sign in with siembridge login, or put a refresh token into refresh_token_file"}
	}
	if stored.Current != "" && (err != nil || stored.Seed == mark(seed)) {
		return stored, nil
	}
	return chain{Seed: mark(seed), Current: seed, found: stored.Current}, nil
}

// keep stores what the use of one refresh token has brought, unless another process has stored a token of its own
// meanwhile: a sign-in is newer than anything that we have.
func (g *RefreshToken) keep(c chain, worked string, token *oauth2.Token) (*oauth2.Token, error) {
	if other, err := g.read(); err == nil && other.Current != c.found {
		token.RefreshToken = ""
		return token, nil
	}
	next := chain{Seed: c.Seed, Current: token.RefreshToken, Previous: worked, Issued: time.Now().UTC().Truncate(time.Second)}
	if next.Current == "" || next.Current == worked {
		next.Current, next.Previous, next.Issued = worked, c.Previous, c.Issued
	}
	if err := g.write(next, g.step); err != nil {
		// Without a safe place for the successor the access token is not used: the old refresh token stays good.
		return nil, &Error{Summary: "the rotated refresh token cannot be stored (" + err.Error() + ")",
			Remedy: "make room in state_dir and check its permissions; it is tried again", cause: err}
	}
	if err := g.step("stored"); err != nil {
		return nil, err
	}
	token.RefreshToken = "" // nobody else needs it
	return token, nil
}

// Begin starts the chain anew with a refresh token of a sign-in, and returns when it is on disk. A seed that stands in
// SeedFile counts as used: the sign-in is newer.
func (g *RefreshToken) Begin(refresh string) error {
	c := chain{Current: refresh, Issued: time.Now().UTC().Truncate(time.Second)}
	if seed, err := readSeed(g.SeedFile); err == nil {
		c.Seed = mark(seed)
	}
	if _, err := g.read(); err != nil && g.Shared != nil {
		return err // what it replaces has to be known
	}
	return g.write(c, noStep)
}

// mark is what a chain remembers of its seed.
func mark(seed string) string {
	sum := sha256.Sum256([]byte(seed))
	return hex.EncodeToString(sum[:])
}

// maxSeed bounds the seed file in bytes; refresh tokens have one to two thousand.
const maxSeed = 64 << 10

// errNoSeed is an empty chain without a seed to begin it.
var errNoSeed = errors.New("there is none yet")

func readSeed(path string) (string, error) {
	if path == "" {
		return "", errNoSeed
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSeed+1))
	if err != nil {
		return "", err
	}
	seed := strings.TrimSpace(string(bytes.TrimPrefix(data, byteOrderMark)))
	if len(data) > maxSeed || seed == "" || strings.ContainsAny(seed, "\r\n") {
		return "", fmt.Errorf("%s must hold one refresh token on one line", path)
	}
	return seed, nil
}
