package config_test

import (
	"fmt"

	"github.com/siembridge/siembridge/bridge/config"
)

// The smallest useful file: what it does not say has its default, or the preset of the destination's type.
func ExampleParse() {
	c, err := config.Parse("siembridge.toml", `
[[source]]
name          = "contoso"
tenant_id     = "00000000-0000-0000-0000-000000000000"
client_id     = "00000000-0000-0000-0000-000000000000"
client_secret = "x"

[[destination]]
name    = "arcsight"
type    = "arcsight"
address = "arcsight.example.org"
`)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Sources[0].API, c.Sources[0].PollInterval, c.Sources[0].ClientSecret)
	fmt.Println(c.Destinations[0].Address, c.Destinations[0].Format, c.Destinations[0].MaxLength)
	// Output:
	// graph-alerts 1m0s ***
	// [arcsight.example.org:6514] cef:0 8192
}

// All mistakes come at once, each with its line and what to do.
func ExampleParse_mistakes() {
	_, err := config.Parse("siembridge.toml", `
[[source]]
name = "files"
api  = "file"
pth  = "-"

[[destination]]
name      = "siem"
adress    = "siem.example.org"
max_length = 40
`)
	fmt.Println(err)
	// Output:
	// siembridge.toml:2: source[0].path: api = "file" needs a path, a glob, or "-" for standard input
	// siembridge.toml:5: source[0].pth: there is no such key; did you mean path?
	// siembridge.toml:7: destination[0].address: needed: host:port of the receiver, or a list of them
	// siembridge.toml:9: destination[0].adress: there is no such key; did you mean address?
	// siembridge.toml:10: destination[0].max_length: from 1024 to 1048576 bytes, not 40
}
