package jetstream

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/keys"
)

// A block is what records are stored in: one message that holds some of a batch, compressed. Its header tells what is
// in it, so that an instance knows the whole log without reading it:
//
//	version  byte     blockVersion
//	pulled   int64    of all its records
//	bytes    uint64   of all its records, as size counts them
//	pieces   uint16   messages it is made of; the others follow it in the stream
//	lanes    byte for each record
//
// A record in it is:
//
//	flags    byte     1 update, 2 old
//	changed  int64
//	hash     16 bytes
//	api, key, raw     each a length as a varint, and its bytes
//
// A record's number is the sequence number of its block and its position in it.
const (
	blockVersion = 1
	blockHeader  = "Siembridge-Block"

	indexBits  = 10
	maxInBlock = 1 << indexBits
	blockBytes = 512 << 10 // a block takes no further record beyond this

	flagUpdate = 1
	flagOld    = 2
)

func number(block uint64, index int) uint64 { return block<<indexBits | uint64(index) }

// size is what a record counts against the limits.
func size(r *buffer.Record) int64 { return int64(len(r.Raw) + len(r.Key) + 64) }

// meta is what is known of a block without reading it.
type meta struct {
	seq    uint64
	source string
	pulled int64
	bytes  int64
	pieces int
	lanes  []byte
}

// each is about how many bytes one record of the block has.
func (m *meta) each() int64 { return m.bytes / int64(len(m.lanes)) }

// header returns the meta as the block's header has it.
func (m *meta) header() string {
	b := []byte{blockVersion}
	b = binary.LittleEndian.AppendUint64(b, uint64(m.pulled))
	b = binary.LittleEndian.AppendUint64(b, uint64(m.bytes))
	b = binary.LittleEndian.AppendUint16(b, uint16(m.pieces))
	return base64.RawStdEncoding.EncodeToString(append(b, m.lanes...))
}

// parseHeader is the inverse of header.
func parseHeader(header string) (m meta, err error) {
	b, err := base64.RawStdEncoding.DecodeString(header)
	if err != nil || len(b) < 20 || len(b) > 19+maxInBlock {
		return m, errors.New("the header of a block of records is damaged")
	}
	if b[0] != blockVersion {
		return m, fmt.Errorf("a block of records has version %d, which this version does not know; run the version that wrote it, or a newer one", b[0])
	}
	m.pulled = int64(binary.LittleEndian.Uint64(b[1:]))
	m.bytes = int64(binary.LittleEndian.Uint64(b[9:]))
	m.pieces = int(binary.LittleEndian.Uint16(b[17:]))
	m.lanes = b[19:]
	for _, lane := range m.lanes {
		if lane >= Lanes {
			return m, errors.New("the header of a block of records is damaged")
		}
	}
	return m, nil
}

// block is one that is being filled.
type block struct {
	meta
	body []byte
}

// full tells whether a record goes into another block.
func (b *block) full(r *buffer.Record) bool {
	return len(b.lanes) >= maxInBlock || b.pulled != keys.Stamp(r.Pulled) || len(b.body)+len(r.Raw) > blockBytes
}

func (b *block) add(r *buffer.Record, update bool) {
	var flags byte
	if update {
		flags |= flagUpdate
	}
	if r.Old {
		flags |= flagOld
	}
	b.pulled = keys.Stamp(r.Pulled)
	b.bytes += size(r)
	b.lanes = append(b.lanes, laneOf(b.source, r.Key))
	b.body = appendRecord(b.body, r, flags)
}

func appendRecord(b []byte, r *buffer.Record, flags byte) []byte {
	b = append(b, flags)
	b = binary.LittleEndian.AppendUint64(b, uint64(keys.Stamp(r.Changed)))
	b = append(b, r.Hash[:]...)
	b = appendBytes(b, r.API)
	b = appendBytes(b, r.Key)
	return appendBytes(b, r.Raw)
}

func appendBytes[T string | []byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

var (
	encoder, _ = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2))
	decoder, _ = zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxMemory(2*buffer.MaxRecord))
)

// seal returns the block's payload, cut into pieces of at most limit bytes.
func (b *block) seal(limit int) (payload [][]byte) {
	body := encoder.EncodeAll(b.body, nil)
	for len(body) > limit {
		payload = append(payload, body[:limit])
		body = body[limit:]
	}
	payload = append(payload, body)
	b.pieces = len(payload)
	return payload
}

// open returns the records of a block.
func (m *meta) open(payload []byte) ([]buffer.Record, error) {
	body, err := decoder.DecodeAll(payload, nil)
	if err != nil {
		return nil, m.damaged()
	}
	records := make([]buffer.Record, len(m.lanes))
	for i := range records {
		r := &records[i]
		var flags byte
		if body, flags, err = parseRecord(body, r); err != nil {
			return nil, m.damaged()
		}
		r.Number, r.Source, r.Pulled = number(m.seq, i), m.source, keys.Time(m.pulled)
		r.Update, r.Old = flags&flagUpdate != 0, flags&flagOld != 0
	}
	return records, nil
}

func (m *meta) damaged() error {
	return fmt.Errorf("message %d of stream %s, a block of %d records of source %s, is damaged", m.seq, StreamName, len(m.lanes), m.source)
}

var errShort = errors.New("it ends too early")

// parseRecord reads one record and returns what follows it.
func parseRecord(b []byte, r *buffer.Record) (rest []byte, flags byte, err error) {
	if len(b) < 25 {
		return nil, 0, errShort
	}
	flags = b[0]
	r.Changed = keys.Time(int64(binary.LittleEndian.Uint64(b[1:])))
	copy(r.Hash[:], b[9:])
	b = b[25:]
	var api, key []byte
	for _, field := range []*[]byte{&api, &key, &r.Raw} {
		n, skip := binary.Uvarint(b)
		if skip <= 0 || n > uint64(len(b)-skip) {
			return nil, 0, errShort
		}
		end := skip + int(n)
		*field = b[skip:end:end]
		b = b[end:]
	}
	r.API, r.Key = string(api), string(key)
	return b, flags, nil
}
