// Package migrate makes a configuration of what an old connector was set up with: what Microsoft's portal saved, an ArcSight
// connector's properties, its parser file.
package migrate

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/formats/flexconnector"
)

// apis are those that take the place of what an old connector pulled.
var apis = []string{"detections", "graph-alerts", "alerts"}

// Options are what the files of a connector do not say, or not always.
type Options struct {
	API     string    // to pull from: detections, graph-alerts or alerts
	Region  string    // us, eu or uk (detections only); "": as the files say
	SIEM    string    // type of the destination; "": as the files say
	Address string    // of the SIEM's syslog receiver
	Secrets string    // folder for the files with secrets
	Errors  io.Writer // takes what is not understood, absent or worth a note, a line each
}

// Check returns what is wrong with the options.
func (o *Options) Check() error {
	for _, flag := range []struct {
		name, value string
		values      []string
	}{{"api", o.API, apis}, {"siem", o.SIEM, config.Values("destination.type")}, {"region", o.Region, config.Values("source.region")}} {
		if (flag.value != "" || flag.name == "api") && !slices.Contains(flag.values, flag.value) {
			return fmt.Errorf("--%s: %q is not one of %s", flag.name, flag.value, strings.Join(flag.values, ", "))
		}
	}
	return nil
}

// Migration makes a configuration of the files that it has read.
type Migration struct {
	o Options

	settings settings
	mapping  string // absolute path of the parser file
	missing  bool   // something was not understood, or is not in the files
	files    []string
}

// Read reads the files of a connector, each whichever of the three kinds it is. Its error is a file that cannot be read.
func Read(o Options, files []string) (*Migration, error) {
	m := &Migration{o: o, files: files}
	for _, path := range files {
		if err := m.read(path); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Write writes the configuration to out, and each secret to a file of its own; its error is one that cannot be stored.
// complete: everything was understood, nothing is absent, and siembridge takes the configuration.
func (m *Migration) Write(out io.Writer) (complete bool, err error) {
	text, err := m.write()
	if err != nil {
		return false, err
	}
	if _, err := io.WriteString(out, text); err != nil {
		return false, err
	}
	m.prove(text)
	return !m.missing, nil
}

// read takes one file in, whichever of the three kinds it is.
func (m *Migration) read(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.IsDir() || info.Size() > flexconnector.MaxFile {
		return fmt.Errorf("%s is a folder, or larger than any file of a connector; name the file itself", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if strings.HasSuffix(path, ".properties") && flexconnector.IsParser(text) {
		return m.readParser(path, text)
	}
	s := readSettings(path, text)
	m.report(path, "", s.Problems)
	m.report(path, "note: ", s.Notes)
	m.missing = m.missing || len(s.Problems) > 0
	before := len(m.settings.Problems)
	m.settings.merge(s)
	m.report(path, "", m.settings.Problems[before:])
	m.missing = m.missing || len(m.settings.Problems) > before
	return nil
}

func (m *Migration) readParser(path string, text []byte) error {
	if m.mapping != "" {
		return fmt.Errorf("%s is a second parser file; a destination has one, import them apart", path)
	}
	c := flexconnector.Convert(text)
	m.report(path, "", c.Problems)
	m.report(path, "note: ", c.Notes)
	if len(c.Problems) > 0 {
		m.missing = true
		fmt.Fprintf(m.o.Errors, "%s: siembridge starts when these lines are mended, or have a # before them\n", path)
	}
	var err error
	m.mapping, err = filepath.Abs(path)
	if m.settings.SIEM == "" {
		m.settings.SIEM = "arcsight"
	}
	return err
}

func (m *Migration) report(path, kind string, all flexconnector.Problems) {
	for _, p := range all {
		fmt.Fprintf(m.o.Errors, "%s: %s%s\n", path, kind, p)
	}
}

// absent says that a value is in none of the files.
func (m *Migration) absent(what string) {
	m.missing = true
	fmt.Fprintf(m.o.Errors, "not in the files: %s\n", what)
}

// prove reads the configuration as siembridge will.
func (m *Migration) prove(text string) {
	cfg, err := config.Parse("the configuration", text)
	var problems config.Problems
	switch {
	case errors.As(err, &problems):
		m.missing = true
		for _, p := range problems {
			fmt.Fprintln(m.o.Errors, p)
		}
	case err != nil:
		m.missing = true
		fmt.Fprintln(m.o.Errors, err)
	default:
		for _, w := range cfg.Warnings {
			fmt.Fprintln(m.o.Errors, "warning:", w)
		}
	}
}
