package main

import (
	"github.com/spf13/cobra"

	"github.com/siembridge/siembridge/bridge/bench"
	"github.com/siembridge/siembridge/bridge/bench/peers"
)

func newBenchCommand() *cobra.Command {
	o := bench.Options{}
	c := &cobra.Command{
		Use:   "bench",
		Short: "Sizes this machine: generated detections through the real pipeline",
		Long: "bench generates detections and runs the daemon over them: read from a file, stored in the buffer (synced), mapped,\n" +
			"delivered to a receiver on this machine and confirmed by its close. For each shape of record, format and transport it\n" +
			"says how many events a second that makes, what they cost and what holds them back. Other programs that would do the job\n" +
			"get the same, where they are installed. The receiver only counts, but it shares the machine. Give --dir a folder on the\n" +
			"disk that state_dir will be on.",
		Example: "  siembridge bench\n  siembridge bench --dir /var/lib/siembridge --formats leef:2.0 --transports tls --count 200000",
		Args:    cobra.NoArgs,
	}
	c.Flags().IntVar(&o.Count, "count", 50_000, "records of the SIEM shape in each run; Graph alerts are as many as make up the same bytes")
	c.Flags().StringVar(&o.Dir, "dir", "", "folder for the buffer; default: the system's for temporary files")
	c.Flags().StringSliceVar(&o.Shapes, "shapes", []string{"detections", "graph-alerts"}, "kinds of records: detections, alerts, graph-alerts")
	c.Flags().StringSliceVar(&o.Formats, "formats", []string{"leef:2.0", "cef:0", "json"}, "formats of the destination")
	c.Flags().StringSliceVar(&o.Transports, "transports", []string{"tcp", "tls"}, "tcp, tls")
	c.Flags().IntSliceVar(&o.Destinations, "destinations", []int{1}, "how many destinations get every event")
	c.Flags().StringSliceVar(&o.Confirm, "confirm", []string{"close"}, "close, ack")
	c.Flags().StringSliceVar(&o.Peers, "peers", peers.Names(), "other programs that get the same detections, where CEF is among the formats and they are installed; \"\": none")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := o.Check(); err != nil {
			return usageError{err}
		}
		return bench.Run(c.Context(), o, c.OutOrStdout())
	}
	return c
}
