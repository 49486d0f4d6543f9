package config

import (
	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/cef"
	"github.com/siembridge/siembridge/formats/leef"
	"github.com/siembridge/siembridge/formats/parse"
)

// builder makes the encoder of one format for a destination, with what its mapping_file and fields add.
type builder func(d *Destination, add formats.Additions) (Encoder, error)

// reader reads an event of one format back as a SIEM does.
type reader func(event []byte) ([]parse.Pair, error)

// registry has every format under the name that the key format gives it, the versions of one format in their order.
// This is the only list: a new format is a package and a line here.
var registry = []struct {
	name  string
	build builder
	read  reader
}{
	{"leef:1.0", leefOf(leef.Version1), parse.LEEFFields},
	{"leef:2.0", leefOf(leef.Version2), parse.LEEFFields},
	{"cef:0", cefOf(cef.Version0), parse.CEFFields},
	{"cef:1", cefOf(cef.Version1), parse.CEFFields},
	{"json", func(_ *Destination, add formats.Additions) (Encoder, error) {
		return formats.NewJSON(formats.JSONOptions{Additions: add})
	}, parse.JSONFields},
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

// ReadEvent reads an event of a format back as a SIEM does and returns its fields in order. Its error is an event that
// does not parse, or a format that there is not.
func ReadEvent(format string, event []byte) (fields []formats.Pair, err error) {
	for _, f := range registry {
		if f.name != format {
			continue
		}
		pairs, err := f.read(event)
		for _, p := range pairs {
			fields = append(fields, formats.Pair(p))
		}
		return fields, err
	}
	return nil, NotNamed("format", format, Formats())
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
