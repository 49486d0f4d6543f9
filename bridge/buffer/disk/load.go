package disk

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"slices"

	bolt "go.etcd.io/bbolt"

	"github.com/siembridge/siembridge/bridge/buffer/disk/vfs"
)

// load reads the state as committed.
func (b *Buffer) load() error {
	b.seed = b.id.seed()
	b.segments, b.sourceNames = nil, nil
	b.destinations, b.sourceIDs = map[string]*destination{}, map[string]int{}
	err := b.view(func(tx *bolt.Tx) (err error) {
		if b.end, err = parseEnd(tx.Bucket(bucketMeta).Get(keyEnd)); err != nil {
			return err
		}
		if b.doubt, err = parseDoubt(tx.Bucket(bucketMeta).Get(keyDoubt)); err != nil {
			return err
		}
		err = tx.Bucket(bucketSources).ForEach(func(id, name []byte) error {
			if len(id) != 8 || binary.BigEndian.Uint64(id) != uint64(len(b.sourceNames)) {
				return damaged("the names of the sources")
			}
			b.sourceIDs[string(name)] = len(b.sourceNames)
			b.sourceNames = append(b.sourceNames, string(name))
			return nil
		})
		if err != nil {
			return err
		}
		err = tx.Bucket(bucketSegments).ForEach(func(id, row []byte) error {
			if len(id) != 8 {
				return damaged("the list of segments")
			}
			s, err := parseSegmentRow(binary.BigEndian.Uint64(id), row)
			b.segments = append(b.segments, s)
			return err
		})
		if err != nil {
			return err
		}
		err = tx.Bucket(bucketDestinations).ForEach(func(name, row []byte) error {
			d, err := parseDestinationRow(string(name), row)
			if err != nil {
				return err
			}
			b.destinations[d.name] = d
			b.want(d)
			return nil
		})
		if err != nil {
			return err
		}
		if err := b.end.check(tx); err != nil {
			return err
		}
		return b.keys.load(tx)
	})
	if err != nil {
		return err
	}
	return b.loadProgress()
}

// settleFiles makes the folder agree with the index: what is behind the committed end of a segment is cut off, as is
// progress on top of another commit, and files that the index does not list are deleted. They are what a crash leaves
// before or after a commit, or a restored backup.
func (b *Buffer) settleFiles() error {
	if err := errors.Join(b.arrange(), b.progress.cut(b.opts.FS)); err != nil {
		return err
	}
	ids, err := listSegments(b.logDir)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if !slices.ContainsFunc(b.segments, func(s *segment) bool { return s.id == id }) {
			if err := vfs.Remove(b.opts.FS, segmentPath(b.logDir, id)); err != nil {
				return err
			}
		}
	}
	for i, s := range b.segments {
		info, err := os.Stat(segmentPath(b.logDir, s.id))
		last := i == len(b.segments)-1
		switch {
		case errors.Is(err, fs.ErrNotExist):
			b.damage(Damage{Segment: s.id, Bytes: s.size, Cause: "the file is missing"})
		case err != nil:
			return err
		case info.Size() < s.size:
			b.damage(Damage{Segment: s.id, Offset: info.Size(), Bytes: s.size - info.Size(), Cause: "the file is too short"})
		case last && s.size < b.opts.segmentSize:
			if b.w, err = openSegment(b.opts.FS, b.logDir, s, b.block); err != nil {
				return err
			}
		case info.Size() > s.size:
			w, err := openSegment(b.opts.FS, b.logDir, s, b.block)
			if err != nil {
				return err
			}
			w.file.Close()
		}
	}
	return nil
}

// dateClosed gives the queues that a crash left open the time of now as the time of their closing.
func (b *Buffer) dateClosed() error {
	p := newPlan(b)
	for _, d := range b.destinations {
		if d.closed == noTime {
			d.closed = b.now()
			p.rows[d] = true
		}
	}
	if len(p.rows) == 0 {
		return nil
	}
	// On a full disk this can wait.
	if err := b.transact(p, func() error { return nil }); err != nil && !isFull(err) {
		return err
	}
	return nil
}

// eachRecord calls f for the records of a segment from an offset on, until it returns false. The view is valid during
// the call. Damage is passed over and given as errDamaged at the end.
func (b *Buffer) eachRecord(s *segment, from int64, f func(v *recordView) bool) error {
	file, err := b.opts.FS.OpenFile(segmentPath(b.logDir, s.id), os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	var damage error
	scan := newScanner(file, b.seed, from, s.size)
	for {
		body, _, _, err := scan.next()
		if errors.Is(err, errDamaged) {
			damage = err
			continue
		}
		if err != nil {
			return errors.Join(damage, notEOF(err))
		}
		v, err := parseRecord(body)
		if err == nil && !f(&v) {
			return damage
		}
	}
}
