package bridge

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer/jetstream"
	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/entra"
)

// SecretOf returns the function that reads a source's client secret, from wherever it is kept, each time it is
// needed; nil when it has none.
func SecretOf(s *config.Source) func() (string, error) {
	switch {
	case s.ClientSecretEnv != "":
		return func() (string, error) { return os.Getenv(s.ClientSecretEnv), nil }
	case s.ClientSecretFile != "":
		return func() (string, error) {
			text, err := entra.ReadFile(s.ClientSecretFile)
			return strings.TrimSpace(string(text)), err
		}
	case s.ClientSecret != "":
		return func() (string, error) { return s.ClientSecret.Reveal(), nil }
	}
	return nil
}

// Keeper is where refresh tokens are kept from one run to the next.
type Keeper struct {
	StateDir string // of the configuration
	// Shared is the buffer that several instances share, and their tokens with it; nil: they are in files of StateDir.
	Shared interface {
		Tokens(source string) *jetstream.Tokens
	}
}

// OpenKeeper opens where a configuration's refresh tokens are kept; done gives it up.
func OpenKeeper(c *config.Config) (keeper Keeper, done func(), err error) {
	keeper.StateDir = c.StateDir
	if c.Buffer.Type != "jetstream" {
		return keeper, func() {}, nil
	}
	b, err := jetstream.Open(jetStreamOptions(c, Options{}, nil))
	if err != nil {
		return keeper, nil, fmt.Errorf("buffer: %w", err)
	}
	keeper.Shared = b
	return keeper, func() { b.Close() }, nil
}

// grantOf is the credential that a source's configuration names; nil for a client secret.
func grantOf(s *config.Source, keeper Keeper) func(entra.App) entra.Grant {
	switch s.Auth {
	case "refresh-token":
		return func(app entra.App) entra.Grant { return RefreshTokenOf(s, keeper, app) }
	case "certificate":
		return func(app entra.App) entra.Grant { return &entra.Certificate{App: app, Files: certificateFiles(s)} }
	case "managed-identity":
		return func(app entra.App) entra.Grant { return &entra.ManagedIdentity{App: app, Endpoint: s.TokenURL} }
	case "workload-identity":
		return func(app entra.App) entra.Grant { return entra.FederatedToken{App: app, File: s.FederatedTokenFile} }
	}
	return nil
}

// RefreshTokenOf is the chain of refresh tokens of a source.
func RefreshTokenOf(s *config.Source, keeper Keeper, app entra.App) *entra.RefreshToken {
	g := &entra.RefreshToken{App: app, Secret: SecretOf(s), SeedFile: s.RefreshTokenFile, File: entra.ChainFile(keeper.StateDir, s.Name)}
	if keeper.Shared != nil {
		g.Shared = keeper.Shared.Tokens(s.Name)
	}
	return g
}

func certificateFiles(s *config.Source) entra.CertificateFiles {
	return entra.CertificateFiles{File: s.CertificateFile, KeyFile: s.CertificateKeyFile, PasswordFile: s.CertificatePasswordFile}
}

// CredentialExpiry tells when a source's credential ends: as it tells itself, or as credential_expires says,
// whichever comes first.
func CredentialExpiry(s *config.Source, keeper Keeper) entra.Expiry {
	var e entra.Expiry
	switch s.Auth {
	case "refresh-token":
		e = RefreshTokenOf(s, keeper, entra.App{}).Expires()
	case "certificate":
		e = (&entra.Certificate{Files: certificateFiles(s)}).Expires()
	}
	if day, err := time.Parse(time.DateOnly, s.CredentialExpires); err == nil {
		e = e.Earlier(entra.SecretExpiry(day))
	}
	return e
}

// credentialEvery is how often a credential is looked at.
const credentialEvery = 10 * time.Minute

// credential watches the end of one source's credential.
type credential struct {
	expires func() entra.Expiry
	metric  func(end time.Time)

	mu   sync.Mutex
	last entra.Expiry
}

func newCredential(s *config.Source, keeper Keeper, metric func(time.Time)) *credential {
	c := &credential{expires: func() entra.Expiry { return CredentialExpiry(s, keeper) }, metric: metric}
	c.look()
	return c
}

// watch looks at the credential until ctx ends.
func (c *credential) watch(ctx context.Context) {
	tick := time.NewTicker(credentialEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.look()
		case <-ctx.Done():
			return
		}
	}
}

// look finds out the end.
func (c *credential) look() {
	e := c.expires()
	c.metric(e.End)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = e
}

// status is the end and, when it is near, what to do.
func (c *credential) status() (end time.Time, warning string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last.End, c.last.Warning(time.Now())
}
