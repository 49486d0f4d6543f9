// Package check proves each part of a configuration before it runs: the buffer, the token and permission of each source,
// the connection to each destination.
package check

import (
	"context"
	"time"

	"github.com/siembridge/siembridge/bridge"
	"github.com/siembridge/siembridge/bridge/buffer/jetstream"
	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/entra"
	"github.com/siembridge/siembridge/bridge/source"
)

// Finding is what one proof of a part came to.
type Finding struct {
	Part           string // "buffer", or "source" or "destination" with its name
	source.Finding        // what was proved, and how it went
}

// Options say how a configuration is proved.
type Options struct {
	Send    bool              // send one marked test event to each destination
	Version string            // of the program
	Doing   func(what string) // is told what is proved now; nil: nobody is
}

// All proves every part of a configuration, one after the other, and returns what it found, in the order of the file.
func All(ctx context.Context, cfg *config.Config, o Options) (all []Finding) {
	add := func(part string, findings ...source.Finding) {
		for _, f := range findings {
			all = append(all, Finding{part, f})
		}
	}
	doing := func(what string) {
		if o.Doing != nil {
			o.Doing(what)
		}
	}
	keeper, done, err := bridge.OpenKeeper(cfg)
	if err != nil {
		// Without its servers nothing runs, but the rest can be looked at.
		add("buffer", source.Finding{What: "JetStream", Detail: err.Error()})
		keeper = bridge.Keeper{StateDir: cfg.StateDir}
	} else {
		defer done()
		add("buffer", servers(ctx, keeper)...)
	}
	for i := range cfg.Sources {
		s := &cfg.Sources[i]
		doing("checking source " + s.Name)
		if s.API == "file" {
			add("source "+s.Name, source.Finding{What: "path", OK: true, Detail: s.Path})
			continue
		}
		options := bridge.SourceOptions(s, keeper)
		options.Version = o.Version
		add("source "+s.Name, source.Check(ctx, options)...)
		add("source "+s.Name, expiry(bridge.CredentialExpiry(s, keeper), time.Now())...)
	}
	for i := range cfg.Destinations {
		d := &cfg.Destinations[i]
		doing("checking destination " + d.Name)
		add("destination "+d.Name, destination(ctx, cfg, d, o.Send)...)
	}
	return all
}

// servers tells what can be learned of the servers of a shared buffer.
func servers(ctx context.Context, keeper bridge.Keeper) []source.Finding {
	shared, ok := keeper.Shared.(interface {
		Check(ctx context.Context) []jetstream.Finding
	})
	if !ok {
		return nil
	}
	var findings []source.Finding
	for _, f := range shared.Check(ctx) {
		findings = append(findings, source.Finding(f))
	}
	return findings
}

// expiry tells when a credential ends, where that is known. Only one that has ended is a failure.
func expiry(e entra.Expiry, now time.Time) []source.Finding {
	if e.End.IsZero() {
		return nil
	}
	detail := e.Warning(now)
	if detail == "" {
		detail = e.What + " is good until " + e.End.UTC().Format(time.DateOnly)
	}
	return []source.Finding{{What: "credential", OK: now.Before(e.End), Detail: detail}}
}
