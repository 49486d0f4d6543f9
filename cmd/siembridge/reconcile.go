package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/siembridge/siembridge/bridge/control"
	"github.com/siembridge/siembridge/bridge/terminal"
)

func newReconcileCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "reconcile --config FILE --since T",
		Short: "Ask the APIs what they have of a period, and hold it against what each destination has confirmed",
		Long: "reconcile counts, for each source and destination, what is confirmed, pending, filtered, not routed, in quarantine,\n" +
			"dropped and missing, and names what is missing. What was never pulled is pulled, through the normal path. It can\n" +
			"answer for 200 days back. Times are RFC 3339 (2026-05-01T00:00:00Z) or back from now (-48h, -7d). The exit code is 1\n" +
			"when something is missing or could not be looked at.",
		Example: "  siembridge reconcile --config /etc/siembridge/siembridge.toml --since -48h",
		Args:    cobra.NoArgs,
	}
	path := configFlag(c, true)
	period := periodFlags(c, "begin of the period")
	asJSON := c.Flags().Bool("json", false, "the whole report as JSON")
	c.RunE = func(c *cobra.Command, _ []string) error {
		asked, err := period()
		if err != nil {
			return err
		}
		client, err := daemonOf(*path)
		if err != nil {
			return err
		}
		report, err := client.Reconcile(c.Context(), asked)
		if err != nil {
			return err
		}
		if *asJSON {
			err = writeJSON(c.OutOrStdout(), report)
		} else {
			err = writeReport(c.OutOrStdout(), &report)
		}
		return said(!report.Failed(), err)
	}
	return c
}

func writeReport(out io.Writer, r *control.Report) error {
	fmt.Fprintf(out, "from %s to %s\n", r.Since.UTC().Format(time.RFC3339), r.Until.UTC().Format(time.RFC3339))
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "SOURCE\tDESTINATION\tHAS\tCONFIRMED\tPENDING\tFILTERED\tNOT ROUTED\tQUARANTINE\tDROPPED\tMISSING")
	for _, s := range r.Sources {
		for _, d := range s.Destinations {
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", s.Name, d.Name, s.Has, d.Confirmed, d.Pending, d.Filtered, d.Unrouted, d.Quarantined, d.Dropped, d.Missing.Count)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, s := range r.Sources {
		if s.Error != "" {
			fmt.Fprintf(out, "! source %s: %s\n", s.Name, s.Error)
		}
		for _, u := range s.Unread {
			fmt.Fprintf(out, "! source %s: %s to %s cannot be read\n", s.Name, u.From.Format(time.RFC3339), u.To.Format(time.RFC3339))
		}
		if s.Behind > 0 {
			fmt.Fprintf(out, "source %s: %d records are newer than the last poll; they are pulled now\n", s.Name, s.Behind)
		}
		writeIDs(out, fmt.Sprintf("source %s: never pulled, pulled now", s.Name), s.Missed)
		for _, d := range s.Destinations {
			writeIDs(out, fmt.Sprintf("source %s, destination %s: missing", s.Name, d.Name), d.Missing)
		}
	}
	return nil
}

func writeIDs(out io.Writer, what string, ids control.IDs) {
	for _, id := range ids.IDs {
		fmt.Fprintf(out, "! %s: %s\n", what, terminal.Visible(id))
	}
	if more := ids.Count - len(ids.IDs); more > 0 {
		fmt.Fprintf(out, "! %s: %d more\n", what, more)
	}
}
