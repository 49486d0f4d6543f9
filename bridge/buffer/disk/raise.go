package disk

import (
	"bytes"
	"errors"
	"os"

	bolt "go.etcd.io/bbolt"
)

// raise brings a buffer that an older version wrote up to this version's number, so that the older one refuses it from
// then on. What stands in it stays as it is: frames are the same in all formats, and read knows both layouts of a
// generation of keys. The index comes last: until then, and after a crash, the next opening begins again.
func (b *Buffer) raise() error {
	if b.version == formatVersion {
		return nil
	}
	if err := b.raiseSegments(); err != nil {
		return err
	}
	err := b.update(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketMeta).Put(keyFormat, formatRow(b.id, formatVersion))
	})
	if err != nil {
		return err
	}
	b.logger.Info("the buffer was written by an older version and has the format of this one now; an older one refuses it",
		"was", b.version, "is", formatVersion)
	b.version = formatVersion
	return nil
}

// raiseSegments gives the segments of older versions this version's header. One whose header is damaged, or of another
// buffer, stays as it is.
func (b *Buffer) raiseSegments() error {
	ids, err := listSegments(b.logDir)
	if err != nil {
		return err
	}
	for _, id := range ids {
		head, err := readHead(segmentPath(b.logDir, id))
		if err != nil {
			return err
		}
		log, own, _, err := parseSegmentHeader(head)
		header := appendSegmentHeader(nil, log, own)
		if err != nil || log != b.id || bytes.Equal(head, header) {
			continue
		}
		f, err := b.opts.FS.OpenFile(segmentPath(b.logDir, id), os.O_RDWR, 0o600)
		if err != nil {
			return err
		}
		_, err = f.WriteAt(header, 0)
		if err == nil {
			err = f.Sync()
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}
