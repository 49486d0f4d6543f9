// Package config reads siembridge's configuration file.
//
// The structs below are the one table of keys. The tags of a field say all there is to say of its key:
//
//	key      its name
//	default  its value when the file does not give it and the destination's type has no other
//	values   the values it may have; @formats and @apis stand for the lists of those
//	help     its comment in config.example.toml, which a test makes of the table
//	example  its value there, where the default would be none
//
// Parse reports every mistake of a file at once, each with its key, its line and what to do about it; a key that is
// not in the table is one. What keys mean together is checked in check.go and credential.go.
package config

import (
	"fmt"
	"strings"
	"time"
)

// Config is a whole configuration, defaults and presets filled in.
type Config struct {
	StateDir     string        `key:"state_dir" default:"/var/lib/siembridge" help:"buffer, coverage, rotated refresh tokens, control socket; created 0700"`
	Log          Log           `key:"log"`
	Admin        Admin         `key:"admin"`
	Buffer       Buffer        `key:"buffer"`
	Reconcile    Reconcile     `key:"reconcile"`
	Sources      []Source      `key:"source"`
	Destinations []Destination `key:"destination"`

	Warnings []Problem // what is allowed and probably not meant
}

// Destination returns the destination of a name, the first for "". Its error names those that there are.
func (c *Config) Destination(name string) (*Destination, error) {
	var names []string
	for i := range c.Destinations {
		if d := &c.Destinations[i]; name == "" || d.Name == name {
			return d, nil
		}
		names = append(names, c.Destinations[i].Name)
	}
	return nil, NotNamed("destination", name, names)
}

// NotNamed is the error for a source, a destination or a format that is not among those of these names.
func NotNamed(kind, name string, names []string) error {
	return fmt.Errorf("no %s is named %q; there are %s", kind, name, strings.Join(names, ", "))
}

// Log is the [log] table.
type Log struct {
	Level  string `key:"level" default:"info" values:"debug info warn error"`
	Format string `key:"format" default:"text" values:"text json" help:"standard error"`
}

// Admin is the [admin] table.
type Admin struct {
	Listen     string `key:"listen" default:"127.0.0.1:9465" help:"status page at /, /metrics, /healthz, /readyz; \"\" turns it off"`
	TokenFile  string `key:"token_file" help:"bearer token; required when listen is not loopback"`
	ShowEvents bool   `key:"show_events" default:"true" help:"the newest events with their contents on the status page"`
}

// Buffer is the [buffer] table.
type Buffer struct {
	Type      string        `key:"type" default:"disk" values:"disk jetstream"`
	MaxSize   Size          `key:"max_size" default:"10GiB" help:"records that some destination has yet to receive"`
	Retain    time.Duration `key:"retain" default:"7d" help:"how long delivered records stay for siembridge replay"`
	JetStream JetStream     `key:"jetstream"`
}

// JetStream is the [buffer.jetstream] table.
type JetStream struct {
	URLs            []string `key:"urls" help:"nats:// or tls:// servers"`
	CredentialsFile string   `key:"credentials_file" help:"a NATS credentials file"`
	CAFile          string   `key:"ca_file" help:"authority of the peer, PEM"`
	CertFile        string   `key:"cert_file" help:"client certificate, PEM"`
	KeyFile         string   `key:"key_file" help:"its key, PEM"`
	Replicas        int      `key:"replicas" default:"3" help:"copies of each stream"`
}

// Reconcile is the [reconcile] table.
type Reconcile struct {
	Every  time.Duration `key:"every" default:"24h" help:"\"\" turns it off"`
	Window time.Duration `key:"window" default:"48h" help:"how far back it looks"`
}

// Source is one [[source]].
type Source struct {
	Name                    string        `key:"name" help:"unique; appears in metrics, logs, status" example:"contoso"`
	API                     string        `key:"api" default:"graph-alerts" values:"@apis file"`
	Cloud                   string        `key:"cloud" default:"public" values:"public gcc gcc-high dod" help:"sets endpoint, audience and authority"`
	Region                  string        `key:"region" default:"us" values:"us eu uk" help:"of the detections API only"`
	Endpoint                string        `key:"endpoint" help:"overrides scheme, host and prefix of the API; http:// only to loopback"`
	TokenURL                string        `key:"token_url" help:"overrides the token endpoint; http:// only to loopback"`
	TenantID                string        `key:"tenant_id" help:"the tenant's id, as the Entra admin centre shows it" example:"00000000-0000-0000-0000-000000000000"`
	ClientID                string        `key:"client_id" help:"the application (client) id of the app registration" example:"00000000-0000-0000-0000-000000000000"`
	Auth                    string        `key:"auth" default:"client-secret" values:"client-secret refresh-token certificate managed-identity workload-identity"`
	ClientSecretEnv         string        `key:"client_secret_env" help:"exactly one of _env, _file, or the plain key" example:"SIEMBRIDGE_CLIENT_SECRET"`
	ClientSecretFile        string        `key:"client_secret_file" help:"a file with the secret; read again each time"`
	ClientSecret            Secret        `key:"client_secret" help:"the secret itself"`
	RefreshTokenFile        string        `key:"refresh_token_file" help:"seed of the chain; the rotated token is kept in state_dir; not needed after siembridge login"`
	CertificateFile         string        `key:"certificate_file" help:"PEM or PFX, with its key"`
	CertificateKeyFile      string        `key:"certificate_key_file" help:"PEM: the key, when it is not in certificate_file"`
	CertificatePasswordFile string        `key:"certificate_password_file" help:"of a PFX"`
	FederatedTokenFile      string        `key:"federated_token_file" help:"workload identity; default: AZURE_FEDERATED_TOKEN_FILE"`
	CredentialExpires       string        `key:"credential_expires" help:"a date; warns from 30 days before; certificates and refresh tokens tell theirs themselves"`
	PollInterval            time.Duration `key:"poll_interval" default:"1m" help:"how often the API is asked"`
	RequestsPerMinute       int           `key:"requests_per_minute" default:"0" help:"0: Microsoft's documented limit for the API, half of it while catching up; shared by sources of one tenant and app"`
	Lookback                time.Duration `key:"lookback" default:"30m" help:"each poll looks back this far for late arrivals; duplicates are recognised"`
	Start                   string        `key:"start" default:"-24h" help:"first run: how far back, or an RFC 3339 time"`
	Events                  string        `key:"events" default:"alert" values:"alert evidence" help:"alert: one event per alert; evidence: one per piece of evidence"`
	Updates                 bool          `key:"updates" default:"true" help:"send an alert again when what matters in it changes, marked as an update"`
	Hostname                string        `key:"hostname" help:"header HOSTNAME of its events; default: the destination's"`
	CAFile                  string        `key:"ca_file" help:"further CA for the API and token hosts (a TLS-inspecting proxy)"`
	Path                    string        `key:"path" help:"api = \"file\": a path, a glob, or \"-\" for standard input"`
	ProxyURL                string        `key:"proxy_url" help:"else HTTPS_PROXY"`
	Fields                  []Field       `key:"fields" help:"additions to every event of this source: key = \"value\""`
}

