package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/siembridge/siembridge/bridge"
	"github.com/siembridge/siembridge/bridge/buffer/disk"
	"github.com/siembridge/siembridge/bridge/config"
)

func newBufferCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "buffer",
		Short: "Check the state directory, write its records out, or carry them over to JetStream",
		Long:  "buffer looks into the state directory while no siembridge uses it. verify and export change nothing in it.",
	}
	return withParts(c, newBufferVerifyCommand(), newBufferExportCommand(), newBufferMoveCommand())
}

func newBufferVerifyCommand() *cobra.Command {
	return withConfig(&cobra.Command{
		Use:   "verify --config FILE",
		Short: "Read all of the buffer and say what is damaged",
		Long: "verify reads every record and every page of the index in state_dir and holds them against their checksums. It\n" +
			"changes nothing and works on damaged files. The exit code is 1 when something is damaged. What that means:\n\n" +
			"  a damaged part of the log   its records are passed over and pulled again where Microsoft still has them\n" +
			"  a damaged index             the next start sets it aside and rebuilds it from the log: repeats, no loss\n" +
			"  bytes behind the end        what a crash leaves of a commit that did not happen: no damage",
		Example: "  siembridge buffer verify --config /etc/siembridge/siembridge.toml",
		Args:    cobra.NoArgs,
	}, func(c *cobra.Command, cfg *config.Config) error {
		if err := bridge.HasRun(cfg); err != nil {
			return err
		}
		found, err := disk.Verify(cfg.StateDir)
		if err != nil {
			return err
		}
		return reportFindings(c.OutOrStdout(), &found)
	})
}

func newBufferExportCommand() *cobra.Command {
	return withConfig(&cobra.Command{
		Use:   "export --config FILE",
		Short: "Write the buffer's records as NDJSON",
		Long: "export writes every record in state_dir that can be read to standard output, one JSON object a line, in the order\n" +
			"in which they came: number, source, api, key, changed, pulled, update, old, and raw as Microsoft sent it. Delivered\n" +
			"records that are still retained are among them. It needs no whole index. What is damaged goes to standard error;\n" +
			"the exit code is 1 then, and all that can be read has been written.",
		Example: "  siembridge buffer export --config siembridge.toml | jq -c .raw > records.ndjson",
		Args:    cobra.NoArgs,
	}, func(c *cobra.Command, cfg *config.Config) error {
		if err := bridge.HasRun(cfg); err != nil {
			return err
		}
		out := bufio.NewWriterSize(c.OutOrStdout(), 1<<20)
		found, err := disk.Export(cfg.StateDir, out)
		if err := errors.Join(err, out.Flush()); err != nil {
			return err
		}
		return reportFindings(c.ErrOrStderr(), &found)
	})
}

func newBufferMoveCommand() *cobra.Command {
	return withConfig(&cobra.Command{
		Use:   "move --config FILE",
		Short: "Carry the disk buffer over to JetStream",
		Long: "move carries everything in the disk buffer of state_dir over to the servers of [buffer.jetstream]: records that are\n" +
			"pending or retained, what is known of older ones, how far sources and destinations have come, quarantine and refresh\n" +
			"tokens. Nothing is lost, and nothing is delivered again. Stop siembridge first and set buffer.type = \"jetstream\"; the\n" +
			"servers must hold nothing of siembridge yet. When it is interrupted, run it again; no instance starts before it has\n" +
			"ended. The disk buffer is kept as state_dir/buffer.moved. A replay that was under way is not carried over.",
		Example: "  siembridge buffer move --config /etc/siembridge/siembridge.toml",
		Args:    cobra.NoArgs,
	}, func(c *cobra.Command, cfg *config.Config) error {
		m, err := bridge.Move(c.Context(), cfg)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.OutOrStdout(), "carried over: %d records, %d keys, %d sources, %d destinations, %d records in quarantine\nthe disk buffer is kept in %s; remove it when all is well\n",
			m.Records, m.Keys, m.Sources, m.Destinations, m.Quarantined, m.Aside)
		return nil
	})
}

// reportFindings says what was seen of a buffer; its error ends with exit code 1 when something is damaged.
func reportFindings(w io.Writer, f *disk.Findings) error {
	fmt.Fprintf(w, "%d records, %d bytes in %d segments\n", f.Records, f.Bytes, f.Segments)
	if f.Tail > 0 {
		fmt.Fprintf(w, "%d bytes behind the end of the log, left by a crash; the next start cuts them off\n", f.Tail)
	}
	if f.Index != "" {
		fmt.Fprintf(w, "the index: %s\n", f.Index)
	}
	for _, d := range f.Damage {
		fmt.Fprintf(w, "segment %016x, offset %d: %d bytes cannot be read: %s\n", d.Segment, d.Offset, d.Bytes, d.Cause)
	}
	if more := f.Parts - len(f.Damage); more > 0 {
		fmt.Fprintf(w, "and %d more damaged parts\n", more)
	}
	if f.OK() {
		fmt.Fprintln(w, "nothing is damaged")
	}
	return said(f.OK(), nil)
}
