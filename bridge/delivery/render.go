package delivery

import (
	"log/slog"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/syslog"
	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/defender"
)

// Pipeline is how a destination makes frames of records: decode, filter, encode, header, frame. It may be used by several
// goroutines.
type Pipeline struct {
	Destination string                // its name, for metrics and logs
	Encoder     formats.Encoder       // the format with its mapping
	Filter      *Filter               // nil: everything passes
	Header      syslog.Header         // what all headers have in common
	Framing     syslog.Framing        // how the end of an event is told
	MaxLength   int                   // bytes of one event with its header
	Hostname    string                // HOSTNAME of the header
	Sources     map[string]SourceInfo // by name; one that is not here has the destination's HOSTNAME and nothing extra
	Status      bool                  // events of the bridge itself go to this destination, too
	Quarantine  Quarantine            // takes records that cannot be decoded, with the reason
	Quarantined func(source string)   // counts a record that was set aside; nil: nobody does
	Metrics     *Metrics              // counts what was shortened
	Logger      *slog.Logger          // says which records could not be read
}

// Renderer returns a Renderer, which keeps its memory for the next record and is used by one goroutine.
func (p *Pipeline) Renderer() Renderer {
	r := &rendering{Pipeline: p}
	if p.Filter != nil {
		r.filter = p.Filter.clone()
	}
	return r
}

// rendering is a pipeline as one goroutine uses it.
type rendering struct {
	*Pipeline
	filter    *Filter
	decoder   defender.Decoder
	detection formats.Detection // of the record at hand
}

// SourceInfo is what a source's configuration says of its events.
type SourceInfo struct {
	Hostname string         // HOSTNAME of its events; "": the destination's
	Extra    []formats.Pair // fields of the source's configuration, in its order
}

// freshFor is how old a record may be when it is pulled for its users and addresses still to hold.
const freshFor = 24 * time.Hour

// Render implements Renderer. A record that cannot be decoded is sent in a minimal form, past the filter, and set aside
// with the reason.
func (p *rendering) Render(dst []byte, r *buffer.Record) (out []byte, events int, since time.Time) {
	d := &p.detection
	if r.API == buffer.APIBridge && !p.Status {
		return dst, 0, time.Time{}
	}
	if err := decode(r, d, p.decoder.Decode); err != nil {
		p.setAside(r, err)
	} else if p.filter != nil && !p.filter.Keep(d) {
		return dst, 0, time.Time{}
	}
	return p.frame(dst, r, d), 1, d.Updated
}

// RenderPast is Render without the filter, for a record that is not from the buffer. It is safe to call while Render
// runs.
func (p *Pipeline) RenderPast(r *buffer.Record) ([]byte, error) {
	var d formats.Detection
	if err := Decode(r, &d); err != nil {
		return nil, err
	}
	return p.frame(nil, r, &d), nil
}

// frame appends the frame of an event.
func (p *Pipeline) frame(dst []byte, r *buffer.Record, d *formats.Detection) []byte {
	info := p.Sources[r.Source]
	d.Extra = append(d.Extra, info.Extra...)
	host := p.Hostname
	if info.Hostname != "" {
		host = info.Hostname
	}
	out, start := p.Framing.Begin(dst)
	begin := len(out)
	out = p.Header.Append(out, r.Pulled, host, syslog.SeverityOf(d.Severity))
	out, loss := p.Encoder.AppendEvent(out, d, p.MaxLength-(len(out)-begin))
	if len(loss.Shortened) > 0 || len(loss.Mistyped) > 0 {
		p.Metrics.Shortened(p.Destination, loss.Shortened)
		p.Metrics.Shortened(p.Destination, loss.Mistyped)
	}
	return p.Framing.End(out, start)
}

func (p *Pipeline) setAside(r *buffer.Record, reason error) {
	if _, err := p.Quarantine.Put(*r, p.Destination+": "+reason.Error()); err != nil {
		p.Logger.Error("a record cannot be set aside; it is delivered all the same", "destination", p.Destination, "source", r.Source, "error", err)
		return
	}
	if p.Quarantined != nil {
		p.Quarantined(r.Source)
	}
	p.Logger.Warn("a record could not be read; it is delivered in a minimal form and kept in quarantine",
		"destination", p.Destination, "source", r.Source, "key", r.Key, "reason", reason)
}

// Decode turns a stored record into the detection it is, with all that the buffer knows of it. After an error d is a
// minimal detection.
func Decode(r *buffer.Record, d *formats.Detection) error { return decode(r, d, defender.Decode) }

// decode is Decode with one of the ways to decode a record of Microsoft.
func decode(r *buffer.Record, d *formats.Detection, by func(defender.API, []byte, *formats.Detection) ([]string, error)) error {
	var err error
	if r.API == buffer.APIBridge {
		err = formats.DecodeStatus(r.Raw, d)
		d.API = r.API
	} else {
		_, err = by(defender.API(r.API), r.Raw, d)
	}
	d.Source, d.Pulled, d.Change = r.Source, r.Pulled, formats.ChangeNew
	if r.Update {
		d.Change = formats.ChangeUpdate
	}
	defender.SetTime(d)
	if d.Time.IsZero() {
		d.Time = r.Pulled
	}
	d.Fresh = !r.Old && r.Pulled.Sub(d.Time) < freshFor
	if d.ID == "" {
		d.ID = r.Key
	}
	if d.AlertID == "" && d.Kind == formats.KindAlert {
		d.AlertID = d.ID
	}
	return err
}