// Destination is one [[destination]].
type Destination struct {
	Name            string        `key:"name" help:"unique; appears in metrics, logs, status" example:"qradar"`
	Type            string        `key:"type" default:"qradar" values:"qradar arcsight sentinel generic" help:"a preset of the keys below"`
	Address         []string      `key:"address" help:"host:port; a list fails over in order" example:"qradar.example.org:6514"`
	Format          string        `key:"format" default:"leef:2.0" values:"@formats"`
	Header          string        `key:"header" default:"rfc3164" values:"rfc3164 rfc5424 none"`
	Framing         string        `key:"framing" default:"newline" values:"newline octet-counting nul"`
	Delimiter       string        `key:"delimiter" default:"0x09" values:"0x09 ^" help:"leef:2.0 only: 0x09 (tab), or ^ where an rsyslog relay stands in between"`
	Transport       string        `key:"transport" default:"tls" values:"tls tcp"`
	Hostname        string        `key:"hostname" help:"the header's HOSTNAME (QRadar's log source identifier); default: this host"`
	Facility        string        `key:"facility" default:"local4" help:"a syslog facility by its name"`
	AppName         string        `key:"app_name" default:"siembridge" help:"APP-NAME of an RFC 5424 header"`
	MaxLength       int           `key:"max_length" default:"4096" help:"bytes of one event with its header"`
	Sources         []string      `key:"sources" help:"names; empty: all"`
	Filter          string        `key:"filter" help:"an expression over detection fields, e.g. severity >= medium && category != \"Exploit\""`
	Profile         string        `key:"profile" values:"arcsight-legacy mcas-legacy" help:"cef only; arcsight-legacy: strings and slots of the old FlexConnector; mcas-legacy: keys of the Cloud Apps SIEM agent"`
	MappingFile     string        `key:"mapping_file" help:"a TOML table that extends or replaces the default, or an ArcSight *.jsonparser.properties"`
	RateLimit       int           `key:"rate_limit" default:"0" help:"events per second; 0: none"`
	Confirm         string        `key:"confirm" default:"close" values:"close ack" help:"close: by the peer's FIN in answer to ours; ack: by TCP acknowledgement, one lasting connection, weaker"`
	ConfirmBytes    Size          `key:"confirm_bytes" default:"1MiB" help:"a connection carries about so much before it is confirmed"`
	ConfirmInterval time.Duration `key:"confirm_interval" default:"2s" help:"or is so old; an idle one is confirmed at once"`
	ConfirmTimeout  time.Duration `key:"confirm_timeout" default:"30s" help:"no progress for so long: stalled (said, waited for); no answer by TCP for so long: dead, sent again"`
	Overflow        string        `key:"overflow" default:"block" values:"block drop-oldest" help:"when the buffer is full and this destination is behind"`
	ConnectTimeout  time.Duration `key:"connect_timeout" default:"10s" help:"for TCP and TLS together"`
	Heartbeat       time.Duration `key:"heartbeat" help:"e.g. \"5m\": an event of its own class with counts and lag"`
	TLS             TLS           `key:"tls"`
	Fields          []Field       `key:"fields" help:"additions to every event: key = \"value\""`
}

// TLS is the [destination.tls] table.
type TLS struct {
	CAFile             string `key:"ca_file" help:"authority of the peer, PEM"`
	CertFile           string `key:"cert_file" help:"client certificate (mutual TLS); reloaded when the file changes"`
	KeyFile            string `key:"key_file" help:"its key, PEM"`
	ServerName         string `key:"server_name" help:"name in the peer's certificate; default: the host of the address"`
	Fingerprint        string `key:"fingerprint" help:"sha256 of the peer's certificate, instead of CA and name"`
	MinVersion         string `key:"min_version" default:"1.2" values:"1.2 1.3"`
	InsecureSkipVerify bool   `key:"insecure_skip_verify" default:"false" help:"trusts anybody; for a test only"`
}

// Field is one addition of a fields table, in the order of the file.
type Field struct{ Key, Value string }
