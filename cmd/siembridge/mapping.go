package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/cef"
)

// documented are the tables of docs/mapping.md: CEF 1 has every key that CEF 0 has.
var documented = []config.Destination{
	{Format: "leef:2.0"}, {Format: "cef:1"}, {Format: "cef:0", Profile: cef.ProfileArcSightLegacy}, {Format: "cef:0", Profile: cef.ProfileMCASLegacy}, {Format: "json"},
}

func newMappingCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "mapping",
		Short:   "Print the mapping in force: every attribute and where its value comes from",
		Example: "  siembridge mapping --format cef:0\n  siembridge mapping --format cef:0 --profile arcsight-legacy\n  siembridge mapping --markdown > docs/mapping.md\n  siembridge mapping --coverage alerts.json",
		Args:    cobra.NoArgs,
	}
	format := c.Flags().String("format", "", "leef:1.0, leef:2.0, cef:0, cef:1 or json; the defaults and the profiles when it is not given")
	profile := c.Flags().String("profile", "", strings.Join(cef.Profiles(), ", ")+": a profile of CEF")
	markdown := c.Flags().Bool("markdown", false, "as Markdown, for the documentation")
	coverage := addCoverageFlags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if *profile != "" && *format == "" {
			*format = "cef:0"
		}
		if coverage.file != "" {
			return coverage.run(c, args, *format, *profile)
		}
		if *format != "" {
			return writeMapping(c.OutOrStdout(), config.Destination{Format: *format, Profile: *profile}, *markdown)
		}
		if *markdown {
			fmt.Fprint(c.OutOrStdout(), "# Mapping\n\nEvery attribute of every format and profile, made from the tables in force by `siembridge mapping --markdown`.\n\n", mappingNotes())
		}
		for _, d := range documented {
			if err := writeMapping(c.OutOrStdout(), d, *markdown); err != nil {
				return err
			}
		}
		return nil
	}
	return c
}

// mappingNotes says what LEEF replaces, and what may stand where receivers key their content on words.
func mappingNotes() string {
	return "In LEEF, which has no escapes, the equals sign of a word that is a key of the event becomes U+FF1D (\uff1d) where it follows a blank or a pipe in a text, " +
		"since some readers would take it for a pair of its own: ` usrName=root` in a title arrives as ` usrName\uff1droot`. Every other equals sign stays.\n\n" +
		"## Closed lists\n\nReceivers key their content on these words: a release may add some, and never renames or removes one. " +
		"They are classes, never an instance and never a title.\n\n" +
		"- event_class (LEEF EventID): " + strings.Join(formats.EventClasses(), ", ") + ".\n" +
		"- service_word (LEEF cat): " + strings.Join(formats.ServiceWords(), ", ") + ".\n\n"
}

func writeMapping(out io.Writer, d config.Destination, markdown bool) error {
	encoder, err := encoderOf(d.Format, d.Profile)
	if err != nil {
		return err
	}
	if markdown {
		_, err = fmt.Fprint(out, encoder.Table().Markdown(), "\n")
	} else {
		_, err = fmt.Fprint(out, encoder.Table().Text(), "\n")
	}
	return err
}

// encoderOf builds the encoder of a format with a built-in mapping: the default for the profile "".
func encoderOf(format, profile string) (config.Encoder, error) {
	e, err := config.NewEncoder(&config.Destination{Format: format, Profile: profile, Delimiter: "0x09"})
	if err != nil {
		return nil, usageError{err}
	}
	return e, nil
}
