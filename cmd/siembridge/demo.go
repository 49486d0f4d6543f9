package main

import (
	"github.com/spf13/cobra"

	"github.com/siembridge/siembridge/bridge/demo"
)

func newDemoCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "demo",
		Short: "The whole pipeline on this machine: no tenant, no SIEM, no configuration",
		Long: "demo emulates a Microsoft tenant (paging, throttling, late and repeated records), a QRadar (LEEF over TLS) and an\n" +
			"ArcSight (CEF over TCP) on loopback and runs the real pipeline between them. It shows events as received and\n" +
			"ends with what was pulled and delivered. The exit code is 0 only if every record arrived exactly once and parsed.",
		Example: "  siembridge demo\n  siembridge demo --count 5000 --chaos --seed 7",
		Args:    cobra.NoArgs,
	}
	o := demo.Options{Version: buildVersion()}
	c.Flags().IntVar(&o.Count, "count", 900, "records in the tenant")
	c.Flags().Float64Var(&o.Rate, "rate", 0, "records a second that appear while it runs; 0: all are there at the start, a tenth late")
	c.Flags().Uint64Var(&o.Seed, "seed", 1, "what the records and faults are drawn from")
	c.Flags().BoolVar(&o.Chaos, "chaos", false, "faults at both ends: broken answers, and receivers that are killed; records may arrive twice then, but none is lost")
	c.Flags().BoolVar(&o.Keep, "keep", false, "keep the folder with configuration and state, and say where it is")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := o.Check(); err != nil {
			return usageError{err}
		}
		return said(demo.Run(c.Context(), o, c.OutOrStdout()))
	}
	return c
}
