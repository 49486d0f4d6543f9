package bridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/disk"
	"github.com/siembridge/siembridge/bridge/buffer/jetstream"
	"github.com/siembridge/siembridge/bridge/config"
)

// Store is a buffer with all that a bridge needs of it.
type Store interface {
	buffer.Buffer
	buffer.Leftovers
	buffer.Retained
	buffer.Journal
	buffer.Notes
	Quarantine() buffer.Quarantine // what was set aside; its methods may be called by any goroutine

	// Doubted returns from when on sources have to read again, since what they had read before is not known for
	// certain any more; zero: it is.
	Doubted() time.Time

	// Damage returns how many parts could not be read since the start, and when the oldest record that may be in one of
	// them was pulled, or earlier; zero: not known. Such records are stored anew when they are appended again.
	Damage() (parts int, since time.Time)

	// Broken is closed when the buffer has to be opened again before it can go on; the error says why.
	Broken() (<-chan struct{}, error)
}

// sharing is what a Store offers that several bridges use at once.
type sharing interface {
	// Lease waits until this bridge is the one to pull a source. The context ends when it is no longer; done gives
	// the source to the others.
	Lease(ctx context.Context, source string) (held context.Context, done func(), err error)

	// Tokens keeps the refresh tokens of a source.
	Tokens(source string) *jetstream.Tokens

	// Share is this bridge's part of a destination's records, 0 to 1.
	Share(destination string) float64

	// First tells whether this bridge is the one of them that does what only one has to do.
	First() bool

	// Instances returns all of them.
	Instances() []jetstream.Instance

	// Away says since when the buffer's servers do not answer, and how that shows; zero: they do.
	Away() (since time.Time, cause string)
}

// openStore opens the buffer that a configuration names.
func openStore(c *config.Config, o Options, registerer prometheus.Registerer) (Store, error) {
	if c.Buffer.Type == "jetstream" {
		return openJetStream(c, o, registerer)
	}
	b, err := disk.Open(disk.Options{Dir: c.StateDir, MaxSize: int64(c.Buffer.MaxSize), Retain: c.Buffer.Retain, Logger: o.Logger, Registerer: registerer,
		FS: o.FS, Transaction: o.Commit, Simulated: o.FS != nil})
	if err != nil {
		return nil, fmt.Errorf("state_dir %s: %w", c.StateDir, err)
	}
	return b, nil
}

// openPatience is how long a start waits for the state directory: a command that reads it, such as siembridge status,
// may have it for a moment.
const openPatience = 5 * time.Second

// openPatiently is openStore for a start.
func openPatiently(c *config.Config, o Options, registerer prometheus.Registerer) (Store, error) {
	for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		b, err := openStore(c, o, registerer)
		if err == nil || !errors.Is(err, buffer.ErrLocked) || time.Since(begun) > openPatience {
			return b, err
		}
	}
}

// sharedStore is a JetStream buffer, and the lock of the state directory, which holds the rest.
type sharedStore struct {
	*jetstream.Buffer
	lock io.Closer
}

// Close implements Store.
func (s sharedStore) Close() error {
	defer s.lock.Close()
	return s.Buffer.Close()
}

func openJetStream(c *config.Config, o Options, registerer prometheus.Registerer) (Store, error) {
	lock, err := disk.Lock(c.StateDir)
	if err != nil {
		return nil, fmt.Errorf("state_dir %s: %w", c.StateDir, err)
	}
	b, err := jetstream.Open(jetStreamOptions(c, o, registerer))
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("buffer: %w", err)
	}
	return sharedStore{b, lock}, nil
}

// jetStreamOptions translates the configuration of a JetStream buffer.
func jetStreamOptions(c *config.Config, o Options, registerer prometheus.Registerer) jetstream.Options {
	j := &c.Buffer.JetStream
	return jetstream.Options{URLs: j.URLs, CredentialsFile: j.CredentialsFile, CAFile: j.CAFile, CertFile: j.CertFile, KeyFile: j.KeyFile, Replicas: j.Replicas,
		MaxSize: int64(c.Buffer.MaxSize), Retain: c.Buffer.Retain, Logger: o.Logger, Registerer: registerer}
}

// OpenStopped opens the buffer of a configuration whose bridge does not run; where there is none, that is the error.
func OpenStopped(c *config.Config) (Store, error) {
	if err := HasRun(c); err != nil {
		return nil, err
	}
	return openStore(c, Options{}, nil)
}

// HasRun is the error when there is no state directory: siembridge has never run with this configuration.
func HasRun(c *config.Config) error {
	if _, err := os.Stat(c.StateDir); err != nil {
		return fmt.Errorf("state_dir %s: %w; siembridge has not run with this configuration yet", c.StateDir, err)
	}
	return nil
}
