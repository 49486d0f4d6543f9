package bridge

import (
	"context"
	"fmt"
	"slices"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/delivery"
	"github.com/siembridge/siembridge/bridge/syslog"
	"github.com/siembridge/siembridge/bridge/transport"
	"github.com/siembridge/siembridge/formats"
)

// NewEncoder builds the encoder that a destination's configuration asks for. Its error names every mistake in the
// mapping.
func NewEncoder(d *config.Destination) (formats.Encoder, error) {
	encoder, err := config.NewEncoder(d)
	if err != nil {
		return nil, err
	}
	return encoder, nil
}

// NewDialer builds what connects to a destination.
func NewDialer(d *config.Destination) (*transport.Dialer, error) {
	o := transport.Options{ConnectTimeout: d.ConnectTimeout}
	if d.Transport == "tls" {
		o.TLS = &transport.TLS{CAFile: d.TLS.CAFile, CertFile: d.TLS.CertFile, KeyFile: d.TLS.KeyFile, ServerName: d.TLS.ServerName,
			Fingerprint: d.TLS.Fingerprint, MinVersion: d.TLS.MinVersion, InsecureSkipVerify: d.TLS.InsecureSkipVerify}
	}
	return transport.NewDialer(o)
}

// NewPipeline builds what makes frames of records for a destination. hostname is this host's, for headers that name no
// other.
func NewPipeline(d *config.Destination, sources []config.Source, hostname string) (*delivery.Pipeline, error) {
	encoder, err := NewEncoder(d)
	if err != nil {
		return nil, err
	}
	p := &delivery.Pipeline{Destination: d.Name, Encoder: encoder, MaxLength: d.MaxLength, Hostname: d.Hostname, Sources: map[string]delivery.SourceInfo{}}
	if p.Hostname == "" {
		p.Hostname = hostname
	}
	if d.Filter != "" {
		if p.Filter, err = delivery.NewFilter(d.Filter); err != nil {
			return nil, fmt.Errorf("filter: %w", err)
		}
	}
	p.Header.AppName, p.Header.MsgID = d.AppName, "alert"
	if p.Header.Format, err = syslog.ParseFormat(d.Header); err != nil {
		return nil, err
	}
	if p.Header.Facility, err = syslog.ParseFacility(d.Facility); err != nil {
		return nil, err
	}
	if p.Framing, err = syslog.ParseFraming(d.Framing); err != nil {
		return nil, err
	}
	for i := range sources {
		s := &sources[i]
		info := delivery.SourceInfo{Hostname: s.Hostname}
		for _, f := range s.Fields {
			info.Extra = append(info.Extra, formats.Pair(f))
		}
		p.Sources[s.Name] = info
	}
	return p, nil
}

// worker builds the worker of a destination, which connects by dial; nil: over the network of this machine.
func (b *Bridge) worker(d *config.Destination, dial delivery.DialFunc) (*delivery.Worker, error) {
	dialer, err := NewDialer(d)
	if err != nil {
		return nil, fmt.Errorf("destination %s: %w", d.Name, err)
	}
	if dial == nil {
		dial = func(ctx context.Context, address, resolved string) (delivery.Conn, error) {
			c, err := dialer.Dial(ctx, address, resolved)
			if err != nil {
				return nil, err
			}
			return c, nil
		}
	}
	pipeline, err := NewPipeline(d, b.config.Sources, b.hostname)
	if err != nil {
		return nil, fmt.Errorf("destination %s: %w", d.Name, err)
	}
	overflow := buffer.OverflowBlock
	if d.Overflow == "drop-oldest" {
		overflow = buffer.OverflowDropOldest
	}
	wanted := d.Sources
	if pipeline.Status = d.Heartbeat > 0; pipeline.Status && len(wanted) > 0 {
		wanted = append(slices.Clone(wanted), statusSource)
	}
	queue, err := b.buffer.Queue(buffer.Destination{Name: d.Name, Sources: wanted, Overflow: overflow})
	if err != nil {
		return nil, fmt.Errorf("destination %s: %w", d.Name, err)
	}
	b.queues = append(b.queues, queue)
	pipeline.Quarantine, pipeline.Metrics, pipeline.Logger = b.buffer.Quarantine(), b.deliveryMetrics, b.log
	pipeline.Quarantined = func(source string) { b.quarantined.WithLabelValues(source).Inc() }
	b.deliveryMetrics.Destination(d.Name)
	w := delivery.New(delivery.Options{
		Name: d.Name, Addresses: d.Address, Acknowledge: d.Confirm == "ack", ConfirmBytes: int(d.ConfirmBytes),
		ConfirmInterval: d.ConfirmInterval, ConfirmTimeout: d.ConfirmTimeout, RateLimit: d.RateLimit,
		Dial:  dial,
		Queue: queue, Renderer: pipeline, Notes: b.buffer, Quarantine: b.buffer.Quarantine(), Logger: b.log, Metrics: b.deliveryMetrics,
	})
	if d.Heartbeat > 0 {
		b.hearts = append(b.hearts, &heart{every: d.Heartbeat, name: d.Name, pipeline: pipeline, worker: w})
	}
	return w, nil
}

// Check builds the parts of a configuration that can fail, and gives them up again: files that cannot be read, mistakes
// in a mapping.
func Check(c *config.Config) error {
	for i := range c.Destinations {
		d := &c.Destinations[i]
		if _, err := NewDialer(d); err != nil {
			return fmt.Errorf("destination %s: %w", d.Name, err)
		}
		if _, err := NewPipeline(d, c.Sources, "check"); err != nil {
			return fmt.Errorf("destination %s: %w", d.Name, err)
		}
	}
	return nil
}
