package jetstream

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Finding is what was looked at, and how it stands.
type Finding struct {
	What   string
	OK     bool
	Detail string
}

// Check tells what can be learned of the servers: versions, replicas, and how long a commit takes. The sync setting
// cannot be asked for by a user of the servers, so the detail says what to look at.
func (b *Buffer) Check(ctx context.Context) (findings []Finding) {
	version := b.nc.ConnectedServerVersion()
	findings = append(findings, Finding{"JetStream", true, fmt.Sprintf("connected to %s, nats-server %s", b.nc.ConnectedUrlRedacted(), version)})
	s, err := b.js.Stream(ctx, StreamName)
	if err != nil {
		return append(findings, Finding{"stream", false, b.explain(err).Error()})
	}
	info := s.CachedInfo()
	detail := fmt.Sprintf("%d replicas, %d messages, %.1f MiB", info.Config.Replicas, info.State.Msgs, float64(info.State.Bytes)/(1<<20))
	ok := true
	if c := info.Cluster; c != nil && len(c.Replicas) > 0 {
		detail += ", leader " + c.Leader
		var behind []string
		for _, r := range c.Replicas {
			if r.Offline || !r.Current {
				behind = append(behind, r.Name)
			}
		}
		if len(behind) > 0 {
			ok = false
			detail += "; not up to date: " + strings.Join(behind, ", ") + ". Another server that fails now stops everything: bring them up"
		}
	}
	if info.Config.Replicas == 1 {
		detail += "; with one replica a server that is lost takes the buffer with it"
	}
	findings = append(findings, Finding{"stream", ok, detail})
	var took []time.Duration
	for range 5 {
		begun := time.Now()
		if _, err := b.commit(ctx, []message{{subject: states + "check", free: true, life: memberLife}}); err != nil {
			return append(findings, Finding{"commit", false, err.Error()})
		}
		took = append(took, time.Since(begun))
	}
	fastest := took[0]
	for _, d := range took {
		fastest = min(fastest, d)
	}
	detail = fmt.Sprintf("%.1f ms", float64(fastest.Microseconds())/1000)
	if fastest < 300*time.Microsecond {
		detail += "; so fast that it is hardly synced to a disk"
	}
	return append(findings, Finding{"commit", true, detail + ". Each server has to have sync_interval: always in its jetstream block; the servers do not tell"})
}
