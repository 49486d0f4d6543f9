package jetstream

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Finding is what was looked at, and how it stands.
type Finding struct {
	What   string // e.g. "servers", "commit"
	OK     bool   // false: it stands in the way
	Detail string // what was found; for a failure with its remedy
}

// Check tells what can be learned of the servers: versions, replicas, and how long a commit takes. The sync setting
// cannot be asked for by a user of the servers, so the detail says what to look at.
func (b *Buffer) Check(ctx context.Context) (findings []Finding) {
	version := b.nc.ConnectedServerVersion()
	findings = append(findings, Finding{"JetStream", true, fmt.Sprintf("connected to %s, nats-server %s", b.nc.ConnectedUrlRedacted(), version)})
	var took []time.Duration
	for range 5 {
		begun := time.Now()
		if _, err := b.commit(ctx, []message{{subject: ofCheck, free: true, life: memberLife}}); err != nil {
			return append(findings, Finding{"commit", false, err.Error()})
		}
		took = append(took, time.Since(begun))
	}
	fastest := took[0]
	for _, d := range took {
		fastest = min(fastest, d)
	}
	info, behind, err := b.replicas(ctx)
	if err != nil {
		return append(findings, Finding{"stream", false, b.explain(err).Error()})
	}
	detail := fmt.Sprintf("%d replicas, %d messages, %.1f MiB", info.Config.Replicas, info.State.Msgs, float64(info.State.Bytes)/(1<<20))
	if info.Cluster != nil && info.Cluster.Leader != "" {
		detail += ", leader " + info.Cluster.Leader
	}
	if len(behind) > 0 {
		detail += "; not up to date: " + strings.Join(behind, ", ") + ". Another server that fails now stops everything: bring them up"
	}
	if info.Config.Replicas == 1 {
		detail += "; with one replica a server that is lost takes the buffer with it"
	}
	findings = append(findings, Finding{"stream", len(behind) == 0, detail})
	detail = fmt.Sprintf("%.1f ms", float64(fastest.Microseconds())/1000)
	if fastest < 300*time.Microsecond {
		detail += "; so fast that it is hardly synced to a disk"
	}
	return append(findings, Finding{"commit", true, detail + ". Each server has to have sync_interval: always in its jetstream block; the servers do not tell"})
}

// replicas returns the stream's state and which of its servers are behind; one that has just come gets some seconds.
func (b *Buffer) replicas(ctx context.Context) (info *jetstream.StreamInfo, behind []string, err error) {
	for begun := time.Now(); ; time.Sleep(200 * time.Millisecond) {
		s, err := b.js.Stream(ctx, StreamName)
		if err != nil {
			return nil, nil, err
		}
		info, behind = s.CachedInfo(), nil
		if info.Cluster != nil {
			for _, r := range info.Cluster.Replicas {
				if r.Offline || !r.Current {
					behind = append(behind, r.Name)
				}
			}
		}
		if len(behind) == 0 || time.Since(begun) > readTime || ctx.Err() != nil {
			return info, behind, nil
		}
	}
}
