package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/siembridge/siembridge/bridge"
	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/delivery"
	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/defender"
)

func newPreviewCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "preview (--config FILE | --format FORMAT) [FILE]",
		Short: "Show what records become: raw JSON in, events out",
		Long: "preview reads a record, a page, a list or one record a line of any supported API, from a file or standard input,\n" +
			"and writes the event of each on a line of its own, without syslog header. With --config the events are those of\n" +
			"the first destination, or of the one that --destination names, filter included: one per alert or one per piece of\n" +
			"evidence, as events of the source of that API says. With --diff it writes what another mapping file would change in\n" +
			"them, for alerts as they come live, from any number of files.",
		Example: "  siembridge preview --format cef:0 alert.json\n  siembridge preview --config siembridge.toml --destination qradar < page.json\n" +
			"  siembridge preview --config siembridge.toml --diff mine.toml alerts/*.json",
	}
	path := configFlag(c, false)
	format := formatFlag(c, "")
	name := c.Flags().String("destination", "", "with --config: the destination whose events to show")
	diff := c.Flags().String("diff", "", "a mapping file: show what it would change instead")
	c.Args = func(c *cobra.Command, args []string) error {
		if *diff != "" {
			return nil
		}
		return cobra.MaximumNArgs(1)(c, args)
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		if (*path == "") == (*format == "") {
			return usageError{errors.New("give either --config or --format")}
		}
		if *diff != "" {
			return runDiff(c, *path, *format, *name, *diff, args)
		}
		p, err := previewOf(*path, *format, *name)
		if err != nil {
			return err
		}
		in := io.Reader(c.InOrStdin())
		if len(args) > 0 && args[0] != "-" {
			f, err := os.Open(args[0])
			if err != nil {
				return usageError{err}
			}
			defer f.Close()
			in = f
		}
		return p.run(in, c.OutOrStdout(), c.ErrOrStderr())
	}
	return c
}

// preview makes events of records as a destination would.
type preview struct {
	name    string // of the destination, or the format
	encoder formats.Encoder
	filter  *delivery.Filter
	length  int
	extra   []formats.Pair
	sources []config.Source // of the destination
}

func previewOf(path, format, name string) (*preview, error) {
	if format != "" {
		e, err := encoderOf(format, "")
		return &preview{name: format, encoder: e, length: 1 << 20}, err
	}
	cfg, err := loadConfig(path)
	if err != nil {
		return nil, err
	}
	d, err := cfg.Destination(name)
	if err != nil {
		return nil, usageError{err}
	}
	pipeline, err := bridge.NewPipeline(d, cfg.Sources, "")
	if err != nil {
		return nil, usageError{err}
	}
	p := &preview{name: d.Name, encoder: pipeline.Encoder, filter: pipeline.Filter, length: eventRoom(pipeline, d), extra: pipeline.Sources[cfg.Sources[0].Name].Extra}
	for _, s := range cfg.Sources {
		if len(d.Sources) == 0 || slices.Contains(d.Sources, s.Name) {
			p.sources = append(p.sources, s)
		}
	}
	return p, nil
}

// eventRoom is what max_length leaves for the event behind its header.
func eventRoom(p *delivery.Pipeline, d *config.Destination) int {
	return d.MaxLength - len(p.Header.Append(nil, time.Now(), p.Hostname, 0))
}

// evidence reports whether a record of that API becomes one event per piece of evidence: whether the source says so
// that pulls it, or that reads files, which may have records of any API.
func (p *preview) evidence(api defender.API) bool {
	for _, from := range []string{string(api), "file"} {
		for _, s := range p.sources {
			if s.API == from {
				return s.Events == "evidence"
			}
		}
	}
	return false
}

// parts calls f for the records that a source makes of one: of an alert those of its evidence, when it has any.
func (p *preview) parts(api defender.API, raw []byte, f func(raw []byte) error) error {
	if !p.evidence(api) {
		return f(raw)
	}
	return defender.SplitEvidence(api, raw, func(part defender.Part) error {
		if part.Summary {
			return nil // an event only when the alert changed and its evidence did not
		}
		return f(part.Record)
	})
}

func (p *preview) run(in io.Reader, out, errs io.Writer) error {
	w := bufio.NewWriter(out)
	defer w.Flush()
	var d formats.Detection
	var line []byte
	records, unread := 0, 0
	page := defender.Unknown // API of the records before: a sparse one is taken for one of the same page
	_, err := defender.Split(defender.Unknown, in, func(raw []byte) error {
		records++
		api, legacy, known := defender.Detect(raw)
		if known {
			page = api
		} else {
			api = page
		}
		if legacy {
			fmt.Fprintf(errs, "record %d is of Graph's first alerts API; use alerts_v2 (api = \"graph-alerts\")\n", records)
		}
		return p.parts(api, raw, func(raw []byte) error {
			record := buffer.Record{API: string(api), Raw: raw, Old: true}
			if err := delivery.Decode(&record, &d); err != nil {
				unread++
				fmt.Fprintf(errs, "record %d: %v\n", records, err)
			} else if p.filter != nil && !p.filter.Keep(&d) {
				return nil
			}
			d.Extra = append(d.Extra, p.extra...)
			line, _ = p.encoder.AppendEvent(line[:0], &d, p.length)
			_, err := w.Write(append(line, '\n'))
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("record %d: %w", records+1, err)
	}
	if unread > 0 {
		w.Flush()
		return quietFailure{}
	}
	return nil
}
