package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/siembridge/siembridge/bridge/support"
)

func newSupportCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "support --config FILE",
		Short: "Write a bundle for a bug report, without secrets and events",
		Long: "support writes a tar.gz with the configuration (secrets and the values of fields are ***), the status, the size of the\n" +
			"quarantine, the last warnings and errors of the running daemon, the files of the state directory with their sizes, and\n" +
			"the versions of siembridge and the system. It holds no secret, no token, and nothing of what Microsoft sent; it does\n" +
			"hold host names, addresses, and the ids of tenant and app. Look through it before you send it. Where no daemon runs,\n" +
			"the state directory is read.",
		Example: "  siembridge support --config /etc/siembridge/siembridge.toml --output support.tar.gz",
		Args:    cobra.NoArgs,
	}
	path := configFlag(c, true)
	output := c.Flags().String("output", "", "file to write (default: siembridge-support-TIME.tar.gz in this folder)")
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, err := daemonOf(*path)
		if err != nil {
			return err
		}
		name := *output
		if name == "" {
			name = "siembridge-support-" + time.Now().UTC().Format("20060102-150405.000") + ".tar.gz"
		}
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fmt.Errorf("%w; name another with --output", err)
		}
		err = support.Write(c.Context(), f, *path, client, buildVersion())
		if err := errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintln(c.OutOrStdout(), name)
		return nil
	}
	return c
}
