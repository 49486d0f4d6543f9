package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/siembridge/siembridge/bridge/check"
	"github.com/siembridge/siembridge/bridge/terminal"
)

func newCheckCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "check --config FILE",
		Short: "Validate the configuration, then prove each part: token, permission, connection to each destination",
		Long: "check reports every mistake of the file with its line. Then it fetches a token and one small page of each source,\n" +
			"and connects to each destination and finds out whether it can confirm. The exit code is 1 when a part fails, 2\n" +
			"when the file is not valid.",
		Example: "  siembridge check --config /etc/siembridge/siembridge.toml --send",
		Args:    cobra.NoArgs,
	}
	path := configFlag(c, true)
	send := c.Flags().Bool("send", false, "send one marked test event to each destination")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := loadConfig(*path)
		if err != nil {
			return err
		}
		line := terminal.NewLine(c.ErrOrStderr())
		findings := check.All(c.Context(), cfg, check.Options{Send: *send, Version: buildVersion(), Doing: line.Show})
		line.Clear()
		return printFindings(c.OutOrStdout(), findings)
	}
	return c
}

func printFindings(out io.Writer, findings []check.Finding) error {
	failed := false
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	for _, f := range findings {
		state := "ok"
		if !f.OK {
			state, failed = "FAILED", true
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", f.Part, f.What, state, f.Detail)
	}
	return said(!failed, w.Flush())
}
