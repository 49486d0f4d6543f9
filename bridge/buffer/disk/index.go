package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// The buckets of the index.
var (
	bucketMeta         = []byte("meta")         // keyFormat, keyEnd, keyDoubt
	bucketSources      = []byte("sources")      // number -> name
	bucketCheckpoints  = []byte("checkpoints")  // source -> what Append was given
	bucketSegments     = []byte("segments")     // number -> segment row
	bucketDestinations = []byte("destinations") // name -> destination row
	bucketRecent       = []byte("recent")       // keys of one commit each, see keys.go
	bucketKeys         = []byte("keys")         // generation -> bucket of keys
	bucketFilters      = []byte("filters")      // generation -> when written, filter
	bucketNotes        = []byte("notes")        // see Notes

	buckets = [][]byte{bucketMeta, bucketSources, bucketCheckpoints, bucketSegments, bucketDestinations,
		bucketRecent, bucketKeys, bucketFilters, bucketNotes}

	// The layout of the format's row stays what it is in all versions: a program learns from it whether it can read
	// the rest.
	keyFormat = []byte("format") // uint32 version, 8 bytes log id, CRC32C of key and these
	keyDoubt  = []byte("doubt")  // of an index that was rebuilt: from when on sources read again, until when they do; uint64 stamps; CRC32C as above
	keyEnd    = []byte("end")    // uint64 next record number, next segment number, number of commits, digest; CRC32C as above
)

// errIndexDamaged says that the index cannot be read as what it should be.
var errIndexDamaged = errors.New("the buffer's index is damaged")

func damaged(what string) error { return fmt.Errorf("%w: %s", errIndexDamaged, what) }

// guard runs f and makes an error of bbolt's panics and of faults in its mapped file, which is how damage shows.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errIndexDamaged, p)
		}
	}()
	return f()
}

// openIndex opens or creates the index. An index that is no such file, or a damaged one, gives errIndexDamaged.
func openIndex(path string, noSync bool) (db *bolt.DB, err error) {
	err = guard(func() error {
		db, err = bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second, FreelistType: bolt.FreelistMapType, NoSync: noSync})
		return err
	})
	var system syscall.Errno
	switch {
	case err == nil:
		return db, nil
	case errors.Is(err, berrors.ErrTimeout), errors.As(err, &system), errors.Is(err, errIndexDamaged):
		return nil, err
	}
	// All else that bbolt says of a file is about what it holds.
	return nil, damaged(err.Error())
}

// closeIndex closes the index; a damaged one may panic at that.
func closeIndex(db *bolt.DB) error { return guard(db.Close) }

// update runs f in a transaction whose commit surround, an Options.Transaction, surrounds.
func update(db *bolt.DB, surround func(commit func() error) error, f func(tx *bolt.Tx) error) error {
	return guard(func() error {
		tx, err := db.Begin(true)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if err := f(tx); err != nil {
			return err
		}
		return surround(tx.Commit)
	})
}

// end is where the log ends.
type end struct {
	next    uint64 // record number to be given next
	segment uint64 // segment number to be given next
	commits uint64 // counts commits, so that one which was reported as failed can be looked up
	digest  uint64 // of all rows that must not be lost or altered unnoticed, see digest.go
}

func (e end) row() []byte {
	b := binary.LittleEndian.AppendUint64(nil, e.next)
	b = binary.LittleEndian.AppendUint64(b, e.segment)
	b = binary.LittleEndian.AppendUint64(b, e.commits)
	return seal(keyEnd, binary.LittleEndian.AppendUint64(b, e.digest))
}

func parseEnd(row []byte) (end, error) {
	b, ok := unseal(keyEnd, row)
	if !ok || len(b) != 32 {
		return end{}, damaged("the end of the log")
	}
	return end{
		binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]),
		binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint64(b[24:]),
	}, nil
}

// readEnd returns the end of the log as committed.
func readEnd(db *bolt.DB) (e end, err error) {
	err = guard(func() error {
		return db.View(func(tx *bolt.Tx) error {
			e, err = parseEnd(tx.Bucket(bucketMeta).Get(keyEnd))
			return err
		})
	})
	return e, err
}

// createIndex makes the buckets of a new index.
func (b *Buffer) createIndex() error {
	return b.update(func(tx *bolt.Tx) error {
		for _, name := range buckets {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		if err := tx.Bucket(bucketMeta).Put(keyFormat, formatRow(b.id, formatVersion)); err != nil {
			return err
		}
		return tx.Bucket(bucketMeta).Put(keyEnd, end{next: 1, segment: 1}.row())
	})
}

// checkFormat reads log id and version, which is 0 for an index that was never written.
func checkFormat(tx *bolt.Tx, path string) (id logID, version uint32, err error) {
	meta := tx.Bucket(bucketMeta)
	if meta == nil {
		if name, _ := tx.Cursor().First(); name != nil {
			return id, 0, damaged("its format is missing")
		}
		return id, 0, nil
	}
	format, ok := unseal(keyFormat, meta.Get(keyFormat))
	if !ok || len(format) < 12 {
		return id, 0, damaged("its format is missing")
	}
	version = binary.LittleEndian.Uint32(format)
	if err := readable(path, version); err != nil {
		return id, 0, err
	}
	for _, name := range buckets {
		if tx.Bucket(name) == nil {
			return id, 0, damaged("its " + string(name) + " are missing")
		}
	}
	return logID(format[4:12]), version, nil
}

// formatRow is the row that checkFormat reads.
func formatRow(id logID, version uint32) []byte {
	return seal(keyFormat, append(binary.LittleEndian.AppendUint32(nil, version), id[:]...))
}

// readable refuses a buffer that a newer version of siembridge wrote.
func readable(path string, version uint32) error {
	if version >= oldestFormat && version <= formatVersion {
		return nil
	}
	return fmt.Errorf("the buffer in %s has format %d and this siembridge reads formats up to %d; nothing in it was changed: "+
		"use the version of siembridge that wrote it, or newer, or give another state_dir", path, version, formatVersion)
}

// setAside renames a damaged file and returns the new name.
func setAside(path string, now time.Time) (string, error) {
	aside := path + ".damaged-" + now.UTC().Format("20060102T150405.000")
	return aside, os.Rename(path, aside)
}

// decoder reads the values of the index. What is too short makes bad true and gives zeros.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) take(n int) []byte {
	if n < 0 || len(d.b) < n {
		d.bad, d.b = true, nil
		return make([]byte, min(max(n, 0), 8))
	}
	v := d.b[:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) uint64() uint64 { return binary.LittleEndian.Uint64(d.take(8)) }
func (d *decoder) uint16() int    { return int(binary.LittleEndian.Uint16(d.take(2))) }
func (d *decoder) byte() byte     { return d.take(1)[0] }

func (d *decoder) string() string {
	n := int(d.byte())
	if d.bad || len(d.b) < n {
		d.bad, d.b = true, nil
		return ""
	}
	return string(d.take(n))
}

func appendString(b []byte, s string) []byte { return append(append(b, byte(len(s))), s...) }
