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

// documented are the tables of docs/mapping.md: of each format the newest version, which has every key of the older
// ones, then its profiles.
func documented() (all []config.Destination) {
	names := config.Formats()
	for i, name := range names {
		family, _, _ := strings.Cut(name, ":")
		if i+1 < len(names) && strings.HasPrefix(names[i+1], family+":") {
			continue
		}
		all = append(all, config.Destination{Format: name})
		if family == "cef" {
			for _, profile := range cef.Profiles() {
				all = append(all, config.Destination{Format: "cef:0", Profile: profile})
			}
		}
	}
	return all
}

// formatFlag adds --format to a command; also is what the help says besides the names.
func formatFlag(c *cobra.Command, also string) *string {
	return c.Flags().String("format", "", strings.Join(config.Formats(), ", ")+also)
}

func newMappingCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "mapping",
		Short:   "Print the mapping in force: every attribute and where its value comes from",
		Example: "  siembridge mapping --format cef:0\n  siembridge mapping --format cef:0 --profile arcsight-legacy\n  siembridge mapping --markdown > docs/mapping.md\n  siembridge mapping --coverage alerts.json",
		Args:    cobra.NoArgs,
	}
	format := formatFlag(c, "; the defaults and the profiles when it is not given")
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
		for _, d := range documented() {
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
	d.Delimiter = "0x09"
	encoder, err := config.NewEncoder(&d)
	if err != nil {
		return usageError{err}
	}
	if markdown {
		_, err = fmt.Fprint(out, encoder.Table().Markdown(), "\n")
	} else {
		_, err = fmt.Fprint(out, encoder.Table().Text(), "\n")
	}
	return err
}
