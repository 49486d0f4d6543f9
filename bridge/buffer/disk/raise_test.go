package disk

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// formats returns the version that the index has, 0 where there is none, and those of the segments.
func formats(t *testing.T, dir string) (index uint32, segments []uint32) {
	t.Helper()
	o := stateOptions(dir)
	if _, err := os.Stat(o.index()); err == nil {
		db, err := openIndex(o.index(), false)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		err = db.View(func(tx *bolt.Tx) error {
			_, index, err = checkFormat(tx, o.index())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	logDir := filepath.Join(Dir(dir), logName)
	ids, err := listSegments(logDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		head, err := readHead(segmentPath(logDir, id))
		if err != nil {
			t.Fatal(err)
		}
		_, _, version, err := parseSegmentHeader(head)
		if err != nil {
			t.Fatal(err)
		}
		segments = append(segments, version)
	}
	return index, segments
}

// rowsOfGenerations counts rows of generations by the length of their keys.
func rowsOfGenerations(t *testing.T, dir string) (byKey, byShelf int) {
	t.Helper()
	o := stateOptions(dir)
	db, err := openIndex(o.index(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketKeys).ForEachBucket(func(generation []byte) error {
			return tx.Bucket(bucketKeys).Bucket(generation).ForEach(func(k, _ []byte) error {
				if len(k) == len(keyID{}) {
					byKey++
				} else {
					byShelf++
				}
				return nil
			})
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return byKey, byShelf
}

// TestRaise: opening a buffer of format 1 gives its index and each segment the number of this format, so that a
// version that knows format 1 only refuses it, also when the index is lost or the last opening died halfway; and what
// is in it is all there.
func TestRaise(t *testing.T) {
	for name, before := range map[string]func(t *testing.T, dir string){
		"whole": func(*testing.T, string) {},
		"some segments were raised": func(t *testing.T, dir string) {
			log := filepath.Join(Dir(dir), logName)
			ids, err := listSegments(log)
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range ids[:2] {
				alter(t, segmentPath(log, id), func(b []byte) []byte {
					binary.LittleEndian.PutUint32(b[8:], formatVersion)
					binary.LittleEndian.PutUint32(b[36:], crc32.Checksum(b[:36], castagnoli))
					return b
				})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := copyState(t, "testdata/state-1-last")
			if index, segments := formats(t, dir); index != 1 || segments[0] != 1 {
				t.Fatalf("formats %d, %v", index, segments)
			}
			if byKey, byShelf := rowsOfGenerations(t, dir); byKey != stateLossy || byShelf != 0 {
				t.Fatalf("%d and %d rows", byKey, byShelf)
			}
			before(t, dir)
			checkState(t, dir)
			checkRaised(t, dir)
		})
	}
	t.Run("its index is lost", func(t *testing.T) {
		dir := copyState(t, "testdata/state-1-last")
		o := stateOptions(dir)
		if err := os.Remove(o.index()); err != nil {
			t.Fatal(err)
		}
		b := open(t, o)
		if r := b.Report(); r.Rebuilt <= 2*stateNew {
			t.Errorf("%d records were found", r.Rebuilt)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		checkRaised(t, dir)
	})
}

func checkRaised(t *testing.T, dir string) {
	t.Helper()
	index, segments := formats(t, dir)
	if index != formatVersion {
		t.Errorf("the index has format %d", index)
	}
	for _, version := range segments {
		if version != formatVersion {
			t.Errorf("segments have formats %v", segments)
		}
	}
}

// TestRaiseWithoutSpace: on a full disk the reserve is given up for it; where that is not enough the buffer is not
// opened, says why, and the next opening goes on, whether the commit had happened or not.
func TestRaiseWithoutSpace(t *testing.T) {
	for name, c := range map[string]struct {
		failures int
		applied  bool
		index    uint32
	}{
		"the reserve helps":                   {1, false, formatVersion},
		"the reserve helps; it had happened":  {1, true, formatVersion},
		"nothing helps":                       {2, false, 1},
		"nothing helps, although it happened": {2, true, formatVersion},
	} {
		t.Run(name, func(t *testing.T) {
			dir := copyState(t, "testdata/state-1-last")
			o := stateOptions(dir)
			left := c.failures
			o.Transaction = func(commit func() error) error {
				if left--; left < 0 {
					return commit()
				}
				if c.applied {
					return errors.Join(commit(), syscall.ENOSPC)
				}
				return syscall.ENOSPC
			}
			b, err := Open(o)
			if c.failures > 1 {
				if !errors.Is(err, syscall.ENOSPC) {
					t.Fatal(err)
				}
			} else if err != nil {
				t.Fatal(err)
			} else if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			if index, _ := formats(t, dir); index != c.index {
				t.Errorf("the index has format %d", index)
			}
			checkState(t, dir)
			checkRaised(t, dir)
		})
	}
}
