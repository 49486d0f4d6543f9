package disk

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"

	"github.com/siembridge/siembridge/bridge/buffer/disk/vfs"
)

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
