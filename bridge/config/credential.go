package config

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"time"
)

// checkCredential checks what a source signs in with: that it is complete, that its files are there, and that nothing
// is given that its auth does not use.
func (p *parser) checkCredential(s *Source, at string) {
	if s.Auth == "workload-identity" {
		s.fromCluster(os.Getenv)
	}
	p.checkApp(s, at)
	p.checkSecret(s, at)
	files := []struct {
		key, path, auth string
		needed          string // why, when it must be given
		secret          bool
	}{
		{"refresh_token_file", s.RefreshTokenFile, "refresh-token", "", true},
		{"certificate_file", s.CertificateFile, "certificate", "the certificate with its key, PEM or PFX", true},
		{"certificate_key_file", s.CertificateKeyFile, "certificate", "", true},
		{"certificate_password_file", s.CertificatePasswordFile, "certificate", "", true},
		{"federated_token_file", s.FederatedTokenFile, "workload-identity",
			"the file with the cluster's token; on Azure Kubernetes Service AZURE_FEDERATED_TOKEN_FILE names it", false},
	}
	for _, f := range files {
		key := at + "." + f.key
		switch {
		case f.path == "" && s.Auth == f.auth && f.needed != "":
			p.fail(key, "auth = %q needs %s", s.Auth, f.needed)
		case f.path != "" && s.Auth != f.auth:
			p.fail(key, "not used with auth = %q: set auth = %q, or take this key out", s.Auth, f.auth)
		case f.auth == "refresh-token" && isMissing(f.path): // its chain may go on without the seed
		case f.secret:
			p.secretExists(key, f.path)
		default:
			p.fileExists(key, f.path)
		}
		if f.secret {
			p.secretMode(key, f.path)
		}
	}
	if s.CredentialExpires == "" {
		return
	}
	if _, err := time.Parse(time.DateOnly, s.CredentialExpires); err != nil {
		p.fail(at+".credential_expires", "%q is no date; write it like 2027-01-31", s.CredentialExpires)
	}
}

// isMissing tells whether a path is one at which there could be a file and is none.
func isMissing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// fromCluster fills what Azure Kubernetes Service tells a pod by its environment.
func (s *Source) fromCluster(getenv func(string) string) {
	for value, name := range map[*string]string{&s.TenantID: "AZURE_TENANT_ID", &s.ClientID: "AZURE_CLIENT_ID", &s.FederatedTokenFile: "AZURE_FEDERATED_TOKEN_FILE"} {
		if *value == "" {
			*value = getenv(name)
		}
	}
}

// checkApp checks tenant and application. A managed identity has a tenant by nature, and a client id only when it is
// a user-assigned one.
func (p *parser) checkApp(s *Source, at string) {
	switch strings.ToLower(s.TenantID) {
	case "":
		if s.Auth != "managed-identity" {
			p.fail(at+".tenant_id", "needed: the tenant's id, as the Entra admin centre shows it")
		}
	case "common", "organizations", "consumers":
		p.fail(at+".tenant_id", "%q is no tenant: an application signs in to one, so give its id (AADSTS9001023)", s.TenantID)
	}
	if s.ClientID == "" && s.Auth != "managed-identity" {
		p.fail(at+".client_id", "needed: the application (client) id of the app registration")
	}
}

// checkSecret checks the client secret, which the refresh-token flow of a confidential client has besides its token.
func (p *parser) checkSecret(s *Source, at string) {
	given := []string{}
	for key, value := range map[string]string{"client_secret_env": s.ClientSecretEnv, "client_secret_file": s.ClientSecretFile, "client_secret": s.ClientSecret.Reveal()} {
		if value != "" {
			given = append(given, key)
		}
	}
	switch {
	case len(given) > 1:
		p.fail(at+".client_secret", "give exactly one of client_secret_env, client_secret_file, client_secret")
	case len(given) == 0 && s.Auth == "client-secret":
		p.fail(at+".client_secret_file", "auth = \"client-secret\" needs exactly one of client_secret_env, client_secret_file, client_secret")
	case len(given) == 1 && s.Auth != "client-secret" && s.Auth != "refresh-token":
		p.fail(at+"."+given[0], "not used with auth = %q: take this key out, or set auth = \"client-secret\"", s.Auth)
	}
	if s.ClientSecretEnv != "" && os.Getenv(s.ClientSecretEnv) == "" {
		// The name is not shown: it may be the secret itself, written into the wrong key.
		p.fail(at+".client_secret_env", "there is no environment variable of this name: set it, or correct the name")
	}
	p.secretExists(at+".client_secret_file", s.ClientSecretFile)
	p.secretMode(at+".client_secret_file", s.ClientSecretFile)
}
