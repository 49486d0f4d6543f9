package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/siembridge/siembridge/bridge"
	"github.com/siembridge/siembridge/bridge/admin"
	"github.com/siembridge/siembridge/bridge/control"
)

func newStatusCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "status --config FILE",
		Short: "What is wrong, where, since when and what to do; then sources, buffer and destinations",
		Long: "status asks the running daemon. Where none runs it says so and shows what the state directory holds. The exit code\n" +
			"is 1 when something is not well or no daemon runs.",
		Example: "  siembridge status --config /etc/siembridge/siembridge.toml",
		Args:    cobra.NoArgs,
	}
	path := configFlag(c, true)
	asJSON := c.Flags().Bool("json", false, "the whole snapshot as JSON")
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, err := daemonOf(*path)
		if err != nil {
			return err
		}
		status, err := client.Status(c.Context())
		stopped := errors.Is(err, control.ErrNotRunning)
		if stopped {
			cfg, loadErr := loadConfig(*path)
			if loadErr != nil {
				return loadErr
			}
			fmt.Fprintln(c.ErrOrStderr(), "siembridge does not run; this is what the state directory holds")
			status, err = bridge.StoppedStatus(cfg, buildVersion())
		}
		if err != nil {
			return err
		}
		if *asJSON {
			err = writeJSON(c.OutOrStdout(), status)
		} else {
			err = writeStatus(c.OutOrStdout(), &status, time.Now(), stopped)
		}
		return said(!stopped && len(status.Trouble()) == 0, err)
	}
	return c
}

// writeStatus writes what is wrong first, then the pipeline from left to right, then what was done besides.
func writeStatus(out io.Writer, s *admin.Status, now time.Time, stopped bool) error {
	trouble := s.Trouble()
	switch {
	case len(trouble) > 0:
		for _, t := range trouble {
			fmt.Fprintln(out, "! "+strings.ReplaceAll(t, "\n", "\n  "))
		}
	case !stopped:
		fmt.Fprintf(out, "All is well. siembridge %s runs since %s.\n", s.Version, when(s.Started, now))
	}
	if err := writePipeline(out, s, now); err != nil {
		return err
	}
	writeBesides(out, s, now)
	return nil
}

// writePipeline writes sources, buffer, destinations and who shares the buffer.
func writePipeline(out io.Writer, s *admin.Status, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "\nSOURCE\tAPI\tSTATE\tLAST SUCCESS\tCOVERED TO\tHOLES\tPULLED\tKNOWN")
	for _, x := range s.Sources {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\n", x.Name, x.API, x.State, when(x.LastSuccess, now), when(x.CoveredTo, now), x.Holes, x.Pulled, x.Duplicates)
	}
	fmt.Fprintf(w, "\nBUFFER\tPENDING\tLIMIT\tON DISK\n\t%s\t%s\t%s\n", size(s.Buffer.Pending), size(s.Buffer.Limit), size(s.Buffer.Bytes))
	fmt.Fprintln(w, "\nDESTINATION\tSTATE\tSINCE\tCONFIRMS BY\tPENDING\tOLDEST\tDELIVERED\tDROPPED")
	for _, x := range s.Destinations {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%d\t%d\n", x.Name, x.State, when(x.Since, now), x.Confirm, x.Pending, when(x.Oldest, now), x.Delivered, x.Dropped)
	}
	if s.Cluster != nil {
		fmt.Fprintln(w, "\nINSTANCE\tSTATE\tSINCE\tPULLS\tDELIVERS TO")
		for _, x := range s.Cluster.Instances {
			state := "live"
			switch {
			case !x.Live:
				state = "not heard of"
			case x.This:
				state = "this one"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", x.Host, state, when(x.Started, now), orNone(x.Sources), orNone(x.Destinations))
		}
	}
	return w.Flush()
}

// writeBesides writes how far back-fill and replay are, and what the last reconciliation found.
func writeBesides(out io.Writer, s *admin.Status, now time.Time) {
	for i := range s.Sources {
		if done := s.Sources[i].Backfill(); done != "" {
			fmt.Fprintf(out, "\nfiles of %s: %s\n", s.Sources[i].Name, done)
		}
	}
	if r := s.Reconciliation; r != nil {
		outcome := "nothing is missing"
		if r.Missing > 0 {
			outcome = fmt.Sprintf("%d records missing", r.Missing)
		}
		fmt.Fprintf(out, "\nlast reconciliation, %s, of %s to %s: %s\n", when(r.At, now), r.Since.UTC().Format(time.RFC3339), r.Until.UTC().Format(time.RFC3339), outcome)
		for _, e := range r.Errors {
			fmt.Fprintf(out, "! %s\n", e)
		}
	} else {
		fmt.Fprintln(out, "\nlast reconciliation: there was none yet; siembridge reconcile makes one")
	}
	for _, x := range s.Destinations {
		if r := x.Replay; r != nil {
			fmt.Fprintf(out, "\nreplay to %s: %d of %d records of %s to %s are confirmed\n", x.Name, r.Sent, r.Records, r.Since.UTC().Format(time.RFC3339), r.Until.UTC().Format(time.RFC3339))
		}
	}
}

func orNone(all []string) string {
	if len(all) == 0 {
		return "-"
	}
	return strings.Join(all, ", ")
}
