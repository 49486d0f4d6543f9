package disk

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/keys"
)

// This file is the whole format of a segment file. All integers are little-endian; times are nanoseconds since 1970
// in UTC, noTime for none.
//
//	segment  = header frame*
//
//	header (40 bytes)
//	   0  magic     8 bytes "siemseg\n"
//	   8  version   uint32   formatVersion
//	  12  reserved  uint32   0
//	  16  log       8 bytes  random, the same in all segments of a buffer
//	  24  segment   uint64   number of the segment, as in its file name
//	  32  reserved  uint32   0
//	  36  checksum  uint32   CRC32C of bytes 0 to 35
//
//	frame
//	   0  marker    uint32   frameMarker
//	   4  length    uint32   of the body, at most maxBody
//	   8  checksum  uint32   CRC32C of log, length and body
//	  12  body      its first byte is the kind: kindRecord or kindPositions
//
//	record body
//	   0  kind      byte     1
//	   1  flags     byte     1 update, 2 old
//	   2  source    byte     length of the source's name
//	   3  api       byte     length of the API's name
//	   4  key       uint16   length of the key
//	   6  reserved  uint16   0
//	   8  number    uint64
//	  16  changed   int64
//	  24  pulled    int64
//	  32  hash      16 bytes
//	  48  source, api, key, raw
//
//	positions body
//	   0  kind      byte     2
//	   1  count     byte
//	   2  count times: low uint64, dropped uint64, overflow byte, length of the name byte, name
//
// The marker holds bytes that JSON cannot, and the checksum begins with a number that nobody outside knows: what is
// written into an alert's text can never be taken for a frame when a damaged segment is searched for the next one.
const (
	segmentMagic  = "siemseg\n"
	formatVersion = 2 // see the list in doc.go
	oldestFormat  = 1 // that is read and brought up to this one

	segmentHeader = 40
	frameHeader   = 12
	recordHeader  = 48
	frameMarker   = 0x01ff00fb

	kindRecord    = 1
	kindPositions = 2
	kindProgress  = 3 // in the progress file alone

	flagUpdate = 1
	flagOld    = 2

	// maxBody bounds what a damaged length can make a reader allocate.
	maxBody = recordHeader + 2*buffer.MaxName + buffer.MaxKey + buffer.MaxRecord
)

// noTime stands for the zero time.
const noTime = keys.NoTime

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// What reading a frame may find instead of one.
var (
	errShort   = errors.New("the frame goes on behind the bytes given")
	errDamaged = errors.New("the checksum or the structure is wrong")
)

// logID is the random number of a buffer that its checksums begin with.
type logID [8]byte

func (id logID) seed() uint32 { return crc32.Checksum(id[:], castagnoli) }

// stamp returns t as stored.
func stamp(t time.Time) int64 { return keys.Stamp(t) }

// fromStamp is the inverse of stamp.
func fromStamp(n int64) time.Time { return keys.Time(n) }

// appendSegmentHeader appends the header of a segment file.
func appendSegmentHeader(b []byte, id logID, segment uint64) []byte {
	start := len(b)
	b = append(b, segmentMagic...)
	b = binary.LittleEndian.AppendUint32(b, formatVersion)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = append(b, id[:]...)
	b = binary.LittleEndian.AppendUint64(b, segment)
	b = binary.LittleEndian.AppendUint32(b, 0)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

// parseSegmentHeader reads the header of a segment file. version is given for a header that is whole, even one that
// this program does not know.
func parseSegmentHeader(b []byte) (id logID, segment uint64, version uint32, err error) {
	if len(b) < segmentHeader || string(b[:8]) != segmentMagic ||
		crc32.Checksum(b[:36], castagnoli) != binary.LittleEndian.Uint32(b[36:]) {
		return id, 0, 0, errDamaged
	}
	copy(id[:], b[16:])
	return id, binary.LittleEndian.Uint64(b[24:]), binary.LittleEndian.Uint32(b[8:]), nil
}

// recordSize is the size of a record's frame without its Raw.
func recordSize(r *buffer.Record) int {
	return frameHeader + recordHeader + len(r.Source) + len(r.API) + len(r.Key)
}

// appendRecord appends the frame of a record up to its Raw, which follows as it is. The checksum covers both.
func appendRecord(b []byte, seed uint32, r *buffer.Record) []byte {
	start := len(b)
	b = append(b, make([]byte, frameHeader)...)
	var flags byte
	if r.Update {
		flags |= flagUpdate
	}
	if r.Old {
		flags |= flagOld
	}
	b = append(b, kindRecord, flags, byte(len(r.Source)), byte(len(r.API)))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(r.Key)))
	b = binary.LittleEndian.AppendUint16(b, 0)
	b = binary.LittleEndian.AppendUint64(b, r.Number)
	b = binary.LittleEndian.AppendUint64(b, uint64(stamp(r.Changed)))
	b = binary.LittleEndian.AppendUint64(b, uint64(stamp(r.Pulled)))
	b = append(b, r.Hash[:]...)
	b = append(b, r.Source...)
	b = append(b, r.API...)
	b = append(b, r.Key...)
	sealFrame(b[start:], seed, r.Raw)
	return b
}

