package config

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/defender"
)

// maxMappingFile is the largest mapping_file in bytes.
const maxMappingFile = 1 << 20

// Encoder is an encoder of a destination with the mapping that it has in force.
type Encoder interface {
	formats.Encoder
	// Table returns the mapping in force: the format's own with what mapping_file and fields add. It must not be changed.
	Table() *formats.Table
}

// NewEncoder builds the encoder that a destination asks for by format, profile, mapping_file and fields. Its error
// names every mistake in the mapping (formats.Problems).
func NewEncoder(d *Destination) (Encoder, error) {
	if err := checkProfile(d); err != nil {
		return nil, err
	}
	build, err := builderOf(d.Format)
	if err != nil {
		return nil, err
	}
	add := formats.Additions{APIs: defender.APIs()}
	for _, f := range d.Fields {
		add.Fields = append(add.Fields, formats.Pair(f))
	}
	if d.MappingFile != "" {
		if add.Extend, err = readMapping(d.MappingFile); err != nil {
			return nil, err
		}
	}
	return build(d, add)
}

func checkProfile(d *Destination) error {
	if d.Profile != "" && !strings.HasPrefix(d.Format, "cef:") {
		return fmt.Errorf("%q is a profile of CEF: set format to cef:0, or take profile out", d.Profile)
	}
	return nil
}

// readMapping reads a mapping_file: a TOML table, or a parser file of an ArcSight FlexConnector.
func readMapping(path string) (*formats.Mapping, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxMappingFile {
		return nil, fmt.Errorf("%s has %d bytes, which is no mapping; name the file in mapping_file", path, info.Size())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(path, ".properties") {
		return readParserFile(text)
	}
	return formats.ParseMapping(string(text))
}

// checkMapping builds a destination's encoder as it will be in use, so that a mistake in a mapping or an addition is
// one of the configuration. It returns nil when there is none to hold the additions of sources against.
func (p *parser) checkMapping(d *Destination, at string) Encoder {
	if d.Format == "" { // said already
		return nil
	}
	if err := checkProfile(d); err != nil {
		p.fail(at+".profile", "%v", err)
		return nil
	}
	tried := *d
	tried.Fields = nil
	if d.Format != "leef:2.0" {
		tried.Delimiter = "" // one that does not apply is a problem of its own
	}
	plain, err := NewEncoder(&tried)
	if err != nil {
		p.failEach(at+".mapping_file", err)
		return nil
	}
	tried.Fields = d.Fields
	whole, err := NewEncoder(&tried)
	if err == nil {
		return whole
	}
	var problems formats.Problems
	if !errors.As(err, &problems) {
		p.fail(at+".fields", "%v", err)
	}
	for _, one := range problems {
		p.fail(join(at+".fields", one.Entry), "%s", one.Text)
	}
	return plain
}

// failEach reports every problem of a mapping on a line of its own.
func (p *parser) failEach(key string, err error) {
	var problems formats.Problems
	if !errors.As(err, &problems) {
		p.fail(key, "%v", err)
		return
	}
	for _, one := range problems {
		p.fail(key, "%s: %s", one.Entry, one.Text)
	}
}

// checkSourceFields holds the additions of the sources against the tables of the destinations that will write them.
// encoders are those of the destinations, nil where one could not be built.
func (p *parser) checkSourceFields(c *Config, encoders []Encoder) {
	for i := range c.Sources {
		s, at := &c.Sources[i], fmt.Sprintf("source[%d].fields", i)
		var pairs []formats.Pair
		for _, f := range s.Fields {
			if slices.ContainsFunc(pairs, func(other formats.Pair) bool { return strings.EqualFold(other.Key, f.Key) }) {
				p.fail(join(at, f.Key), "the key stands here twice in other letters, which receivers take for one")
				continue
			}
			pairs = append(pairs, formats.Pair{Key: f.Key, Value: f.Value})
		}
		for j, e := range encoders {
			d := &c.Destinations[j]
			if e == nil || len(d.Sources) > 0 && !slices.Contains(d.Sources, s.Name) {
				continue
			}
			var problems formats.Problems
			_ = errors.As(e.Table().CheckFields(pairs), &problems)
			for _, one := range problems {
				p.fail(join(at, one.Entry), "%s (destination %s, %s)", one.Text, d.Name, d.Format)
			}
		}
	}
}
