package disk

import (
	"crypto/sha256"
	"encoding/binary"
)

// keyID stands for a source and a key: the first half of the SHA-256 of both. Two keys with one id would need 2^64
// keys to be likely, and making one on purpose is out of reach.
type keyID [16]byte

// keyIDOf returns the id of a source's key. scratch is reused.
func keyIDOf(scratch []byte, source, key string) (keyID, []byte) {
	scratch = append(scratch[:0], byte(len(source)))
	scratch = append(scratch, source...)
	scratch = append(scratch, key...)
	sum := sha256.Sum256(scratch)
	return keyID(sum[:16]), scratch
}

// filter tells which keys are certainly not in a generation: a Bloom filter in blocks of one cache line, so that
// asking costs one access to memory. With ten bits a key about one answer in a hundred is a false "perhaps".
type filter []byte

const (
	filterBlock      = 64
	filterBitsPerKey = 10
	filterProbes     = 6
)

// newFilter returns a filter for n keys.
func newFilter(n int) filter {
	blocks := n*filterBitsPerKey/(8*filterBlock) + 1
	return make(filter, blocks*filterBlock)
}

// block returns the cache line of a key, and the bits that choose places in it. An id is a hash already.
func (f filter) block(id keyID) (line []byte, bits uint64) {
	n := uint64(len(f) / filterBlock)
	i := binary.LittleEndian.Uint64(id[:]) % n * filterBlock
	return f[i : i+filterBlock], binary.LittleEndian.Uint64(id[8:])
}

func (f filter) add(id keyID) {
	line, bits := f.block(id)
	for range filterProbes {
		line[bits>>3&63] |= 1 << (bits & 7)
		bits >>= 9
	}
}

func (f filter) mayHave(id keyID) bool {
	line, bits := f.block(id)
	for range filterProbes {
		if line[bits>>3&63]&(1<<(bits&7)) == 0 {
			return false
		}
		bits >>= 9
	}
	return true
}
