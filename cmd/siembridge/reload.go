package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/control"
)

func newReloadCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "reload --config FILE",
		Short: "Make the running daemon read its configuration again, and say what came of it",
		Long: "reload does what SIGHUP does. Sources and destinations that are unchanged are not touched; one that changed goes on\n" +
			"where it was. A configuration with a mistake is refused with all its problems, and the old one runs on (exit code 1).\n" +
			"What a removed destination has yet to receive is kept for 7 days. state_dir finds the daemon: it cannot change.",
		Example: "  siembridge reload --config /etc/siembridge/siembridge.toml",
		Args:    cobra.NoArgs,
	}
	path := configFlag(c, true)
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, err := daemonOf(*path)
		if err != nil {
			return err
		}
		changes, err := client.Reload(c.Context())
		var refusal *control.Refusal
		if errors.As(err, &refusal) {
			return fmt.Errorf("the new configuration is refused; the old one runs on:\n%w", refusal)
		}
		if err != nil {
			return err
		}
		out := c.OutOrStdout()
		fmt.Fprintln(out, changes.String())
		for _, k := range changes.Kept {
			fmt.Fprintf(out, "destination %s had %d records to deliver: they are kept until %s and go out when it is configured again under its name\n",
				k.Destination, k.Records, k.Until.Local().Format("2006-01-02 15:04"))
		}
		return nil
	}
	return c
}

// daemonOf returns the client of the daemon that a configuration file belongs to. A file with mistakes does, too, as
// long as its state_dir can be read.
func daemonOf(path string) (*control.Client, error) {
	dir, err := config.StateDir(path)
	if err != nil {
		return nil, usageError{err}
	}
	return control.NewClient(dir)
}
