package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCredentials holds each auth: what it needs, what it refuses, what it takes from the environment.
func TestCredentials(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	const app = "tenant_id = \"t\"\nclient_id = \"c\"\n"
	tests := []struct {
		name, keys string
		env        map[string]string
		problem    string // "": none
	}{
		{name: "secret", keys: app + "client_secret = \"s\""},
		{name: "no secret", keys: app, problem: "client_secret_file: auth = \"client-secret\" needs exactly one"},
		{name: "two secrets", keys: app + "client_secret = \"s\"\nclient_secret_file = \"FILE\"", problem: "give exactly one"},
		{name: "no tenant", keys: "client_id = \"c\"\nclient_secret = \"s\"", problem: "tenant_id: needed"},
		{name: "no app", keys: "tenant_id = \"t\"\nclient_secret = \"s\"", problem: "client_id: needed"},
		{name: "any tenant", keys: "tenant_id = \"Common\"\nclient_id = \"c\"\nclient_secret = \"s\"", problem: "AADSTS9001023"},
		{name: "refresh token, seeded", keys: app + "auth = \"refresh-token\"\nrefresh_token_file = \"FILE\"\nclient_secret = \"s\""},
		{name: "refresh token, by login, public client", keys: app + "auth = \"refresh-token\""},
		{name: "refresh token without its auth", keys: app + "client_secret = \"s\"\nrefresh_token_file = \"FILE\"", problem: "refresh_token_file: not used with auth = \"client-secret\": set auth = \"refresh-token\""},
		{name: "certificate", keys: app + "auth = \"certificate\"\ncertificate_file = \"FILE\"\ncertificate_key_file = \"FILE\"\ncertificate_password_file = \"FILE\""},
		{name: "certificate missing", keys: app + "auth = \"certificate\"", problem: "certificate_file: auth = \"certificate\" needs the certificate with its key"},
		{name: "certificate not there", keys: app + "auth = \"certificate\"\ncertificate_file = \"FILE.none\"", problem: "no such file"},
		{name: "certificate with a secret", keys: app + "auth = \"certificate\"\ncertificate_file = \"FILE\"\nclient_secret = \"s\"", problem: "client_secret: not used with auth = \"certificate\""},
		{name: "managed identity", keys: "auth = \"managed-identity\""},
		{name: "user-assigned managed identity", keys: "auth = \"managed-identity\"\nclient_id = \"c\""},
		{name: "workload identity", keys: app + "auth = \"workload-identity\"\nfederated_token_file = \"FILE\""},
		{name: "workload identity of a pod", keys: "auth = \"workload-identity\"", env: map[string]string{"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_FEDERATED_TOKEN_FILE": file}},
		{name: "workload identity outside a pod", keys: app + "auth = \"workload-identity\"", problem: "AZURE_FEDERATED_TOKEN_FILE"},
		{name: "the environment is for pods", keys: "client_secret = \"s\"", env: map[string]string{"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c"}, problem: "tenant_id: needed"},
		{name: "no date", keys: app + "client_secret = \"s\"\ncredential_expires = \"31.1.2027\"", problem: "credential_expires: \"31.1.2027\" is no date"},
		{name: "date", keys: app + "client_secret = \"s\"\ncredential_expires = \"2027-01-31\""},
		{name: "China", keys: app + "client_secret = \"s\"\ncloud = \"china\"", problem: "the China cloud has neither alerts_v2 nor incidents"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, name := range []string{"AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE"} {
				t.Setenv(name, test.env[name])
			}
			_, err := Parse("f.toml", "[[source]]\nname = \"s\"\n"+strings.ReplaceAll(test.keys, "FILE", file)+"\n[[destination]]\nname = \"d\"\naddress = \"q:514\"\n")
			switch {
			case test.problem == "" && err != nil:
				t.Error(err)
			case test.problem != "" && (err == nil || !strings.Contains(err.Error(), test.problem)):
				t.Errorf("got %v, want %s", err, test.problem)
			}
		})
	}
}
