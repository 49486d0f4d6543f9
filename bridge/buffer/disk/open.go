package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/disk/vfs"
	"github.com/siembridge/siembridge/bridge/buffer/keys"
)

// Names in the state directory.
const (
	lockName       = "lock"
	bufferName     = "buffer"
	logName        = "log"
	indexName      = "index.db"
	quarantineName = "quarantine.db"
	reserveName    = "reserve"
	rebuildName    = "rebuild" // there: the index is to be set aside
)

// Dir is where in a state directory the buffer is.
func Dir(stateDir string) string { return filepath.Join(stateDir, bufferName) }

// Open opens the buffer of a state directory, or makes one. It takes the same time whatever the buffer holds, unless
// the index is damaged and has to be rebuilt; what was found damaged is in Report.
//
// The error wraps buffer.ErrLocked when another process uses the directory.
func Open(opts Options) (*Buffer, error) {
	opts.fill()
	b := &Buffer{
		opts: opts, logger: opts.Logger, dir: filepath.Join(opts.Dir, bufferName),
		requests: make(chan *request), closing: make(chan struct{}), closed: make(chan struct{}), broke: make(chan struct{}),
	}
	b.logDir = filepath.Join(b.dir, logName)
	b.scratch, b.states, b.block = map[keyID]keys.State{}, map[keyID]keys.State{}, make([]byte, 0, writeSize+4096)
	if err := b.open(); err != nil {
		return nil, errors.Join(err, b.release())
	}
	if opts.Registerer != nil {
		if err := opts.Registerer.Register(buffer.Metrics{Usage: b.Usage, Queues: b.openQueues, Now: opts.Now}); err != nil {
			return nil, errors.Join(err, b.release())
		}
	}
	go b.run()
	return b, nil
}

func (b *Buffer) open() error {
	var err error
	if b.lock, err = Lock(b.opts.Dir); err != nil {
		return err
	}
	if err := os.MkdirAll(b.logDir, 0o700); err != nil {
		return unusable(err)
	}
	if err := errors.Join(vfs.SyncDir(b.opts.Dir), vfs.System{}.SyncDir(b.dir)); err != nil {
		return err
	}
	b.quarantine.open(filepath.Join(b.dir, quarantineName), b.opts)
	if err := b.openIndex(); err != nil {
		return explainOpen(b.opts.Dir, err)
	}
	if err := b.settleFiles(); err != nil {
		return explain(b.dir, err)
	}
	// Where there is a reserve there was an index: see indexMissing.
	b.reserve = reserve{path: filepath.Join(b.dir, reserveName), size: reserveSize}
	if b.opts.Simulated {
		b.reserve.size = 1
	}
	b.reserve.hold()
	err = b.raise()
	if isFull(err) && b.reserve.give() {
		err = b.raise()
	}
	if err != nil {
		return explain(b.dir, err)
	}
	return b.dateClosed()
}

// Lock makes a state directory if there is none and takes its lock, which closing the file gives back. The error wraps
// buffer.ErrLocked when another process has it.
func Lock(dir string) (*os.File, error) {
	if err := MakeDir(dir); err != nil {
		return nil, err
	}
	return lockFile(filepath.Join(dir, lockName))
}

// MakeDir makes a state directory, with the folders above it, if there is none.
func MakeDir(dir string) error { return unusable(os.MkdirAll(dir, 0o700)) }

// unusable words what keeps this process out of the state directory.
func unusable(err error) error {
	if err == nil {
		return nil
	}
	remedy := "name a folder in state_dir that siembridge may write to"
	switch {
	case isFull(err):
		remedy = "free some space on the file system of state_dir"
	case errors.Is(err, fs.ErrPermission):
		remedy = "the state directory has to belong to the user that siembridge runs as"
	}
	return fmt.Errorf("%w; %s", err, remedy)
}

func explainOpen(dir string, err error) error {
	if errors.Is(err, bolterrors.ErrTimeout) {
		return fmt.Errorf("%w: its index is locked; stop the other process, or use another state_dir than %s", buffer.ErrLocked, dir)
	}
	if isFull(err) {
		return explain(dir, err)
	}
	return err
}
