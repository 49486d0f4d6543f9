package config

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestRedacted(t *testing.T) {
	c, err := Parse("test", `state_dir = "/var/lib/x"
[[source]]
name = "contoso"
api = "graph-alerts"
tenant_id = "00000000-0000-0000-0000-000000000000"
client_id = "00000000-0000-0000-0000-000000000001"
client_secret = "hidden-one"
proxy_url = "http://user:hidden-two@proxy.example.org:3128"
[source.fields]
contract = "hidden-three"
[[destination]]
name = "siem"
type = "generic"
address = "siem.example.org"
`)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(Redacted(c))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "hidden") {
		t.Errorf("a secret is in it: %s", text)
	}
	for _, want := range []string{`"client_secret":"***"`, `http://***@proxy.example.org:3128`, `contract = ***`, `"poll_interval":"1m0s"`, `"siem.example.org:6514"`, `"max_size":10737418240`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is not in it: %s", want, text)
		}
	}
	for _, wrong := range []string{`"a `} {
		if strings.Contains(string(text), wrong) {
			t.Errorf("a kind of value is not known: %s", text)
		}
	}
}
