package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/siembridge/siembridge/bridge"
	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/control"
	"github.com/siembridge/siembridge/bridge/terminal"
)

func newQuarantineCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "quarantine",
		Short: "Records that could not be read or delivered, with their reasons",
		Long: "A record that cannot be read is delivered in a minimal form and kept in quarantine; one that a receiver refuses alone,\n" +
			"three times over, is kept there instead of being delivered.",
	}
	return withParts(c, newQuarantineListCommand(), newQuarantineShowCommand(), newQuarantineRetryCommand())
}

func newQuarantineListCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "list --config FILE",
		Short:   "List what is in quarantine, oldest first",
		Long:    "list asks the running daemon. Where none runs it says so and reads the state directory.",
		Example: "  siembridge quarantine list --config /etc/siembridge/siembridge.toml",
		Args:    cobra.NoArgs,
	}
	path := configFlag(c, true)
	asJSON := c.Flags().Bool("json", false, "as JSON")
	c.RunE = func(c *cobra.Command, _ []string) error {
		list, err := fromQuarantine(c, *path,
			func(ctx context.Context, client *control.Client) (control.Quarantine, error) {
				return client.Quarantined(ctx)
			},
			bridge.ListQuarantine)
		if err != nil {
			return err
		}
		if *asJSON {
			return writeJSON(c.OutOrStdout(), list)
		}
		return writeQuarantine(c.OutOrStdout(), &list, time.Now())
	}
	return c
}

func newQuarantineShowCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "show --config FILE ID",
		Short: "Print the reason and the record as Microsoft sent it",
		Long: "show prints the reason and what else is known to standard error, and the record itself to standard output. Where no\n" +
			"daemon runs it says so and reads the state directory.",
		Example: "  siembridge quarantine show --config /etc/siembridge/siembridge.toml 17 > record.json",
		Args:    cobra.ExactArgs(1),
	}
	path := configFlag(c, true)
	c.RunE = func(c *cobra.Command, args []string) error {
		id, err := quarantineID(args[0])
		if err != nil {
			return err
		}
		one, err := fromQuarantine(c, *path,
			func(ctx context.Context, client *control.Client) (control.QuarantinedRecord, error) {
				return client.QuarantinedRecord(ctx, id)
			},
			func(q buffer.Quarantine) (control.QuarantinedRecord, error) { return bridge.ShowQuarantined(q, id) })
		if err != nil {
			return err
		}
		fmt.Fprintf(c.ErrOrStderr(), "%s\nsource %s, api %s, key %s, pulled %s, set aside %s\n", terminal.Visible(one.Reason), one.Source, one.API, terminal.Visible(one.Key),
			one.Pulled.UTC().Format(time.RFC3339), one.At.UTC().Format(time.RFC3339))
		_, err = fmt.Fprintf(c.OutOrStdout(), "%s\n", one.Raw)
		return err
	}
	return c
}

func newQuarantineRetryCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "retry --config FILE [ID...]",
		Short: "Try records in quarantine again, and deliver those that can be read now",
		Long: "retry makes the running daemon read records again, after an upgrade for example. Those that can be read now are sent\n" +
			"to the destination that set them aside, and leave the quarantine when they are confirmed. The exit code is 1 when some\n" +
			"stay.",
		Example: "  siembridge quarantine retry --config /etc/siembridge/siembridge.toml --all",
	}
	path := configFlag(c, true)
	all := c.Flags().Bool("all", false, "everything in quarantine")
	force := c.Flags().Bool("force", false, "also what still cannot be read, in a minimal form, and what the receiver refused")
	c.RunE = func(c *cobra.Command, args []string) error {
		if *all == (len(args) > 0) {
			return usageError{errors.New("retry needs ids, as quarantine list shows them, or --all")}
		}
		r := control.RetryRequest{All: *all, Force: *force}
		for _, arg := range args {
			id, err := quarantineID(arg)
			if err != nil {
				return err
			}
			r.IDs = append(r.IDs, id)
		}
		client, err := daemonOf(*path)
		if err != nil {
			return err
		}
		retries, err := client.Retry(c.Context(), r)
		if err != nil {
			return fmt.Errorf("quarantine retry: %w", err)
		}
		for _, one := range retries {
			if one.Error != "" {
				fmt.Fprintf(c.OutOrStdout(), "! %d stays: %s\n", one.ID, one.Error)
			} else {
				fmt.Fprintf(c.OutOrStdout(), "%d is sent to %s\n", one.ID, one.Destination)
			}
		}
		if len(retries) == 0 {
			fmt.Fprintln(c.OutOrStdout(), "nothing is in quarantine")
		}
		return said(!retries.Failed(), nil)
	}
	return c
}

func quarantineID(arg string) (uint64, error) {
	id, err := strconv.ParseUint(arg, 10, 62)
	if err != nil {
		return 0, usageError{fmt.Errorf("%q is no id; siembridge quarantine list shows them", arg)}
	}
	return id, nil
}

// fromQuarantine asks the running daemon, or reads the state directory where none runs.
func fromQuarantine[T any](c *cobra.Command, path string, ask func(context.Context, *control.Client) (T, error), read func(buffer.Quarantine) (T, error)) (answer T, err error) {
	client, err := daemonOf(path)
	if err != nil {
		return answer, err
	}
	if answer, err = ask(c.Context(), client); !errors.Is(err, control.ErrNotRunning) {
		return answer, err
	}
	cfg, err := loadConfig(path)
	if err != nil {
		return answer, err
	}
	fmt.Fprintln(c.ErrOrStderr(), "siembridge does not run; this is what the state directory holds")
	b, err := bridge.OpenStopped(cfg)
	if err != nil {
		return answer, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	return read(b.Quarantine())
}

func writeQuarantine(out io.Writer, q *control.Quarantine, now time.Time) error {
	if len(q.Records) == 0 {
		fmt.Fprintln(out, "nothing is in quarantine")
	} else {
		w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tSET ASIDE\tSOURCE\tAPI\tKEY\tREASON")
		for _, x := range q.Records {
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", x.ID, when(x.At, now), x.Source, x.API, terminal.Visible(x.Key), terminal.Visible(x.Reason))
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	if q.Dropped > 0 {
		fmt.Fprintf(out, "%d older ones had to go because it was full\n", q.Dropped)
	}
	return nil
}
