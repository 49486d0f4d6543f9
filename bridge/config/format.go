package config

import (
	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/cef"
	"github.com/siembridge/siembridge/formats/leef"
)

// builder makes the encoder of one format for a destination, with what its mapping_file and fields add.
type builder func(d *Destination, add formats.Additions) (Encoder, error)

// registry has every format under the name that the key format gives it, the versions of one format in their order.
// This is the only list: a new format is a package and a line here.
var registry = []struct {
	name  string
	build builder
}{
	{"leef:1.0", leefOf(leef.Version1)},
	{"leef:2.0", leefOf(leef.Version2)},
	{"cef:0", cefOf(cef.Version0)},
	{"cef:1", cefOf(cef.Version1)},
	{"json", func(_ *Destination, add formats.Additions) (Encoder, error) {
		return formats.NewJSON(formats.JSONOptions{Additions: add})
	}},
}

func leefOf(version string) builder {
	return func(d *Destination, add formats.Additions) (Encoder, error) {
		return leef.New(leef.Options{Version: version, Delimiter: d.Delimiter, Additions: add})
	}
}

func cefOf(version string) builder {
	return func(d *Destination, add formats.Additions) (Encoder, error) {
		return cef.New(cef.Options{Version: version, Profile: d.Profile, Additions: add})
	}
}

// Formats returns the names of all formats; those of one format's versions follow each other, the newest last.
func Formats() (names []string) {
	for _, f := range registry {
		names = append(names, f.name)
	}
	return names
}

// builderOf finds a format by its name.
func builderOf(name string) (builder, error) {
	for _, f := range registry {
		if f.name == name {
			return f.build, nil
		}
	}
	return nil, NotNamed("format", name, Formats())
}
