package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/entra"
)

// maxSecretFile is the largest file with a secret in bytes.
const maxSecretFile = 64 << 10

// SecretOf returns the function that reads a source's client secret, from wherever it is kept, each time it is
// needed; nil when it has none.
func SecretOf(s *config.Source) func() (string, error) {
	switch {
	case s.ClientSecretEnv != "":
		return func() (string, error) { return os.Getenv(s.ClientSecretEnv), nil }
	case s.ClientSecretFile != "":
		return func() (string, error) {
			info, err := os.Stat(s.ClientSecretFile)
			if err != nil {
				return "", err
			}
			if info.Size() > maxSecretFile {
				return "", fmt.Errorf("%s is too large for a secret", s.ClientSecretFile)
			}
			text, err := os.ReadFile(s.ClientSecretFile)
			return strings.TrimSpace(string(text)), err
		}
	case s.ClientSecret != "":
		return func() (string, error) { return s.ClientSecret.Reveal(), nil }
	}
	return nil
}

// grantOf is the credential that a source's configuration names; nil for a client secret.
func grantOf(s *config.Source, stateDir string) func(entra.App) entra.Grant {
	switch s.Auth {
	case "refresh-token":
		return func(app entra.App) entra.Grant { return RefreshTokenOf(s, stateDir, app) }
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
func RefreshTokenOf(s *config.Source, stateDir string, app entra.App) *entra.RefreshToken {
	return &entra.RefreshToken{App: app, Secret: SecretOf(s), SeedFile: s.RefreshTokenFile, File: entra.ChainFile(stateDir, s.Name)}
}

func certificateFiles(s *config.Source) entra.CertificateFiles {
	return entra.CertificateFiles{File: s.CertificateFile, KeyFile: s.CertificateKeyFile, PasswordFile: s.CertificatePasswordFile}
}

// CredentialExpiry tells when a source's credential ends: as it tells itself, or as credential_expires says,
// whichever comes first.
func CredentialExpiry(s *config.Source, stateDir string) entra.Expiry {
	var e entra.Expiry
	switch s.Auth {
	case "refresh-token":
		e = RefreshTokenOf(s, stateDir, entra.App{}).Expires()
	case "certificate":
		e = (&entra.Certificate{Files: certificateFiles(s)}).Expires()
	}
	if day, err := time.Parse(time.DateOnly, s.CredentialExpires); err == nil {
		e = e.Earlier(entra.SecretExpiry(day))
	}
	return e
}

// How often a credential is looked at, and how often the same warning is logged.
const (
	credentialEvery = 10 * time.Minute
	warningEvery    = 24 * time.Hour
)

// credential watches the end of one source's credential.
type credential struct {
	expires func() entra.Expiry
	metric  func(end time.Time)
	log     *slog.Logger

	mu     sync.Mutex
	last   entra.Expiry
	logged time.Time
}

func newCredential(s *config.Source, stateDir string, metric func(time.Time), log *slog.Logger) *credential {
	c := &credential{expires: func() entra.Expiry { return CredentialExpiry(s, stateDir) }, metric: metric, log: log.With("source", s.Name)}
	c.look(time.Now())
	return c
}

// watch looks at the credential until ctx ends.
func (c *credential) watch(ctx context.Context) {
	tick := time.NewTicker(credentialEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.look(time.Now())
		case <-ctx.Done():
			return
		}
	}
}

// look finds out the end, and warns once a day when it is near.
func (c *credential) look(now time.Time) {
	e := c.expires()
	c.metric(e.End)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = e
	switch warning := e.Warning(now); {
	case warning == "":
		c.logged = time.Time{}
	case now.Sub(c.logged) >= warningEvery:
		c.logged = now
		c.log.Warn(warning, "ends", e.End.UTC())
	}
}

// status is the end and, when it is near, what to do.
func (c *credential) status() (end time.Time, warning string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last.End, c.last.Warning(time.Now())
}
