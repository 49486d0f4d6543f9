package main

import (
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/siembridge/siembridge/bridge/preview"
)

func newPreviewCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "preview (--config FILE | --format FORMAT) [FILE]",
		Short: "Show what records become: raw JSON in, events out",
		Long: "preview reads a record, a page, a list or one record a line of any supported API, from a file or standard input,\n" +
			"and writes the event of each on a line of its own, without syslog header. With --config the events are those of\n" +
			"the first destination, or of the one that --destination names, filter included: one per alert or one per piece of\n" +
			"evidence, as events of the source of that API says. With --diff it writes what another mapping file would change in\n" +
			"them, for alerts as they come live, from any number of files.",
		Example: "  siembridge preview --format cef:0 alert.json\n  siembridge preview --config siembridge.toml --destination qradar < page.json\n" +
			"  siembridge preview --config siembridge.toml --diff mine.toml alerts/*.json",
	}
	path := configFlag(c, false)
	format := formatFlag(c, "")
	name := c.Flags().String("destination", "", "with --config: the destination whose events to show")
	diff := c.Flags().String("diff", "", "a mapping file: show what it would change instead")
	c.Args = func(c *cobra.Command, args []string) error {
		if *diff != "" {
			return nil
		}
		return cobra.MaximumNArgs(1)(c, args)
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		if (*path == "") == (*format == "") {
			return usageError{errors.New("give either --config or --format")}
		}
		p, err := previewOf(*path, *format, *name)
		if err != nil {
			return err
		}
		if *diff != "" {
			other, err := p.With(*diff)
			if err != nil {
				return usageError{err}
			}
			if len(args) == 0 {
				args = []string{"-"}
			}
			complete, err := preview.Diff(p, other, args, c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr())
			return said(complete, ofFile(err))
		}
		in := io.Reader(c.InOrStdin())
		if len(args) > 0 && args[0] != "-" {
			f, err := os.Open(args[0])
			if err != nil {
				return usageError{err}
			}
			defer f.Close()
			in = f
		}
		return said(p.Write(in, c.OutOrStdout(), c.ErrOrStderr()))
	}
	return c
}

// previewOf makes the events of a format, or of a destination of the configuration at path: the first for the name "".
func previewOf(path, format, name string) (*preview.Preview, error) {
	if format != "" {
		p, err := preview.OfFormat(format, "")
		if err != nil {
			return nil, usageError{err}
		}
		return p, nil
	}
	cfg, err := loadConfig(path)
	if err != nil {
		return nil, err
	}
	d, err := cfg.Destination(name)
	if err != nil {
		return nil, usageError{err}
	}
	p, err := preview.OfDestination(cfg, d)
	if err != nil {
		return nil, usageError{err}
	}
	return p, nil
}

// ofFile makes a file that cannot be opened a mistake on the command line.
func ofFile(err error) error {
	var open preview.OpenError
	if errors.As(err, &open) {
		return usageError{err}
	}
	return err
}
