package config

import "reflect"

// presets are what a destination's type stands for: defaults of other keys, and the port of an address without one.
var presets = map[string]map[string]string{
	"qradar":   {"format": "leef:2.0", "header": "rfc3164", "framing": "newline", "transport": "tls", "facility": "local4", "max_length": "4096"},
	"arcsight": {"format": "cef:0", "header": "rfc3164", "framing": "newline", "transport": "tls", "facility": "local4", "max_length": "8192"},
	"sentinel": {"format": "cef:0", "header": "rfc3164", "framing": "newline", "transport": "tcp", "facility": "local3", "max_length": "8192"},
	"generic":  {"format": "json", "header": "rfc5424", "framing": "octet-counting", "transport": "tls", "facility": "local4", "max_length": "65536"},
}

// defaultPort is the port of a destination's address that names none: 6514 for TLS (RFC 5425), 514 for the sentinel
// preset's TCP.
func defaultPort(d *Destination) string {
	if d.Type == "sentinel" || d.Transport == "tcp" {
		return "514"
	}
	return "6514"
}

// presetOf returns the defaults that a table's own type sets; nil for tables without presets.
func presetOf(t reflect.Type, tree map[string]any) map[string]string {
	if t != reflect.TypeFor[Destination]() {
		return nil
	}
	name, ok := tree["type"].(string)
	if !ok {
		name = "qradar"
	}
	return presets[name]
}
