package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/siembridge/siembridge/bridge"
	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/jetstream"
	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/delivery"
	"github.com/siembridge/siembridge/bridge/entra"
	"github.com/siembridge/siembridge/bridge/source"
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
		return checkAll(c.Context(), cfg, *send, c.OutOrStdout(), c.ErrOrStderr())
	}
	return c
}

// checkAll proves every source and destination and prints a table.
func checkAll(ctx context.Context, cfg *config.Config, send bool, out, errs io.Writer) error {
	line := terminal.NewLine(errs)
	var rows []source.Finding
	var names []string
	add := func(name string, findings ...source.Finding) {
		for _, f := range findings {
			names, rows = append(names, name), append(rows, f)
		}
	}
	keeper, done, err := bridge.OpenKeeper(cfg)
	if err != nil {
		// Without its servers nothing runs, but the rest can be looked at.
		add("buffer", source.Finding{What: "JetStream", Detail: err.Error()})
		keeper = bridge.Keeper{StateDir: cfg.StateDir}
	} else {
		defer done()
		add("buffer", checkBuffer(ctx, keeper)...)
	}
	for i := range cfg.Sources {
		s := &cfg.Sources[i]
		line.Show("checking source " + s.Name)
		if s.API == "file" {
			add("source "+s.Name, source.Finding{What: "path", OK: true, Detail: s.Path})
			continue
		}
		o := bridge.SourceOptions(s, keeper)
		o.Version = buildVersion()
		add("source "+s.Name, source.Check(ctx, o)...)
		add("source "+s.Name, checkExpiry(bridge.CredentialExpiry(s, keeper), time.Now())...)
	}
	for i := range cfg.Destinations {
		d := &cfg.Destinations[i]
		line.Show("checking destination " + d.Name)
		add("destination "+d.Name, checkDestination(ctx, cfg, d, send)...)
	}
	line.Clear()
	return printFindings(out, names, rows)
}

// checkBuffer tells what can be learned of the servers of a shared buffer.
func checkBuffer(ctx context.Context, keeper bridge.Keeper) []source.Finding {
	shared, ok := keeper.Shared.(interface {
		Check(ctx context.Context) []jetstream.Finding
	})
	if !ok {
		return nil
	}
	var findings []source.Finding
	for _, f := range shared.Check(ctx) {
		findings = append(findings, source.Finding{What: f.What, OK: f.OK, Detail: f.Detail})
	}
	return findings
}

// checkExpiry tells when a credential ends, where that is known. Only one that has ended is a failure.
func checkExpiry(e entra.Expiry, now time.Time) []source.Finding {
	if e.End.IsZero() {
		return nil
	}
	detail := e.Warning(now)
	if detail == "" {
		detail = e.What + " is good until " + e.End.UTC().Format(time.DateOnly)
	}
	return []source.Finding{{What: "credential", OK: now.Before(e.End), Detail: detail}}
}

func printFindings(out io.Writer, names []string, rows []source.Finding) error {
	failed := false
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	for i, f := range rows {
		state := "ok"
		if !f.OK {
			state, failed = "FAILED", true
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", names[i], f.What, state, f.Detail)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if failed {
		return quietFailure{}
	}
	return nil
}

// checkDestination connects to each address of a destination.
func checkDestination(ctx context.Context, cfg *config.Config, d *config.Destination, send bool) []source.Finding {
	dialer, err := bridge.NewDialer(d)
	if err != nil {
		return []source.Finding{{What: "settings", Detail: err.Error()}}
	}
	dial := func(ctx context.Context, address, resolved string) (delivery.Conn, error) {
		c, err := dialer.Dial(ctx, address, resolved)
		if err != nil {
			return nil, err
		}
		return c, nil
	}
	var payload []byte
	if send {
		if payload, err = testEvent(cfg, d); err != nil {
			return []source.Finding{{What: "test event", Detail: err.Error()}}
		}
	}
	var findings []source.Finding
	for _, address := range d.Address {
		proof := delivery.CheckAddress(ctx, dial, address, payload)
		f := source.Finding{What: address, OK: proof.Err == nil}
		switch {
		case proof.Err != nil:
			f.Detail = proof.Err.Error()
		case proof.Confirms:
			f.Detail = "connected over " + d.Transport + ", confirms what it has read"
		default:
			f.Detail = "connected over " + d.Transport + ", but it does not close its side when ours is closed: confirm = \"ack\" will be used, which is weaker"
		}
		if f.OK && send {
			f.Detail += "; one test event sent, titled \"siembridge test event\""
		}
		findings = append(findings, f)
	}
	return findings
}

// testEvent is one event that is marked as a test.
func testEvent(cfg *config.Config, d *config.Destination) ([]byte, error) {
	pipeline, err := bridge.NewPipeline(d, cfg.Sources, "siembridge")
	if err != nil {
		return nil, err
	}
	pipeline.Filter = nil
	now := time.Now().UTC().Format(time.RFC3339Nano)
	record := buffer.Record{API: "graph-alerts", Key: "siembridge-test", Pulled: time.Now(), Raw: fmt.Appendf(nil,
		`{"id":"siembridge-test","title":"siembridge test event","description":"Sent by siembridge check --send. It needs no action.","severity":"informational","status":"new","category":"SiembridgeTest","createdDateTime":%q,"lastUpdateDateTime":%q}`, now, now)}
	frame, events, _ := pipeline.Render(nil, &record)
	if events == 0 {
		return nil, errors.New("the test event makes no event")
	}
	return frame, nil
}
