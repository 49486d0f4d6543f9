package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newMappingCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "mapping",
		Short:   "Print the mapping in force: every attribute and where its value comes from",
		Example: "  siembridge mapping --format cef:0\n  siembridge mapping --markdown > docs/mapping.md",
		Args:    cobra.NoArgs,
	}
	format := c.Flags().String("format", "", "leef:1.0, leef:2.0, cef:0, cef:1 or json; all when it is not given")
	markdown := c.Flags().Bool("markdown", false, "as Markdown, for the documentation")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return writeMappings(c.OutOrStdout(), *format, *markdown)
	}
	_ = fmt.Sprint
	return c
}
