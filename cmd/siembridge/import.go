package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/formats/flexconnector"
)

func newImportCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "import FILE...",
		Short: "Make a configuration of what an old connector was set up with",
		Long: "import reads what the portal's SIEM page saved (\"Save details to file\"), an ArcSight connector's\n" +
			"WDATP-connector.properties and its WDATP-connector.jsonparser.properties, and writes a configuration to standard\n" +
			"output. Secrets go into files of their own that only their owner can read, in the folder of --secrets, and are\n" +
			"never shown. What is not understood is reported with its line; the exit code is 1 then, and the configuration has\n" +
			"the rest.",
		Example: "  siembridge import --region eu WDATP-connector.properties WDATP-connector.jsonparser.properties > siembridge.toml\n" +
			"  siembridge import --siem qradar --address qradar.example.org:6514 details.txt > siembridge.toml",
		Args: cobra.MinimumNArgs(1),
	}
	i := &importer{}
	c.Flags().StringVar(&i.api, "api", "detections", "the API to pull from: detections (as the connector did), graph-alerts or alerts")
	c.Flags().StringVar(&i.region, "region", "", "us, eu or uk: where the tenant's data is, when the files do not say (detections only)")
	c.Flags().StringVar(&i.siem, "siem", "", "qradar, arcsight, sentinel or generic; else what the files are of")
	c.Flags().StringVar(&i.address, "address", "", "the SIEM's syslog receiver, host:port")
	c.Flags().StringVar(&i.secrets, "secrets", ".", "folder for the files with secrets")
	c.RunE = func(c *cobra.Command, args []string) error {
		i.errs = c.ErrOrStderr()
		return i.run(args, c.OutOrStdout())
	}
	return c
}

// importedAPIs are those that take the place of what an old connector pulled.
var importedAPIs = []string{"detections", "graph-alerts", "alerts"}

// importer makes a configuration of the files it reads.
type importer struct {
	api, region, siem, address, secrets string
	errs                                io.Writer

	settings flexconnector.Settings
	mapping  string // absolute path of the parser file
	missing  bool   // something was not understood, or is not in the files
}

func (i *importer) run(files []string, out io.Writer) error {
	for _, flag := range []struct {
		name, value string
		values      []string
	}{{"api", i.api, importedAPIs}, {"siem", i.siem, config.Values("destination.type")}, {"region", i.region, config.Values("source.region")}} {
		if (flag.value != "" || flag.name == "api") && !slices.Contains(flag.values, flag.value) {
			return usageError{fmt.Errorf("--%s: %q is not one of %s", flag.name, flag.value, strings.Join(flag.values, ", "))}
		}
	}
	for _, path := range files {
		if err := i.read(path); err != nil {
			return usageError{err}
		}
	}
	text, err := i.write(files)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(out, text); err != nil {
		return err
	}
	i.prove(text)
	if i.missing {
		return quietFailure{}
	}
	return nil
}

// read takes one file in, whichever of the three kinds it is.
func (i *importer) read(path string) error {
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
		return i.readParser(path, text)
	}
	s := flexconnector.ReadSettings(path, text)
	i.report(path, "", s.Problems)
	i.report(path, "note: ", s.Notes)
	i.missing = i.missing || len(s.Problems) > 0
	before := len(i.settings.Problems)
	i.settings.Merge(s)
	i.report(path, "", i.settings.Problems[before:])
	i.missing = i.missing || len(i.settings.Problems) > before
	return nil
}

func (i *importer) readParser(path string, text []byte) error {
	if i.mapping != "" {
		return fmt.Errorf("%s is a second parser file; a destination has one, import them apart", path)
	}
	c := flexconnector.Convert(text)
	i.report(path, "", c.Problems)
	i.report(path, "note: ", c.Notes)
	if len(c.Problems) > 0 {
		i.missing = true
		fmt.Fprintf(i.errs, "%s: siembridge starts when these lines are mended, or have a # before them\n", path)
	}
	var err error
	i.mapping, err = filepath.Abs(path)
	if i.settings.SIEM == "" {
		i.settings.SIEM = "arcsight"
	}
	return err
}

func (i *importer) report(path, kind string, all flexconnector.Problems) {
	for _, p := range all {
		fmt.Fprintf(i.errs, "%s: %s%s\n", path, kind, p)
	}
}

// absent says that a value is in none of the files.
func (i *importer) absent(what string) {
	i.missing = true
	fmt.Fprintf(i.errs, "not in the files: %s\n", what)
}

// prove reads the configuration as siembridge will.
func (i *importer) prove(text string) {
	cfg, err := config.Parse("the configuration", text)
	var problems config.Problems
	switch {
	case errors.As(err, &problems):
		i.missing = true
		for _, p := range problems {
			fmt.Fprintln(i.errs, p)
		}
	case err != nil:
		i.missing = true
		fmt.Fprintln(i.errs, err)
	default:
		for _, w := range cfg.Warnings {
			fmt.Fprintln(i.errs, "warning:", w)
		}
	}
}
