// Package preview makes events of records as a destination would, without sending them: to show them, to hold them
// against those of another mapping, or to trace what reaches the SIEM.
package preview

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/siembridge/siembridge/bridge"
	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/delivery"
	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/defender"
)

// Preview makes events of records as one destination would.
type Preview struct {
	destination *config.Destination
	encoder     formats.Encoder
	filter      *delivery.Filter // nil: everything passes
	length      int              // bytes of an event without its header
	sources     []config.Source  // of the destination
	infos       map[string]delivery.SourceInfo
}

// room is how long an event may be where no destination says: nothing is shed for its length.
const room = 1 << 20

// OfFormat makes events of a format with a built-in mapping: the default for the profile "". Its error is a format or
// profile that there is not.
func OfFormat(format, profile string) (*Preview, error) {
	d := &config.Destination{Name: format, Format: format, Profile: profile, Delimiter: "0x09", MaxLength: room}
	e, err := config.NewEncoder(d)
	return &Preview{destination: d, encoder: e, length: room}, err
}

// OfDestination makes the events of a configured destination, filter included. Its error is what makes the destination
// one that cannot start.
func OfDestination(cfg *config.Config, d *config.Destination) (*Preview, error) {
	pipeline, err := bridge.NewPipeline(d, cfg.Sources, "")
	if err != nil {
		return nil, err
	}
	p := &Preview{destination: d, encoder: pipeline.Encoder, filter: pipeline.Filter, length: eventRoom(pipeline, d), infos: pipeline.Sources}
	for _, s := range cfg.Sources {
		if len(d.Sources) == 0 || slices.Contains(d.Sources, s.Name) {
			p.sources = append(p.sources, s)
		}
	}
	return p, nil
}

// With returns the same with another mapping_file. Its error is what is wrong in that (formats.Problems).
func (p *Preview) With(mappingFile string) (*Preview, error) {
	d := *p.destination
	d.MappingFile = mappingFile
	encoder, err := config.NewEncoder(&d)
	if err != nil {
		return nil, err
	}
	other := *p
	other.destination, other.encoder = &d, encoder
	return &other, nil
}

// Name is the destination's, or the format.
func (p *Preview) Name() string { return p.destination.Name }

// eventRoom is what max_length leaves for the event behind its header.
func eventRoom(p *delivery.Pipeline, d *config.Destination) int {
	return d.MaxLength - len(p.Header.Append(nil, time.Now(), p.Hostname, 0))
}

// source is the source whose record one of that API is taken for: the one that pulls it, or that reads files, which may
// have records of any API, or else the first.
func (p *Preview) source(api defender.API) config.Source {
	for _, from := range []string{string(api), "file"} {
		for _, s := range p.sources {
			if s.API == from {
				return s
			}
		}
	}
	if len(p.sources) == 0 {
		return config.Source{}
	}
	return config.Source{Name: p.sources[0].Name}
}

// decode decodes a record as if its source had stored it, old for one of a back-fill. One that is not old is taken for
// such as are pulled just after Microsoft made them, so that its event has the identity keys which others do without.
// After an error d is a minimal detection.
func (p *Preview) decode(api defender.API, raw []byte, old bool, d *formats.Detection) error {
	source := p.source(api).Name
	err := delivery.Decode(&buffer.Record{Source: source, API: string(api), Raw: raw, Old: old}, d)
	d.Extra = append(d.Extra, p.infos[source].Extra...)
	return err
}

// parts calls f for the records that a source makes of one: of an alert those of its evidence, when it has any.
func (p *Preview) parts(api defender.API, raw []byte, f func(raw []byte) error) error {
	if p.source(api).Events != "evidence" {
		return f(raw)
	}
	return defender.SplitEvidence(api, raw, func(part defender.Part) error {
		if part.Summary {
			return nil // an event only when the alert changed and its evidence did not
		}
		return f(part.Record)
	})
}

// Write writes the event of each record of in on a line of its own to out, as of a back-fill, and what cannot be read to
// errs; complete: there was nothing of that.
func (p *Preview) Write(in io.Reader, out, errs io.Writer) (complete bool, err error) {
	w := bufio.NewWriter(out)
	defer w.Flush()
	var d formats.Detection
	var line []byte
	records, unread := 0, 0
	page := defender.Unknown // API of the records before: a sparse one is taken for one of the same page
	_, err = defender.Split(defender.Unknown, in, func(raw []byte) error {
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
			if err := p.decode(api, raw, true, &d); err != nil {
				unread++
				fmt.Fprintf(errs, "record %d: %v\n", records, err)
			} else if p.filter != nil && !p.filter.Keep(&d) {
				return nil
			}
			line, _ = p.encoder.AppendEvent(line[:0], &d, p.length)
			_, err := w.Write(append(line, '\n'))
			return err
		})
	})
	if err != nil {
		return false, fmt.Errorf("record %d: %w", records+1, err)
	}
	return unread == 0, nil
}

// Fields reads back the events that a record becomes, however long, as a SIEM does (coverage.Format). Its error is an event
// that does not parse.
func (p *Preview) Fields(api string, raw []byte) (events [][]formats.Pair, err error) {
	var d formats.Detection
	err = p.parts(defender.API(api), raw, func(raw []byte) error {
		// A record that cannot be read still makes an event, and that is what the SIEM gets.
		_ = p.decode(defender.API(api), raw, false, &d)
		event, _ := p.encoder.AppendEvent(nil, &d, room)
		pairs, err := config.ReadEvent(p.destination.Format, event)
		events = append(events, pairs)
		return err
	})
	return events, err
}
