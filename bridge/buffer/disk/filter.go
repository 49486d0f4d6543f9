package disk

import (
	"encoding/binary"
	mathbits "math/bits"

	"github.com/siembridge/siembridge/bridge/buffer/keys"
)

// keyID stands for a source and a key.
type keyID keys.ID

// keyIDOf returns the id of a source's key. scratch is reused.
func keyIDOf(scratch []byte, source, key string) (keyID, []byte) {
	id, scratch := keys.IDOf(scratch, source, key)
	return keyID(id), scratch
}

// filter tells which keys are certainly not in a generation: a Bloom filter in blocks of 512 bits. With ten bits a key
// about one answer in a hundred is a false "perhaps". In this form it is stored; it is asked through filters.
type filter []byte

const (
	blockBits        = 512
	filterBitsPerKey = 10
	filterProbes     = 6
	filterBlocks     = generationKeys*filterBitsPerKey/blockBits + 1
	filterSize       = filterBlocks * blockBits / 8
)

func newFilter() filter { return make(filter, filterSize) }

// place returns the first bit of a key's block and what chooses the bits in it. An id is a hash already.
func place(id keyID) (first, choice uint64) {
	return binary.LittleEndian.Uint64(id[:]) % filterBlocks * blockBits, binary.LittleEndian.Uint64(id[8:])
}

func (f filter) add(id keyID) {
	first, choice := place(id)
	for range filterProbes {
		bit := first + choice%blockBits
		f[bit/8] |= 1 << (bit % 8)
		choice /= blockBits
	}
}

func (f filter) mayHave(id keyID) bool {
	first, choice := place(id)
	for range filterProbes {
		bit := first + choice%blockBits
		if f[bit/8]&(1<<(bit%8)) == 0 {
			return false
		}
		choice /= blockBits
	}
	return true
}

// filters holds the filters of many generations side by side: a row holds one bit of each of 64 generations, so that
// six rows answer for all of these at once.
type filters map[uint64][]uint64 // rows by number of the generation / 64

// add takes in the filter of a generation.
func (f filters) add(generation uint64, bits filter) {
	rows := f[generation/64]
	if rows == nil {
		rows = make([]uint64, filterBlocks*blockBits)
		f[generation/64] = rows
	}
	column := uint64(1) << (generation % 64)
	for i := 0; i+8 <= len(bits); i += 8 {
		for word := binary.LittleEndian.Uint64(bits[i:]); word != 0; word &= word - 1 {
			rows[i*8+mathbits.TrailingZeros64(word)] |= column
		}
	}
}

// remove takes out a generation that is no more.
func (f filters) remove(generation uint64) {
	rows, column, left := f[generation/64], uint64(1)<<(generation%64), uint64(0)
	for i := range rows {
		rows[i] &^= column
		left |= rows[i]
	}
	if left == 0 {
		delete(f, generation/64)
	}
}

// mayHave returns which of 64 generations may have a key, one bit each.
func (f filters) mayHave(group uint64, id keyID) uint64 {
	rows := f[group]
	if rows == nil {
		return 0
	}
	first, choice := place(id)
	found := ^uint64(0)
	for range filterProbes {
		if found &= rows[first+choice%blockBits]; found == 0 {
			return 0
		}
		choice /= blockBits
	}
	return found
}
