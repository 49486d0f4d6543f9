package bridge

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/control"
)

// built is what a configuration asks for, built and not running: units that run already are taken over.
type built struct {
	sources      []*runningSource
	destinations []*runningDestination
	changes      control.Changes

	endSources      []*runningSource // that run and shall not
	endDestinations []*runningDestination
}

// prepare builds what is new or changed in a configuration, and touches nothing that runs. Its error has all problems.
func (b *Bridge) prepare(c *config.Config) (*built, error) {
	n := &built{endSources: slices.Clone(b.sources), endDestinations: slices.Clone(b.destinations)}
	var errs []error
	if b.running == nil { // New: nothing runs that could be kept
		n.endSources, n.endDestinations = nil, nil
	}
	for i := range c.Destinations {
		d := &c.Destinations[i]
		at := slices.IndexFunc(n.endDestinations, func(x *runningDestination) bool { return x.config.Name == d.Name })
		if at >= 0 && b.sameDestination(n.endDestinations[at], d, c.Sources) {
			n.destinations = append(n.destinations, n.endDestinations[at])
			n.endDestinations = slices.Delete(n.endDestinations, at, at+1)
			continue
		}
		x, err := b.prepareDestination(d, c.Sources)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		n.destinations = append(n.destinations, x)
		n.changes.Destinations.Note(d.Name, at >= 0)
	}
	for i := range c.Sources {
		s := &c.Sources[i]
		at := slices.IndexFunc(n.endSources, func(x *runningSource) bool { return x.config.Name == s.Name })
		if at >= 0 && reflect.DeepEqual(n.endSources[at].config, *s) && n.endSources[at].files == digest(s.CAFile) {
			n.sources = append(n.sources, n.endSources[at])
			n.endSources = slices.Delete(n.endSources, at, at+1)
			continue
		}
		x, err := b.prepareSource(s, c.StateDir)
		if err != nil {
			if at < 0 {
				b.forget([]string{s.Name}, nil)
			}
			errs = append(errs, err)
			continue
		}
		n.sources = append(n.sources, x)
		n.changes.Sources.Note(s.Name, at >= 0)
	}
	return n, errors.Join(errs...)
}

// sameDestination tells whether a running destination is what a configuration asks for, files and sources included.
func (b *Bridge) sameDestination(x *runningDestination, d *config.Destination, sources []config.Source) bool {
	return reflect.DeepEqual(x.config, *d) && x.files == digest(d.MappingFile, d.TLS.CAFile) &&
		reflect.DeepEqual(x.pipeline.Sources, sourceInfos(sources))
}

// errNotRunning: what was asked for needs a bridge that pulls and delivers.
var errNotRunning = errors.New("siembridge is not running yet, or is stopping: try again in a moment")

// Reload makes a changed configuration the one that runs. Everything that can fail happens before anything that runs
// is touched: after an error, which has all problems, all runs on as before. What is unchanged is not touched at all.
// A source or destination that changed is stopped, which confirms what is under way for up to 8 seconds, and goes on
// where it was.
func (b *Bridge) Reload(c *config.Config) (control.Changes, error) {
	b.changing.Lock()
	defer b.changing.Unlock()
	if b.running == nil || b.running.Err() != nil {
		return control.Changes{}, errNotRunning
	}
	if c.StateDir != b.config.StateDir {
		return control.Changes{}, fmt.Errorf("state_dir cannot change from %s to %s while siembridge runs: stop it, move the folder, and start it again", b.config.StateDir, c.StateDir)
	}
	n, err := b.prepare(c)
	if err != nil {
		b.forget(n.changes.Sources.Added, nil)
		return control.Changes{}, err
	}
	n.changes.Restart = waiting(b.began, c)
	// A queue can be refused, by a full disk. Those of new destinations are opened before anything is stopped.
	var opened []string
	for _, d := range n.destinations {
		if d.queue != nil || slices.Contains(n.changes.Destinations.Changed, d.config.Name) {
			continue
		}
		if err := b.open(d); err != nil {
			for _, name := range opened {
				err = errors.Join(err, b.buffer.CloseQueue(name))
			}
			b.forget(n.changes.Sources.Added, n.changes.Destinations.Added)
			return control.Changes{}, err
		}
		opened = append(opened, d.config.Name)
	}
	b.apply(c, n)
	b.logChanges(&n.changes)
	return n.changes, nil
}

