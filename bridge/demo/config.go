package demo

import (
	"bytes"
	"os"
	"path/filepath"
	"text/template"

	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/emulator"
)

// configuration is what an operator would write for it.
var configuration = template.Must(template.New("demo").Parse(`state_dir = {{printf "%q" .Dir}}

[admin]
listen = ""
{{range .APIs}}
[[source]]
name          = "{{.Name}}"
api           = "{{.Name}}"
endpoint      = "{{.Endpoint}}"
token_url     = "{{.TokenURL}}"
tenant_id     = "{{.Tenant}}"
client_id     = "{{.Client}}"
client_secret = {{printf "%q" .Secret}}
start         = "-2h"
poll_interval = "1s"
requests_per_minute = 6000
{{end}}
[[destination]]
name    = "qradar"
type    = "qradar"
address = "{{.QRadar}}"
  [destination.tls]
  ca_file = {{printf "%q" .CA}}

[[destination]]
name      = "arcsight"
type      = "arcsight"
address   = "{{.ArcSight}}"
transport = "tcp"
`))

// config writes the demo's configuration and reads it as any other.
func (d *demo) config(address string) (*config.Config, error) {
	type api struct{ Name, Endpoint, TokenURL, Tenant, Client, Secret string }
	values := struct {
		Dir, QRadar, ArcSight, CA string
		APIs                      []api
	}{filepath.Join(d.dir, "state"), d.siems[0].receiver.Address(), d.siems[1].receiver.Address(), filepath.Join(d.dir, "ca.pem"), nil}
	for _, name := range apis {
		values.APIs = append(values.APIs, api{name, "http://" + address + emulator.Endpoint(name), "http://" + address + d.tenant.TokenPath(name),
			d.tenant.ID, d.tenant.ClientID, d.tenant.Secret})
	}
	var text bytes.Buffer
	if err := configuration.Execute(&text, values); err != nil {
		return nil, err
	}
	path := filepath.Join(d.dir, "siembridge.toml")
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		return nil, err
	}
	return config.Load(path)
}
