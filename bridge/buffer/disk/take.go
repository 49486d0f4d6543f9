package disk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/disk/vfs"
)

// reader reads the log for one queue.
type reader struct {
	file    vfs.File
	segment uint64
	views   []found
	names   map[string]string // API names, so that they are not made anew for each record
}

// found is a record in the bytes that were read.
type found struct {
	recordView
	offset int64
	size   int64
}

const (
	maxNames = 64
	// readAhead is how much is read at most at once, but for a single larger record.
	readAhead = 4 << 20
)

func (r *reader) close() {
	if r.file != nil {
		r.file.Close()
		r.file = nil
	}
}

func (r *reader) open(fsys vfs.FS, dir string, id uint64) error {
	if r.file != nil && r.segment == id {
		return nil
	}
	r.close()
	f, err := fsys.OpenFile(segmentPath(dir, id), os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	r.file, r.segment = f, id
	return nil
}

// window is what Take reads next.
type window struct {
	segment *segment
	from    int64
	size    int64 // how many bytes are worth reading
}

// read gives what there is to take without waiting. more says that reading again may give something.
func (q *Queue) read(into *buffer.Taken, max, maxBytes int) (more bool, err error) {
	w, err := q.locate(max, maxBytes)
	if err != nil || w.segment == nil {
		return false, err
	}
	if err := q.reader.open(q.b.opts.FS, q.b.logDir, w.segment.id); err != nil {
		return true, q.unreadable(w, err)
	}
	buf, err := q.fill(into, w, w.size)
	if err != nil {
		return true, q.unreadable(w, err)
	}
	end, why := q.parse(buf, w, max, maxBytes)
	if errors.Is(why, errShort) && end == w.from {
		// A single frame that is larger than the window.
		size, err := frameSize(buf)
		if err == nil && w.from+int64(size) <= w.segment.size {
			if buf, err = q.fill(into, w, int64(size)); err != nil {
				return true, q.unreadable(w, err)
			}
			end, why = q.parse(buf, w, max, maxBytes)
		}
	}
	if why != nil && end == w.from {
		return true, q.skipDamage(w)
	}
	into.Records, err = q.take(into.Records, w, end)
	return true, err
}

// locate finds the next place to read at.
func (q *Queue) locate(max, maxBytes int) (window, error) {
	q.b.mu.Lock()
	defer q.b.mu.Unlock()
	if q.closed {
		q.reader.close()
		return window{}, buffer.ErrClosed
	}
	for i, s := range q.b.segments {
		if s.id < q.next.segment {
			continue
		}
		if s.id > q.next.segment {
			q.next = position{s.id, segmentHeader}
		}
		left := s.size - q.next.offset
		if left > 0 && q.d.pending(q.d.progress, s).records > 0 {
			return window{s, q.next.offset, windowSize(s, left, max, maxBytes)}, nil
		}
		// Nothing in the rest of this segment is wanted, or nothing is there.
		if left <= 0 {
			q.miss(s, s.last)
		}
		q.passTo(s.last)
		if left > 0 {
			q.next.offset = s.size
			q.d.progress.tallies[s.id] = q.settledIn(s)
		}
		if i == len(q.b.segments)-1 {
			break
		}
	}
	return window{}, nil
}

// settledIn returns the tallies of a segment all of which is settled but for what is in flight. b.mu is held.
func (q *Queue) settledIn(s *segment) []tally {
	all := slices.Clone(s.sources)
	for _, t := range q.flight {
		if t.at.segment == s.id && !q.d.progress.contains(t.number) {
			all = count(all, int(t.source), -1, -int64(t.bytes))
		}
	}
	return all
}

// windowSize works out how much to read so that about max records or maxBytes of Raw are in it.
func windowSize(s *segment, left int64, max, maxBytes int) int64 {
	var all tally
	for _, t := range s.sources {
		all.records += t.records
		all.bytes += t.bytes
	}
	size := int64(readAhead)
	if all.records > 0 {
		average := all.bytes/all.records + 1
		if int64(max) < size/average {
			size = int64(max)*average*5/4 + 4096
		}
	}
	if maxBytes > 0 {
		size = min(size, int64(maxBytes)+int64(maxBytes)/4+4096)
	}
	return min(size, left)
}

// maxMemory is how many bytes of memory one Take keeps for the next.
const maxMemory = 1 << 20

// fill reads bytes into the memory of what is taken.
func (q *Queue) fill(into *buffer.Taken, w window, size int64) ([]byte, error) {
	if have := int64(cap(into.Memory)); have < size || have > maxMemory {
		into.Memory = make([]byte, size)
	}
	buf := into.Memory[:size]
	n, err := q.reader.file.ReadAt(buf, w.from)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if n == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	return buf[:n], nil
}

// parse finds the records in what was read, up to the limits. It returns where in the file it ended, and why.
func (q *Queue) parse(buf []byte, w window, max, maxBytes int) (end int64, err error) {
	q.reader.views = q.reader.views[:0]
	end = w.from
	wanted, rawBytes := 0, 0
	for len(buf) > 0 && wanted < max {
		body, size, err := parseFrame(buf, q.b.seed)
		if err != nil {
			return end, err
		}
		if body[0] == kindRecord {
			v, err := parseRecord(body)
			if err != nil {
				return end, err
			}
			if rawBytes += len(v.raw); wanted > 0 && rawBytes > maxBytes {
				return end, nil
			}
			wanted++
			q.reader.views = append(q.reader.views, found{v, end, int64(size)})
		}
		end += int64(size)
		buf = buf[size:]
	}
	return end, nil
}

// take registers the records that were found as taken and appends them, passes over those that are not wanted, and moves
// on.
func (q *Queue) take(records []buffer.Record, w window, end int64) ([]buffer.Record, error) {
	q.b.mu.Lock()
	defer q.b.mu.Unlock()
	if q.closed {
		return records, buffer.ErrClosed
	}
	progress := q.d.progress
	keep := q.reader.views[:0]
	keys := 0
	for _, v := range q.reader.views {
		q.miss(w.segment, v.number-1)
		q.passTo(v.number - 1)
		source, known := q.b.sourceIDs[string(v.source)]
		switch {
		case progress.contains(v.number) || v.number <= q.passed:
		case !known || !q.d.wants(source):
			progress.settle(settlement{v.number, w.segment.id, source, v.size, false})
		default:
			q.flight = append(q.flight, taken{
				number: v.number, pulled: v.pulled, at: position{w.segment.id, v.offset},
				bytes: uint32(v.size), source: uint16(source),
			})
			keep = append(keep, v)
			keys += len(v.key)
		}
		q.passed = max(q.passed, v.number)
	}
	q.next = position{w.segment.id, end}
	return q.appendRecords(records, keep, keys), nil
}

// miss reports the numbers up to one that should stand in a segment and do not, unless damage of it is known. Within a
// segment numbers have no gaps: what else there is not was deleted as a whole, since nobody needs it. b.mu is held.
func (q *Queue) miss(s *segment, number uint64) {
	first := max(q.passed+1, s.first)
	if s.first == 0 || first > number || len(q.d.progress.gaps(first, number)) == 0 ||
		slices.ContainsFunc(q.b.report.Damage, func(d Damage) bool { return d.Segment == s.id }) {
		return
	}
	q.b.damage(Damage{Segment: s.id, Cause: missing(first, number)})
}

// passTo settles the numbers behind the last one seen that are missing in the log: damage has taken them. b.mu is
// held.
func (q *Queue) passTo(number uint64) {
	if number > q.passed {
		for _, gap := range q.d.progress.gaps(q.passed+1, number) {
			q.d.progress.damaged.add(gap.first, gap.last)
		}
		q.d.progress.add(q.passed+1, number)
		q.passed = number
	}
}

// appendRecords makes the records that Take gives. Their keys share one string. b.mu is held.
func (q *Queue) appendRecords(records []buffer.Record, views []found, keys int) []buffer.Record {
	all := make([]byte, 0, keys)
	for _, v := range views {
		all = append(all, v.key...)
	}
	rest := string(all)
	records = slices.Grow(records, len(views))
	for i := range views {
		v := &views[i]
		records = append(records, buffer.Record{
			Number: v.number, API: q.reader.name(v.api), Key: rest[:len(v.key)],
			Source:  q.b.sourceNames[q.b.sourceIDs[string(v.source)]],
			Changed: fromStamp(v.changed), Pulled: fromStamp(v.pulled), Hash: v.hash,
			Update: v.flags&flagUpdate != 0, Old: v.flags&flagOld != 0, Raw: v.raw[:len(v.raw):len(v.raw)],
		})
		rest = rest[len(v.key):]
	}
	return records
}

func (r *reader) name(b []byte) string {
	if s, ok := r.names[string(b)]; ok {
		return s
	}
	s := string(bytes.Clone(b))
	if r.names == nil {
		r.names = make(map[string]string)
	}
	if len(r.names) < maxNames {
		r.names[s] = s
	}
	return s
}

// skipDamage goes on at the next good frame behind a damaged one.
func (q *Queue) skipDamage(w window) error {
	scan := newScanner(q.reader.file, q.b.seed, w.from, w.segment.size)
	_, _, _, err := scan.next()
	switch {
	case err == nil:
		return nil // it can be read after all
	case errors.Is(err, errDamaged):
		q.lost(w, scan.off, err)
		return nil
	}
	return q.unreadable(w, err)
}

// unreadable treats a file that cannot be read. What is not there is lost; any other error may pass, so that nothing
// is passed over for it.
func (q *Queue) unreadable(w window, cause error) error {
	if errors.Is(cause, fs.ErrNotExist) || errors.Is(cause, io.ErrUnexpectedEOF) {
		q.lost(w, w.segment.size, cause)
		return nil
	}
	return fmt.Errorf("segment %d of the log: %w", w.segment.id, cause)
}

// lost reports a part of a segment that is damaged, and goes on behind it.
func (q *Queue) lost(w window, end int64, cause error) {
	q.b.mu.Lock()
	defer q.b.mu.Unlock()
	if !slices.ContainsFunc(q.b.segments, func(s *segment) bool { return s.id == w.segment.id }) {
		return // it was deleted meanwhile, since nobody needs it any more
	}
	q.next = position{w.segment.id, end}
	q.b.damage(Damage{Segment: w.segment.id, Offset: w.from, Bytes: end - w.from, Cause: cause.Error()})
}
