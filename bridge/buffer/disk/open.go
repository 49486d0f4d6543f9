package disk

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/disk/vfs"
	"github.com/siembridge/siembridge/bridge/buffer/keys"
)

// Options say where and how large a buffer is.
type Options struct {
	Dir     string        // the state directory; made with mode 0700 if it is not there
	MaxSize int64         // bytes of pending records, at least 64 KiB; 0: 10 GiB
	Retain  time.Duration // how long delivered records are kept, counted from when they were pulled
	Logger  *slog.Logger  // nil: nothing is logged

	Registerer prometheus.Registerer // nil: no metrics
	Now        func() time.Time      // nil: time.Now

	// FS is what the log's files are reached through; nil: the system. For tests.
	FS vfs.FS
	// Transaction surrounds each commit of the index and of the quarantine; nil: commit alone. A test may let it fail
	// before or after.
	Transaction func(commit func() error) error
	// Simulated says that FS and Transaction know what is on disk: the index is not synced, and the reserve is next to
	// nothing. For tests.
	Simulated bool

	segmentSize int64
	keep        int64 // bytes of released records that each destination can be given again; -1: none
}

const (
	maxSegment  = 64 << 20
	minSize     = 64 << 10
	reserveSize = 1 << 20
	defaultSize = 10 << 30
)

// fill sets what was left open.
func (o *Options) fill() {
	if o.MaxSize == 0 {
		o.MaxSize = defaultSize
	}
	o.MaxSize = max(o.MaxSize, minSize)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.FS == nil {
		o.FS = vfs.System{}
	}
	if o.Transaction == nil {
		o.Transaction = func(commit func() error) error { return commit() }
	}
	if o.keep == 0 {
		o.keep = buffer.KeepReleased
	}
	if o.segmentSize == 0 {
		o.segmentSize = min(maxSegment, o.MaxSize/8)
	}
}

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
	return fmt.Errorf("%w; the state directory has to belong to the user that siembridge runs as", err)
}

func explainOpen(dir string, err error) error {
	if errors.Is(err, bolterrors.ErrTimeout) {
		return fmt.Errorf("%w: its index is locked; stop the other process, or use another state_dir than %s", buffer.ErrLocked, dir)
	}
	return err
}

// openIndex opens the index and loads from it. A damaged one is set aside and rebuilt from the log.
func (b *Buffer) openIndex() error {
	path := filepath.Join(b.dir, indexName)
	err := damaged("it was found damaged when it was last used")
	if _, statErr := os.Stat(filepath.Join(b.dir, rebuildName)); errors.Is(statErr, fs.ErrNotExist) {
		err = b.tryIndex(path)
	}
	if !errors.Is(err, errIndexDamaged) {
		return err
	}
	if b.db != nil {
		closeIndex(b.db)
		b.db = nil
	}
	return b.rebuild(path, err)
}

// tryIndex opens the index, makes it if it is new, and loads it.
func (b *Buffer) tryIndex(path string) (err error) {
	if err := b.indexMissing(path); err != nil {
		return err
	}
	if err := checkMetas(path); err != nil {
		return err
	}
	if b.db, err = openIndex(path, b.opts.Simulated); err != nil {
		return err
	}
	err = b.view(func(tx *bolt.Tx) error {
		b.id, b.version, err = checkFormat(tx, path)
		return err
	})
	if err != nil {
		return err
	}
	fresh := b.version == 0
	if fresh {
		b.version = formatVersion
		rand.Read(b.id[:])
		if err := b.createIndex(); err != nil {
			return explain(b.dir, err)
		}
		if err := vfs.SyncDir(b.dir); err != nil {
			return err
		}
	}
	if err := b.load(); err != nil || fresh {
		return err
	}
	return tryWrite(b.db)
}

// tryWrite writes a row of each bucket as it is. So damage of pages that only writing touches shows while the index can
// still be set aside, and not at the first commit. A full disk is no damage.
func tryWrite(db *bolt.DB) error {
	err := guard(func() error {
		return db.Update(func(tx *bolt.Tx) error {
			for _, name := range buckets {
				bucket := tx.Bucket(name)
				if key, value := bucket.Cursor().First(); value != nil {
					if err := bucket.Put(bytes.Clone(key), bytes.Clone(value)); err != nil {
						return err
					}
				}
			}
			return nil
		})
	})
	if errors.Is(err, errIndexDamaged) {
		return err
	}
	return nil
}

