package disk

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"hash/crc64"
	"hash/fnv"
	"io"
	"os"

	bolt "go.etcd.io/bbolt"
)

// How damage of the index shows. bbolt's pages have no checksums: a flipped bit may alter a row, hide it or bring an
// old one back, and a position that is altered so is a gap that nobody sees. The row of the log's end therefore holds
// a digest of all rows in the buckets below, and a checksum of itself; it changes with every row and is checked on
// opening. The keys are not in it, since there are many; one that is lost costs a repeat. Each list of recent keys
// has a checksum of its own.
var digested = [][]byte{bucketSources, bucketCheckpoints, bucketSegments, bucketDestinations}

var ecma = crc64.MakeTable(crc64.ECMA)

// rowDigest is what a row adds to the digest, or takes from it: rows are combined by XOR.
func rowDigest(bucket, key, value []byte) uint64 {
	length := binary.LittleEndian.AppendUint64(nil, uint64(len(key)))
	sum := crc64.Update(crc64.Checksum(bucket, ecma), ecma, length)
	return crc64.Update(crc64.Update(sum, ecma, key), ecma, value)
}

// put writes a row of one of the digested buckets.
func (e *end) put(tx *bolt.Tx, bucket, key, value []byte) error {
	e.forget(tx, bucket, key)
	e.digest ^= rowDigest(bucket, key, value)
	return tx.Bucket(bucket).Put(key, value)
}

// delete removes a row of one of the digested buckets.
func (e *end) delete(tx *bolt.Tx, bucket, key []byte) error {
	e.forget(tx, bucket, key)
	return tx.Bucket(bucket).Delete(key)
}

func (e *end) forget(tx *bolt.Tx, bucket, key []byte) {
	if old := tx.Bucket(bucket).Get(key); old != nil {
		e.digest ^= rowDigest(bucket, key, old)
	}
}

// check holds the digest against the rows.
func (e end) check(tx *bolt.Tx) error {
	var sum uint64
	for _, bucket := range digested {
		err := tx.Bucket(bucket).ForEach(func(key, value []byte) error {
			sum ^= rowDigest(bucket, key, value)
			return nil
		})
		if err != nil {
			return err
		}
	}
	if sum != e.digest {
		return damaged("its rows are not those that were last written")
	}
	return nil
}

// seal appends the checksum of key and value to the value.
func seal(key, value []byte) []byte {
	sum := crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)
	return binary.LittleEndian.AppendUint32(value, sum)
}

// unseal is the inverse of seal; ok is false when the checksum is wrong.
func unseal(key, row []byte) (value []byte, ok bool) {
	n := len(row) - 4
	if n < 0 {
		return nil, false
	}
	sum := crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, row[:n])
	return row[:n:n], sum == binary.LittleEndian.Uint32(row[n:])
}

// The two meta pages of a bbolt file: each commit overwrites the older one. Behind the page's header they are magic,
// version, page size and flags, the root bucket, the free list, the number of pages and of the commit, and a checksum
// of all these.
const (
	boltPageHeader = 16
	boltMeta       = 64
	boltMaxPage    = 64 << 10
)

// checkMetas looks at both meta pages. bbolt itself is content with one: it takes the older when the newer is
// damaged, and so goes back behind the last commit without a word.
func checkMetas(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	meta := make([]byte, boltMeta)
	for at := int64(boltPageHeader); ; {
		if _, err := f.ReadAt(meta, at); errors.Is(err, io.EOF) {
			if info, statErr := f.Stat(); statErr == nil && info.Size() == 0 {
				return nil
			}
			return damaged("it is too short")
		} else if err != nil {
			return err
		}
		sum := fnv.New64a()
		sum.Write(meta[:boltMeta-8])
		page := int64(binary.NativeEndian.Uint32(meta[8:]))
		if sum.Sum64() != binary.NativeEndian.Uint64(meta[boltMeta-8:]) || page < 1024 || page > boltMaxPage {
			return damaged("one of its two meta pages")
		}
		if at > boltPageHeader {
			return nil
		}
		at += page
	}
}
