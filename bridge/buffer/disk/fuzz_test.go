package disk

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/keys"
)

// sampleSegment is a small segment as the buffer writes it.
func sampleSegment(id logID) []byte {
	b := appendSegmentHeader(nil, id, 1)
	for i := range 3 {
		r := buffer.Record{Number: uint64(i + 1), Source: "s", API: "alerts", Key: "k", Raw: []byte(`{"a":1}`)}
		b = append(appendRecord(b, id.seed(), &r), r.Raw...)
		b = appendPositions(b, id.seed(), []savedPosition{{name: "d", low: uint64(i)}})
	}
	return b
}

// FuzzSegment reads any bytes as a segment: no panic, no frame without its checksum, no more memory than the file is
// long, and every byte is either in a frame or passed over as damaged.
func FuzzSegment(f *testing.F) {
	var id logID
	whole := sampleSegment(id)
	f.Add(whole)
	f.Add(whole[:len(whole)-7])
	flipped := bytes.Clone(whole)
	flipped[100] ^= 1
	f.Add(flipped)
	f.Add(bytes.Repeat(markerBytes, 50))
	f.Fuzz(func(t *testing.T, b []byte) {
		parseSegmentHeader(b)
		scan := newScanner(bytes.NewReader(b), id.seed(), 0, int64(len(b)))
		at := int64(0)
		for {
			body, offset, size, err := scan.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if offset != at || err != nil && !errors.Is(err, errDamaged) || size <= 0 {
				t.Fatalf("frame of %d bytes at %d behind %d: %v", size, offset, at, err)
			}
			at = offset + size
			if err != nil {
				continue
			}
			if v, err := parseRecord(body); err == nil {
				r := v.record()
				again := append(appendRecord(nil, id.seed(), &r), r.Raw...)
				if body[1]&^3 == 0 && body[6] == 0 && body[7] == 0 && !bytes.Equal(again, b[offset:at]) {
					t.Fatalf("the frame %x is written again as %x", b[offset:at], again)
				}
			}
			parsePositions(body)
		}
		if at != int64(len(b)) {
			t.Fatalf("reading ended at %d of %d", at, len(b))
		}
		if cap(scan.buf) > max(len(b), scanSize) {
			t.Fatalf("%d bytes for a file of %d", cap(scan.buf), len(b))
		}
	})
}

// FuzzRows reads any bytes as the values of the index.
func FuzzRows(f *testing.F) {
	s := &segment{id: 1, size: 100}
	s.add(1, 2, 3, 4)
	f.Add(s.row())
	d := &destination{name: "d", sources: []string{"s"}}
	f.Add(d.row(&progress{settled: settled{1, []interval{{3, 4}}}, tallies: map[uint64][]tally{1: {{1, 2}}}}, position{1, 2}))
	f.Fuzz(func(t *testing.T, b []byte) {
		parseSegmentRow(1, b)
		parseDestinationRow("d", b)
		keys.Parse(b)
		parseEnd(b)
		parseQuarantined(bigEndian(1), b)
		parseProgress(b)
	})
}

// TestEmbeddedFrame: a record whose Raw holds what looks like a frame cannot bring a record of its own into a salvage.
func TestEmbeddedFrame(t *testing.T) {
	var id, guess logID
	id[3] = 7
	inner := buffer.Record{Number: 99, Source: "s", Key: "forged", Raw: []byte("{}")}
	outer := buffer.Record{Number: 1, Source: "s", Key: "k", Raw: append(appendRecord(nil, guess.seed(), &inner), inner.Raw...)}
	b := append(appendRecord(nil, id.seed(), &outer), outer.Raw...)
	b[20] ^= 1
	scan := newScanner(bytes.NewReader(b), id.seed(), 0, int64(len(b)))
	if body, _, size, err := scan.next(); !errors.Is(err, errDamaged) || size != int64(len(b)) {
		t.Fatalf("%q, %d, %v", body, size, err)
	}
}
