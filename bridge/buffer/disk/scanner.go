package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

const (
	scanSize = 256 << 10
	// resyncBudget bounds the bytes whose checksum is tried when a damaged file is searched for its next frame.
	resyncBudget = 256 << 20
)

var markerBytes = binary.LittleEndian.AppendUint32(nil, frameMarker)

// scanner reads the frames of a segment one after the other, and goes on behind damage.
type scanner struct {
	file   io.ReaderAt
	seed   uint32
	off    int64 // of the next frame
	size   int64 // where to stop
	buf    []byte
	at     int64 // where in the file buf begins
	budget int
}

func newScanner(file io.ReaderAt, seed uint32, from, size int64) *scanner {
	return &scanner{file: file, seed: seed, off: from, size: size, budget: resyncBudget}
}

// next returns the body of the next frame, the offset and the size of the frame. The body is valid until the next
// call. At the end the error is io.EOF; after errDamaged, offset and size tell the bytes that were passed over, and
// the next call goes on behind them.
func (s *scanner) next() (body []byte, offset, size int64, err error) {
	offset = s.off
	if offset >= s.size {
		return nil, offset, 0, io.EOF
	}
	body, n, err := s.frame(offset)
	if err == nil {
		s.off += n
		return body, offset, n, nil
	}
	if !errors.Is(err, errDamaged) {
		return nil, offset, 0, err
	}
	if s.off, err = s.resync(offset + 1); err != nil {
		return nil, offset, 0, err
	}
	return nil, offset, s.off - offset, errDamaged
}

// frame reads and checks the frame at an offset.
func (s *scanner) frame(offset int64) ([]byte, int64, error) {
	b, err := s.bytes(offset, frameHeader)
	if err != nil {
		return nil, 0, err
	}
	size, err := frameSize(b)
	if err != nil || int64(size) > s.size-offset {
		return nil, 0, errDamaged
	}
	if b, err = s.bytes(offset, size); err != nil {
		return nil, 0, err
	}
	body, size, err := parseFrame(b, s.seed)
	if err != nil {
		s.budget -= len(b)
		return nil, 0, errDamaged
	}
	return body, int64(size), nil
}

// bytes returns n bytes or more from an offset on. Fewer than n are damage: the file is shorter than it should be.
func (s *scanner) bytes(offset int64, n int) ([]byte, error) {
	if skip := offset - s.at; skip >= 0 && skip+int64(n) <= int64(len(s.buf)) {
		return s.buf[skip:], nil
	}
	want := min(int64(max(n, scanSize)), s.size-offset)
	if want < int64(n) {
		return nil, errDamaged
	}
	if int64(cap(s.buf)) < want {
		s.buf = make([]byte, want)
	}
	read, err := s.file.ReadAt(s.buf[:want], offset)
	s.buf, s.at = s.buf[:read], offset
	switch {
	case read >= n:
		return s.buf, nil
	case err == nil || errors.Is(err, io.EOF):
		return nil, errDamaged
	}
	return nil, err
}

// resync returns the offset of the next good frame from an offset on, or the end.
func (s *scanner) resync(offset int64) (int64, error) {
	for offset+frameHeader < s.size && s.budget > 0 {
		b, err := s.bytes(offset, len(markerBytes))
		if errors.Is(err, errDamaged) {
			break
		}
		if err != nil {
			return 0, err
		}
		i := bytes.Index(b, markerBytes)
		if i < 0 {
			offset += int64(len(b) - len(markerBytes) + 1)
			continue
		}
		offset += int64(i)
		if _, _, err = s.frame(offset); err == nil {
			return offset, nil
		}
		if !errors.Is(err, errDamaged) {
			return 0, err
		}
		offset++
	}
	return s.size, nil
}