// indexMissing tells a new buffer from one whose index was lost: that one has segments or a reserve.
func (b *Buffer) indexMissing(path string) error {
	if info, err := os.Stat(path); err == nil && info.Size() > 0 {
		return nil
	}
	ids, err := listSegments(b.logDir)
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(b.dir, reserveName)); err != nil && len(ids) == 0 {
		return nil
	}
	return damaged("it is missing, but other files of the buffer are not")
}

// load reads the state as committed.
func (b *Buffer) load() error {
	b.seed = b.id.seed()
	b.segments, b.sourceNames = nil, nil
	b.destinations, b.sourceIDs = map[string]*destination{}, map[string]int{}
	return b.view(func(tx *bolt.Tx) (err error) {
		if b.end, err = parseEnd(tx.Bucket(bucketMeta).Get(keyEnd)); err != nil {
			return err
		}
		if b.doubt, err = parseDoubt(tx.Bucket(bucketMeta).Get(keyDoubt)); err != nil {
			return err
		}
		err = tx.Bucket(bucketSources).ForEach(func(id, name []byte) error {
			if len(id) != 8 || binary.BigEndian.Uint64(id) != uint64(len(b.sourceNames)) {
				return damaged("the names of the sources")
			}
			b.sourceIDs[string(name)] = len(b.sourceNames)
			b.sourceNames = append(b.sourceNames, string(name))
			return nil
		})
		if err != nil {
			return err
		}
		err = tx.Bucket(bucketSegments).ForEach(func(id, row []byte) error {
			if len(id) != 8 {
				return damaged("the list of segments")
			}
			s, err := parseSegmentRow(binary.BigEndian.Uint64(id), row)
			b.segments = append(b.segments, s)
			return err
		})
		if err != nil {
			return err
		}
		err = tx.Bucket(bucketDestinations).ForEach(func(name, row []byte) error {
			d, err := parseDestinationRow(string(name), row)
			if err != nil {
				return err
			}
			b.destinations[d.name] = d
			b.want(d)
			return nil
		})
		if err != nil {
			return err
		}
		if err := b.end.check(tx); err != nil {
			return err
		}
		return b.keys.load(tx)
	})
}

// settleFiles makes the folder agree with the index: what is behind the committed end of a segment is cut off, and
// files that the index does not list are deleted. They are what a crash leaves before or after a commit.
func (b *Buffer) settleFiles() error {
	if err := b.arrange(); err != nil {
		return err
	}
	ids, err := listSegments(b.logDir)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if !slices.ContainsFunc(b.segments, func(s *segment) bool { return s.id == id }) {
			if err := vfs.Remove(b.opts.FS, segmentPath(b.logDir, id)); err != nil {
				return err
			}
		}
	}
	for i, s := range b.segments {
		info, err := os.Stat(segmentPath(b.logDir, s.id))
		last := i == len(b.segments)-1
		switch {
		case errors.Is(err, fs.ErrNotExist):
			b.damage(Damage{Segment: s.id, Bytes: s.size, Cause: "the file is missing"})
		case err != nil:
			return err
		case info.Size() < s.size:
			b.damage(Damage{Segment: s.id, Offset: info.Size(), Bytes: s.size - info.Size(), Cause: "the file is too short"})
		case last && s.size < b.opts.segmentSize:
			if b.w, err = openSegment(b.opts.FS, b.logDir, s, b.block); err != nil {
				return err
			}
		case info.Size() > s.size:
			w, err := openSegment(b.opts.FS, b.logDir, s, b.block)
			if err != nil {
				return err
			}
			w.file.Close()
		}
	}
	return nil
}

// dateClosed gives the queues that a crash left open the time of now as the time of their closing.
func (b *Buffer) dateClosed() error {
	p := newPlan(b)
	for _, d := range b.destinations {
		if d.closed == noTime {
			d.closed = b.now()
			p.rows[d] = true
		}
	}
	if len(p.rows) == 0 {
		return nil
	}
	// On a full disk this can wait.
	if err := b.transact(p, func() error { return nil }); err != nil && !isFull(err) {
		return err
	}
	return nil
}

// eachRecord calls f for the records of a segment from an offset on, until it returns false. The view is valid during
// the call. Damage is passed over and given as errDamaged at the end.
func (b *Buffer) eachRecord(s *segment, from int64, f func(v *recordView) bool) error {
	file, err := b.opts.FS.OpenFile(segmentPath(b.logDir, s.id), os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	var damage error
	scan := newScanner(file, b.seed, from, s.size)
	for {
		body, _, _, err := scan.next()
		if errors.Is(err, errDamaged) {
			damage = err
			continue
		}
		if err != nil {
			return errors.Join(damage, notEOF(err))
		}
		v, err := parseRecord(body)
		if err == nil && !f(&v) {
			return damage
		}
	}
}
