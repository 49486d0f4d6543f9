package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/siembridge/siembridge/bridge/control"
)

func newReplayCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "replay --config FILE --destination NAME --since T",
		Short: "Send retained records to a destination again",
		Long: "replay makes the running daemon send what it pulled in a period to one destination again, as far as buffer.retain has\n" +
			"kept it, beside what is new. The destination's sources and filter apply. Records that wait to be delivered anyway are\n" +
			"left out. In LEEF, the keys that set user and asset data in QRadar are left out. It says how many records there are;\n" +
			"they are sent after that, over a restart of the daemon, too, and siembridge status says how far it is.\n" +
			"Times are RFC 3339 (2026-05-01T00:00:00Z) or back from now (-48h, -7d).",
		Example: "  siembridge replay --config /etc/siembridge/siembridge.toml --destination qradar --since -2h",
		Args:    cobra.NoArgs,
	}
	path := configFlag(c, true)
	destination := c.Flags().String("destination", "", "name of the destination")
	period := periodFlags(c, "begin of the period, by when records were pulled")
	_ = c.MarkFlagRequired("destination")
	c.RunE = func(c *cobra.Command, _ []string) error {
		asked, err := period()
		if err != nil {
			return err
		}
		client, err := daemonOf(*path)
		if err != nil {
			return err
		}
		r, err := client.Replay(c.Context(), control.ReplayRequest{Destination: *destination, Period: asked})
		if err != nil {
			return err
		}
		span := r.Since.UTC().Format(time.RFC3339) + " to " + r.Until.UTC().Format(time.RFC3339)
		if r.Records == 0 {
			fmt.Fprintf(c.OutOrStdout(), "no record of %s is retained for %s; buffer.retain says for how long they are\n", span, *destination)
			return quietFailure{}
		}
		fmt.Fprintf(c.OutOrStdout(), "%d records of %s are sent to %s again\n", r.Records, span, *destination)
		return nil
	}
	return c
}