// apply stops what shall not run any more and launches what is new.
func (b *Bridge) apply(c *config.Config, n *built) {
	var stopped sync.WaitGroup
	for _, s := range n.endSources {
		stopped.Go(s.unit.stop)
		if !slices.Contains(n.changes.Sources.Changed, s.config.Name) {
			n.changes.Sources.Removed = append(n.changes.Sources.Removed, s.config.Name)
		}
	}
	for _, d := range n.endDestinations {
		stopped.Go(d.unit.stop)
		if !slices.Contains(n.changes.Destinations.Changed, d.config.Name) {
			n.changes.Destinations.Removed = append(n.changes.Destinations.Removed, d.config.Name)
		}
	}
	stopped.Wait()
	b.forget(n.changes.Sources.Removed, n.changes.Destinations.Removed)
	for _, name := range n.changes.Destinations.Removed {
		if err := b.buffer.CloseQueue(name); err != nil {
			b.log.Error("the queue of a removed destination cannot be closed; the next start does it", "destination", name, "error", err)
		}
	}
	for _, left := range b.buffer.Leftovers() {
		if slices.Contains(n.changes.Destinations.Removed, left.Destination) {
			n.changes.Kept = append(n.changes.Kept, control.Kept{Destination: left.Destination, Records: left.Records, Until: left.Until})
		}
	}
	for _, d := range n.destinations {
		b.openAgain(d)
	}
	n.destinations = slices.DeleteFunc(n.destinations, func(d *runningDestination) bool { return d.queue == nil }) // the bridge stops
	b.mu.Lock()
	b.config, b.sources, b.destinations = c, n.sources, n.destinations
	b.mu.Unlock()
	for _, d := range n.destinations {
		if d.unit == nil {
			b.launch(d)
		}
	}
	for _, s := range n.sources {
		if s.unit == nil {
			s.launch(b.running, b.ended)
		}
	}
	signal(b.ended)
}

// openAgain opens the queue of a destination that changed. Its records are safe while the disk refuses it; it is tried
// until it works or the bridge stops.
func (b *Bridge) openAgain(d *runningDestination) {
	for try := 0; d.queue == nil; try++ {
		err := b.open(d)
		if err == nil {
			return
		}
		if try == 0 {
			b.log.Error("the queue of a changed destination cannot be opened; it is tried again every second", "destination", d.config.Name, "error", err)
		}
		select {
		case <-time.After(time.Second):
		case <-b.running.Done():
			return
		}
	}
}

// forget ends the series of sources and destinations that are no more.
func (b *Bridge) forget(sources, destinations []string) {
	for _, name := range sources {
		b.shared.sources.Forget(name)
		b.shared.tokens.Forget(name)
		b.shared.quarantined.DeleteLabelValues(name)
	}
	for _, name := range destinations {
		b.shared.delivery.Forget(name)
	}
}

func (b *Bridge) logChanges(c *control.Changes) {
	b.log.Info("the configuration was applied", "changes", c.String())
	for _, k := range c.Kept {
		b.log.Warn("a removed destination has records that were not delivered; they are kept for 7 days and go out when it is configured again under its name",
			"destination", k.Destination, "records", k.Records, "until", k.Until)
	}
}

// waiting lists the keys that are read at a start only, and differ from those of the last.
func waiting(old, next *config.Config) (keys []string) {
	for _, k := range []struct {
		key       string
		old, next any
	}{{"log.format", old.Log.Format, next.Log.Format}, {"admin", old.Admin, next.Admin}, {"buffer", old.Buffer, next.Buffer}} {
		if !reflect.DeepEqual(k.old, k.next) {
			keys = append(keys, k.key)
		}
	}
	return keys
}

// digestLimit is how much of a file counts for its digest, in bytes.
const digestLimit = 16 << 20

// digest tells the contents of files from others; those without a name, or that cannot be read, count as empty.
func digest(files ...string) string {
	sum := sha256.New()
	for _, name := range files {
		if f, err := os.Open(name); err == nil {
			_, _ = io.Copy(sum, io.LimitReader(f, digestLimit))
			f.Close()
		}
		sum.Write([]byte{0})
	}
	return hex.EncodeToString(sum.Sum(nil))
}
