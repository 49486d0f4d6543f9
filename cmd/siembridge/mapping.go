package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/siembridge/siembridge/bridge"
	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/formats"
)

func newMappingCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "mapping",
		Short:   "Print the mapping in force: every attribute and where its value comes from",
		Example: "  siembridge mapping --format cef:0\n  siembridge mapping --markdown > docs/mapping.md\n  siembridge mapping --coverage alerts.json",
		Args:    cobra.NoArgs,
	}
	format := c.Flags().String("format", "", "leef:1.0, leef:2.0, cef:0, cef:1 or json; the three defaults when it is not given")
	markdown := c.Flags().Bool("markdown", false, "as Markdown, for the documentation")
	coverage := addCoverageFlags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if coverage.file != "" {
			return coverage.run(c, args, *format)
		}
		if *format != "" {
			return writeMapping(c.OutOrStdout(), *format, *markdown)
		}
		if *markdown {
			fmt.Fprint(c.OutOrStdout(), "# Mapping\n\nEvery attribute of every format, made from the tables in force by `siembridge mapping --markdown`.\n\n")
		}
		for _, f := range []string{"leef:2.0", "cef:1", "json"} {
			if err := writeMapping(c.OutOrStdout(), f, *markdown); err != nil {
				return err
			}
		}
		return nil
	}
	return c
}

func writeMapping(out io.Writer, format string, markdown bool) error {
	encoder, err := encoderOf(format)
	if err != nil {
		return err
	}
	table := encoder.(interface{ Table() *formats.Table }).Table()
	if markdown {
		_, err = fmt.Fprintln(out, table.Markdown())
	} else {
		_, err = fmt.Fprintln(out, table.Text())
	}
	return err
}

// encoderOf builds the encoder of a format with the built-in mapping.
func encoderOf(format string) (formats.Encoder, error) {
	e, err := bridge.NewEncoder(&config.Destination{Format: format, Delimiter: "0x09"})
	if err != nil {
		return nil, usageError{err}
	}
	return e, nil
}
