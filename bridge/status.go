package bridge

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/siembridge/siembridge/bridge/admin"
	"github.com/siembridge/siembridge/bridge/buffer/jetstream"
	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/source"
)

// Status returns a snapshot of everything.
func (b *Bridge) Status() admin.Status {
	b.mu.Lock()
	sources, destinations, reconciliation := b.sources, b.destinations, b.reconciliation
	b.mu.Unlock()
	s := admin.Status{Version: b.version, Started: b.started, Reconciliation: reconciliation}
	for _, x := range sources {
		from := x.puller.Status()
		one := admin.Source{Name: x.config.Name, API: x.config.API, State: from.State, LastSuccess: from.LastSuccess,
			CoveredTo: from.CoveredTo, Holes: len(from.Holes), Unread: unread(from.Holes), Pulled: from.Pulled, Duplicates: from.Duplicates, Read: from.Read, Total: from.Total, Error: from.Error}
		if from.State == "failing" {
			one.Failing = from.ErrorSince
		}
		one.TokenEnds = from.TokenEnds
		one.Newest, one.Stale = b.arrived(x.config.Name, from.State)
		if x.credential != nil {
			one.CredentialEnds, one.Warning = x.credential.status()
		}
		if x.sharing != nil && !x.held.Load() {
			one.State, one.Error, one.Failing, one.Stale = "standby", "", time.Time{}, ""
		}
		s.Sources = append(s.Sources, one)
	}
	s.Cluster = b.cluster()
	u := b.buffer.Usage()
	s.Buffer = admin.Buffer{Bytes: u.Bytes, Pending: u.Pending, Limit: u.Limit, Blocked: u.Blocked, Since: b.fullSince(u.Blocked)}
	for _, x := range destinations {
		from, pending := x.worker.Status(), x.queue.Pending()
		one := admin.Destination{Name: from.Name, State: string(from.State), Since: from.Since, Address: from.Address,
			Confirm: from.Confirm, Pending: pending.Records, Oldest: pending.Oldest, Dropped: pending.Dropped, Delivered: from.Delivered,
			LastSuccess: from.Last, Error: from.Error}
		peer, own := x.dialer.CertificateEnds()
		certificates(&one, peer, own, time.Now())
		if job := x.queue.replaying(); job != nil {
			one.Replay = &admin.Replay{Since: job.Since, Until: job.Until, Records: job.Records, Sent: job.Sent}
		}
		s.Destinations = append(s.Destinations, one)
	}
	return s
}

// fullSince notes since when the buffer is full, as it was seen: every 15 seconds at least.
func (b *Bridge) fullSince(full bool) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !full {
		b.full = time.Time{}
	} else if b.full.IsZero() {
		b.full = time.Now()
	}
	return b.full
}

// unread names the first holes.
func unread(holes []source.Hole) (all []admin.Unread) {
	for _, h := range holes[:min(len(holes), admin.MaxUnread)] {
		all = append(all, admin.Unread{From: h.Start(), To: h.End(), Reason: h.Reason})
	}
	return all
}

// cluster is who shares the buffer; nil: nobody.
func (b *Bridge) cluster() *admin.Cluster {
	if b.sharing == nil {
		return nil
	}
	c := &admin.Cluster{}
	c.Away, c.Cause = b.sharing.Away()
	for _, from := range b.sharing.Instances() {
		one := admin.Instance{Host: from.Host, This: from.Own, Live: from.Live, Started: from.Started, Sources: from.Sources}
		for _, to := range slices.Sorted(maps.Keys(from.Lanes)) {
			one.Destinations = append(one.Destinations, fmt.Sprintf("%s %d/%d", to, from.Lanes[to], jetstream.Lanes))
		}
		c.Instances = append(c.Instances, one)
	}
	return c
}

// StoppedStatus returns what the state directory of a bridge that does not run tells. Its error wraps
// buffer.ErrLocked when another process uses the directory.
func StoppedStatus(c *config.Config, version string) (s admin.Status, err error) {
	b, err := OpenStopped(c)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	s.Version, s.Reconciliation = version, lastReconciliation(b)
	for i := range c.Sources {
		x := &c.Sources[i]
		one := admin.Source{Name: x.Name, API: x.API, State: "stopped"}
		checkpoint, err := b.Checkpoint(x.Name)
		if err != nil {
			return s, err
		}
		if checkpoint != nil && x.API != "file" {
			covered, holes, err := source.ReadCheckpoint(checkpoint)
			if err != nil {
				return s, fmt.Errorf("source %s: %w", x.Name, err)
			}
			one.CoveredTo, one.Holes, one.Unread = covered, len(holes), unread(holes)
		}
		s.Sources = append(s.Sources, one)
	}
	u := b.Usage()
	s.Buffer = admin.Buffer{Bytes: u.Bytes, Pending: u.Pending, Limit: u.Limit}
	for i := range c.Destinations {
		x := &c.Destinations[i]
		one := admin.Destination{Name: x.Name, State: "stopped", Confirm: x.Confirm}
		for _, left := range b.Leftovers() {
			if left.Destination == x.Name {
				one.Pending, one.Since = left.Records, left.Closed
			}
		}
		s.Destinations = append(s.Destinations, one)
	}
	return s, nil
}
