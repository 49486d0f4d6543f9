package config

import (
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write config.example.toml, or the answers in testdata/mistakes, anew")

// TestExampleHasEveryKeyWithItsDefault holds config.example.toml against the table of keys, and its values against what
// the smallest configuration gets.
func TestExampleHasEveryKeyWithItsDefault(t *testing.T) {
	t.Setenv("SIEMBRIDGE_CLIENT_SECRET", "x")
	const path = "../../config.example.toml"
	if *update {
		if err := os.WriteFile(path, []byte(exampleFile()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != exampleFile() {
		t.Errorf("%s is not what the table of keys says: go test ./bridge/config -run Example -update writes it", path)
	}
	example, err := Parse("config.example.toml", string(text))
	if err != nil {
		t.Fatal(err)
	}
	const smallest = `[[source]]
name = "contoso"
tenant_id = "00000000-0000-0000-0000-000000000000"
client_id = "00000000-0000-0000-0000-000000000000"
client_secret_env = "SIEMBRIDGE_CLIENT_SECRET"
[[destination]]
name = "qradar"
address = "qradar.example.org:6514"
`
	defaults, err := Parse("smallest.toml", smallest)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*Config{example, defaults} { // an empty list is as good as none
		if len(c.Destinations[0].Sources) == 0 {
			c.Destinations[0].Sources = nil
		}
		if len(c.Buffer.JetStream.URLs) == 0 {
			c.Buffer.JetStream.URLs = nil
		}
	}
	if !reflect.DeepEqual(example, defaults) {
		t.Errorf("the example's values are not the defaults:\n%+v\n%+v", example, defaults)
	}
}

// TestProblemsComeAllAtOnceWithTheirLines holds several mistakes of one file.
func TestProblemsComeAllAtOnceWithTheirLines(t *testing.T) {
	_, err := Parse("f.toml", `[log]
level = "verbose"
[[source]]
name = "a"
tenat_id = "x"
client_id = 7
cloud = "china"
endpoint = "http://graph.example.org"
[[destination]]
name = "d"
address = "qradar:99999"
filter = "severity >= mediun"
[destination.tls]
min_versoin = "1.3"
`)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		`f.toml:2: log.level: "verbose" is not one of debug, info, warn, error`,
		`f.toml:5: source[0].tenat_id: there is no such key; did you mean tenant_id?`,
		`f.toml:6: source[0].client_id: the value is text`,
		`f.toml:7: source[0].cloud: "china"`,
		`f.toml:8: source[0].endpoint: "http://graph.example.org" would send credentials in the clear`,
		`f.toml:11: destination[0].address: "qradar:99999"`,
		`f.toml:12: destination[0].filter: column 13: unknown name mediun`,
		`f.toml:14: destination[0].tls.min_versoin: there is no such key; did you mean min_version?`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing: %s\nin:\n%v", want, err)
		}
	}
}
