package main

import (
	"github.com/spf13/cobra"

	"github.com/siembridge/siembridge/bridge/migrate"
)

func newImportCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "import FILE...",
		Short: "Make a configuration of what an old connector was set up with",
		Long: "import reads what the portal's SIEM page saved (\"Save details to file\"), an ArcSight connector's\n" +
			"WDATP-connector.properties and its WDATP-connector.jsonparser.properties, and writes a configuration to standard\n" +
			"output. Secrets go into files of their own that only their owner can read, in the folder of --secrets, and are\n" +
			"never shown. What is not understood is reported with its line; the exit code is 1 then, and the configuration has\n" +
			"the rest.",
		Example: "  siembridge import --region eu WDATP-connector.properties WDATP-connector.jsonparser.properties > siembridge.toml\n" +
			"  siembridge import --siem qradar --address qradar.example.org:6514 details.txt > siembridge.toml",
		Args: cobra.MinimumNArgs(1),
	}
	o := migrate.Options{}
	c.Flags().StringVar(&o.API, "api", "detections", "the API to pull from: detections (as the connector did), graph-alerts or alerts")
	c.Flags().StringVar(&o.Region, "region", "", "us, eu or uk: where the tenant's data is, when the files do not say (detections only)")
	c.Flags().StringVar(&o.SIEM, "siem", "", "qradar, arcsight, sentinel or generic; else what the files are of")
	c.Flags().StringVar(&o.Address, "address", "", "the SIEM's syslog receiver, host:port")
	c.Flags().StringVar(&o.Secrets, "secrets", ".", "folder for the files with secrets")
	c.RunE = func(c *cobra.Command, args []string) error {
		o.Errors = c.ErrOrStderr()
		if err := o.Check(); err != nil {
			return usageError{err}
		}
		m, err := migrate.Read(o, args)
		if err != nil {
			return usageError{err}
		}
		return said(m.Write(c.OutOrStdout()))
	}
	return c
}
