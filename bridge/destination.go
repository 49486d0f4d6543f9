package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/siembridge/siembridge/bridge/admin"
	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/delivery"
	"github.com/siembridge/siembridge/bridge/syslog"
	"github.com/siembridge/siembridge/bridge/transport"
	"github.com/siembridge/siembridge/formats"
)

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
	encoder, err := config.NewEncoder(d)
	if err != nil {
		return nil, err
	}
	p := &delivery.Pipeline{Destination: d.Name, Encoder: encoder, MaxLength: d.MaxLength, Hostname: d.Hostname, Sources: sourceInfos(sources)}
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
	return p, nil
}

// sourceInfos is what the configuration of sources says of their events.
func sourceInfos(sources []config.Source) map[string]delivery.SourceInfo {
	all := make(map[string]delivery.SourceInfo, len(sources))
	for i := range sources {
		s := &sources[i]
		info := delivery.SourceInfo{Hostname: s.Hostname}
		for _, f := range s.Fields {
			info.Extra = append(info.Extra, formats.Pair(f))
		}
		all[s.Name] = info
	}
	return all
}

// runningDestination is a configured destination.
type runningDestination struct {
	config   config.Destination
	files    string // digest of the files it was built with
	pipeline *delivery.Pipeline
	dialer   *transport.Dialer
	queue    *resendQueue     // nil before it is opened
	worker   *delivery.Worker // the same
	heart    *heart           // nil: it wants no events of the bridge itself
	unit     *unit            // nil before it runs
}

// launch delivers until the bridge ends or the destination is stopped.
func (b *Bridge) launch(d *runningDestination) {
	d.unit = launch(b.deliver, func(ctx context.Context) {
		var beating sync.WaitGroup
		if d.heart != nil {
			beating.Go(func() { b.beat(ctx, d.heart) })
		}
		d.worker.Run(ctx)
		beating.Wait()
		d.queue.stop()
	})
}

// prepareDestination builds what of a destination can be built while another of its name runs.
func (b *Bridge) prepareDestination(c *config.Destination, sources []config.Source) (*runningDestination, error) {
	d := &runningDestination{config: *c, files: digest(c.MappingFile, c.TLS.CAFile)}
	var err error
	if d.dialer, err = NewDialer(c); err != nil {
		return nil, fmt.Errorf("destination %s: %w", c.Name, err)
	}
	if d.pipeline, err = NewPipeline(c, sources, b.hostname); err != nil {
		return nil, fmt.Errorf("destination %s: %w", c.Name, err)
	}
	d.pipeline.Quarantine, d.pipeline.Metrics, d.pipeline.Logger = firstTime{b.buffer.Quarantine()}, b.shared.delivery, b.log
	d.pipeline.Quarantined = func(source string) { b.shared.quarantined.WithLabelValues(source).Inc() }
	return d, nil
}

// open opens the queue of a destination and builds its worker.
func (b *Bridge) open(d *runningDestination) error {
	c := &d.config
	overflow := buffer.OverflowBlock
	if c.Overflow == "drop-oldest" {
		overflow = buffer.OverflowDropOldest
	}
	wanted := c.Sources
	if d.pipeline.Status = c.Heartbeat > 0; d.pipeline.Status && len(wanted) > 0 {
		wanted = append(slices.Clone(wanted), statusSource)
	}
	queue, err := b.buffer.Queue(buffer.Destination{Name: c.Name, Sources: wanted, Overflow: overflow})
	if err != nil {
		return fmt.Errorf("destination %s: %w", c.Name, err)
	}
	wants := func(source string) bool { return len(wanted) == 0 || slices.Contains(wanted, source) }
	if d.queue, err = newResendQueue(queue, c.Name, wants, b.buffer, b.log); err != nil {
		return errors.Join(fmt.Errorf("destination %s: %w", c.Name, err), b.buffer.CloseQueue(c.Name))
	}
	if b.sharing != nil && d.queue.replay != nil {
		d.queue.replay = nil // another instance may run it still
		b.log.Warn("a replay was under way when an instance ended; where instances share a buffer it is not taken up again; ask for the rest with siembridge replay", "destination", c.Name)
	}
	dial := b.options.Dial
	if dial == nil {
		dial = func(ctx context.Context, address, resolved string) (delivery.Conn, error) {
			conn, err := d.dialer.Dial(ctx, address, resolved)
			if err != nil {
				return nil, err
			}
			return conn, nil
		}
	}
	b.shared.delivery.Destination(c.Name)
	o := delivery.Options{
		Name: c.Name, Addresses: c.Address, Acknowledge: c.Confirm == "ack", ConfirmBytes: int(c.ConfirmBytes),
		ConfirmInterval: c.ConfirmInterval, ConfirmTimeout: c.ConfirmTimeout, RateLimit: c.RateLimit,
		Dial:  dial,
		Queue: d.queue, Renderer: d.pipeline.Renderer, Notes: b.buffer, Quarantine: b.buffer.Quarantine(), Logger: b.log, Metrics: b.shared.delivery,
	}
	if b.sharing != nil {
		o.Share = func() float64 { return b.sharing.Share(c.Name) }
	}
	d.worker = delivery.New(o)
	if c.Heartbeat > 0 {
		d.heart = &heart{every: c.Heartbeat, name: c.Name, pipeline: d.pipeline, worker: d.worker}
	}
	return nil
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

// certificateWarning is how long before a certificate of a TLS connection ends that is said.
const certificateWarning = 14 * 24 * time.Hour

// certificates adds the ends of a destination's certificates to its status.
func certificates(one *admin.Destination, peer, own, now time.Time) {
	one.CertificateEnds, one.ClientCertificateEnds = peer, own
	near := func(end time.Time) bool { return !end.IsZero() && end.Sub(now) < certificateWarning }
	switch {
	case near(own):
		one.Warning = fmt.Sprintf("the client certificate ends on %s; put a new one into tls.cert_file and tls.key_file, it is picked up by itself", own.Format(time.DateOnly))
	case near(peer):
		one.Warning = fmt.Sprintf("the receiver's certificate ends on %s; renew it there, nothing can be delivered afterwards", peer.Format(time.DateOnly))
	}
}