// sealFrame fills in the header of a frame whose body is the rest of b and then tail.
func sealFrame(b []byte, seed uint32, tail []byte) {
	binary.LittleEndian.PutUint32(b, frameMarker)
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-frameHeader+len(tail)))
	sum := crc32.Update(seed, castagnoli, b[4:8])
	sum = crc32.Update(sum, castagnoli, b[frameHeader:])
	sum = crc32.Update(sum, castagnoli, tail)
	binary.LittleEndian.PutUint32(b[8:], sum)
}

// frameSize returns the size of the frame at the beginning of b, of which the header must be there.
func frameSize(b []byte) (int, error) {
	if len(b) < frameHeader {
		return frameHeader, errShort
	}
	length := binary.LittleEndian.Uint32(b[4:])
	if binary.LittleEndian.Uint32(b) != frameMarker || length == 0 || length > maxBody {
		return 0, errDamaged
	}
	return frameHeader + int(length), nil
}

// parseFrame returns the body and the size of the frame at the beginning of b. With errShort, size is how many bytes
// are needed.
func parseFrame(b []byte, seed uint32) (body []byte, size int, err error) {
	size, err = frameSize(b)
	if err != nil {
		return nil, size, err
	}
	if len(b) < size {
		return nil, size, errShort
	}
	sum := crc32.Update(seed, castagnoli, b[4:8])
	sum = crc32.Update(sum, castagnoli, b[frameHeader:size])
	if sum != binary.LittleEndian.Uint32(b[8:]) {
		return nil, 0, errDamaged
	}
	return b[frameHeader:size], size, nil
}

// recordView is a record's frame in place: its slices point into the bytes that were read.
type recordView struct {
	number           uint64
	changed, pulled  int64
	flags            byte
	source, api, key []byte
	hash             buffer.Hash
	raw              []byte
}

// parseRecord reads a record's body.
func parseRecord(body []byte) (v recordView, err error) {
	if len(body) < recordHeader || body[0] != kindRecord {
		return v, errDamaged
	}
	source, api, key := int(body[2]), int(body[3]), int(binary.LittleEndian.Uint16(body[4:]))
	if recordHeader+source+api+key > len(body) {
		return v, errDamaged
	}
	v.flags = body[1]
	v.number = binary.LittleEndian.Uint64(body[8:])
	v.changed = int64(binary.LittleEndian.Uint64(body[16:]))
	v.pulled = int64(binary.LittleEndian.Uint64(body[24:]))
	copy(v.hash[:], body[32:])
	rest := body[recordHeader:]
	v.source, rest = rest[:source], rest[source:]
	v.api, rest = rest[:api], rest[api:]
	v.key, v.raw = rest[:key], rest[key:]
	return v, nil
}

// record makes a Record of its own of everything but Raw, which still points into the bytes that were read.
func (v *recordView) record() buffer.Record {
	return buffer.Record{
		Number: v.number, Source: string(v.source), API: string(v.api), Key: string(v.key),
		Changed: fromStamp(v.changed), Pulled: fromStamp(v.pulled), Hash: v.hash,
		Update: v.flags&flagUpdate != 0, Old: v.flags&flagOld != 0, Raw: v.raw[:len(v.raw):len(v.raw)],
	}
}

// savedPosition is how far a destination had come when a positions frame was written.
type savedPosition struct {
	name         string
	low, dropped uint64
	overflow     buffer.Overflow
}

// appendPositions appends a positions frame of at most 255 destinations.
func appendPositions(b []byte, seed uint32, positions []savedPosition) []byte {
	positions = positions[:min(len(positions), 255)]
	start := len(b)
	b = append(b, make([]byte, frameHeader)...)
	b = append(b, kindPositions, byte(len(positions)))
	for _, p := range positions {
		b = binary.LittleEndian.AppendUint64(b, p.low)
		b = binary.LittleEndian.AppendUint64(b, p.dropped)
		b = append(b, byte(p.overflow), byte(len(p.name)))
		b = append(b, p.name...)
	}
	sealFrame(b[start:], seed, nil)
	return b
}

// parsePositions reads the body of a positions frame.
func parsePositions(body []byte) ([]savedPosition, error) {
	if len(body) < 2 || body[0] != kindPositions {
		return nil, errDamaged
	}
	positions := make([]savedPosition, body[1])
	rest := body[2:]
	for i := range positions {
		if len(rest) < 18 || len(rest) < 18+int(rest[17]) {
			return nil, errDamaged
		}
		positions[i] = savedPosition{
			low: binary.LittleEndian.Uint64(rest), dropped: binary.LittleEndian.Uint64(rest[8:]),
			overflow: buffer.Overflow(rest[16]), name: string(rest[18 : 18+int(rest[17])]),
		}
		rest = rest[18+int(rest[17]):]
	}
	return positions, nil
}
