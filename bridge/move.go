package bridge

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/disk"
	"github.com/siembridge/siembridge/bridge/buffer/jetstream"
	"github.com/siembridge/siembridge/bridge/buffer/keys"
	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/entra"
)

// Moved is what a move has carried over.
type Moved struct {
	Records, Keys, Sources, Destinations, Quarantined int    // how many of each
	Aside                                             string // where the disk buffer is kept now
}

// moveRecords and moveBytes are how much of the log is in memory at a time.
const (
	moveRecords = 2000
	moveBytes   = 32 << 20
)

// Move carries the disk buffer in the state directory over to the JetStream servers that the configuration names:
// records that are pending or retained, keys, checkpoints, positions, notes, quarantine and refresh tokens. Nothing is
// lost or delivered again. No siembridge may use the state directory or the servers meanwhile. After an error or a crash
// it is done again, from the beginning; until it has ended no instance starts on the servers. What was moved is kept
// under another name.
func Move(ctx context.Context, c *config.Config) (m Moved, err error) {
	dir := disk.Dir(c.StateDir)
	if c.Buffer.Type != "jetstream" {
		return m, errors.New("buffer.type is not jetstream; the configuration has to name the servers to move to")
	}
	if _, err := os.Stat(dir); err != nil {
		return m, fmt.Errorf("state_dir has no disk buffer: %w", err)
	}
	from, err := disk.Open(disk.Options{Dir: c.StateDir, MaxSize: int64(c.Buffer.MaxSize), Retain: c.Buffer.Retain})
	if err != nil {
		return m, fmt.Errorf("state_dir %s: %w", c.StateDir, err)
	}
	err = move(ctx, c, from, &m)
	if err = errors.Join(err, from.Close()); err != nil {
		return m, err
	}
	m.Aside = dir + ".moved"
	if err := os.Rename(dir, m.Aside); err != nil {
		return m, fmt.Errorf("all is carried over, but %s cannot be renamed: %w; rename it by hand", dir, err)
	}
	return m, nil
}

func move(ctx context.Context, c *config.Config, from *disk.Buffer, m *Moved) error {
	contents, err := from.Contents()
	if err != nil {
		return err
	}
	to, done, err := jetstream.BeginImport(ctx, jetStreamOptions(c, Options{}, nil), contents.ID)
	if err != nil {
		return err
	}
	defer to.Close()
	if done {
		return nil
	}
	if m.Records, err = moveLog(ctx, from, to); err != nil {
		return err
	}
	for i := range contents.Destinations {
		d := &contents.Destinations[i]
		if err := to.Destination(ctx, d.Destination, d.Closed, d.Dropped, d.Needs, d.Lost); err != nil {
			return err
		}
		m.Destinations++
	}
	if m.Keys, err = moveKeys(ctx, from, to); err != nil {
		return err
	}
	for source, checkpoint := range contents.Checkpoints {
		if err := to.Checkpoint(ctx, source, checkpoint); err != nil {
			return err
		}
		m.Sources++
	}
	for _, n := range contents.Notes {
		if n.Subject == replayNote { // it names records by their old numbers
			continue
		}
		if err := to.Note(ctx, n.Subject, n.Key, n.Value); err != nil {
			return err
		}
	}
	if m.Quarantined, err = moveQuarantine(ctx, from.Quarantine(), to); err != nil {
		return err
	}
	if err := moveTokens(ctx, c, to); err != nil {
		return err
	}
	return to.Done(ctx)
}

// moveLog carries the records over.
func moveLog(ctx context.Context, from *disk.Buffer, to *jetstream.Import) (n int, err error) {
	var batch []buffer.Record
	bytes := 0
	flush := func() bool {
		if err == nil && len(batch) > 0 {
			err = to.Records(ctx, batch)
			n += len(batch)
			batch, bytes = batch[:0], 0
		}
		return err == nil
	}
	readErr := from.Retained(time.Time{}, time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC), func(r buffer.Record) bool {
		batch = append(batch, r)
		bytes += len(r.Raw)
		return len(batch) < moveRecords && bytes < moveBytes || flush()
	})
	flush()
	return n, errors.Join(err, readErr)
}

// moveKeys carries over what is remembered of keys.
func moveKeys(ctx context.Context, from *disk.Buffer, to *jetstream.Import) (n int, err error) {
	var some []jetstream.Key
	flush := func() error {
		n += len(some)
		err := to.Keys(ctx, some)
		some = some[:0]
		return err
	}
	err = from.Keys(func(id keys.ID, s keys.State) error {
		if some = append(some, jetstream.Key{ID: id, State: s}); len(some) < moveRecords {
			return nil
		}
		return flush()
	})
	if err != nil {
		return n, err
	}
	return n, flush()
}

// moveQuarantine carries over what was set aside.
func moveQuarantine(ctx context.Context, from buffer.Quarantine, to *jetstream.Import) (n int, err error) {
	list, err := from.List()
	if err != nil {
		return 0, err
	}
	for _, q := range list {
		one, ok, err := from.Get(q.ID)
		if err != nil {
			return n, err
		}
		if ok {
			if err := to.Quarantined(ctx, one); err != nil {
				return n, err
			}
			n++
		}
	}
	return n, nil
}

// moveTokens carries over the refresh tokens. The files stay, and are of no use any more.
func moveTokens(ctx context.Context, c *config.Config, to *jetstream.Import) error {
	for i := range c.Sources {
		chain, err := os.ReadFile(entra.ChainFile(c.StateDir, c.Sources[i].Name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = to.Tokens(ctx, c.Sources[i].Name, chain)
		}
		if err != nil {
			return fmt.Errorf("the refresh token of source %s: %w", c.Sources[i].Name, err)
		}
	}
	return nil
}
