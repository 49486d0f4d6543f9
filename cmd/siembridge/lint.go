package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/siembridge/siembridge/formats/lint"
)

func newLintCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "lint [FILE]",
		Short: "Check CEF and LEEF events of any product: header, escapes, types, lengths, labels, keys",
		Long: "lint reads a file or standard input with CEF or LEEF events, one a line or with counted octets, with or without\n" +
			"syslog header, and names each fault with line, column and the rule's source. It ends with 1 when there are faults.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			in, name := c.InOrStdin(), "standard input"
			if len(args) == 1 && args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return usageError{err}
				}
				defer f.Close()
				in, name = f, args[0]
			}
			return lintStream(in, name, c.OutOrStdout(), c.ErrOrStderr(), asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object for each finding")
	return c
}

func lintStream(in io.Reader, name string, out, errs io.Writer, asJSON bool) error {
	findings := 0
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	var failed error
	events, err := lint.Stream(in, func(f lint.Finding) {
		findings++
		switch {
		case failed != nil:
		case asJSON:
			failed = encoder.Encode(f)
		default:
			_, failed = fmt.Fprintf(out, "%s:%s\n", name, f)
		}
	})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if failed != nil {
		return failed
	}
	fmt.Fprintf(errs, "%d events, %d findings\n", events, findings)
	return said(findings == 0, nil)
}
