package disk

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Findings is what Verify and Export have seen of a buffer.
type Findings struct {
	Segments int      // files of the log
	Records  int64    // that can be read
	Bytes    int64    // of the log, as committed
	Tail     int64    // bytes behind the end of the log, which the next opening cuts off; a crash leaves them
	Index    string   // what is wrong with the index; "": nothing
	Damage   []Damage // parts of the log that cannot be read, 100 at most
	Parts    int      // all such parts
}

// OK tells whether nothing is damaged.
func (f *Findings) OK() bool { return f.Index == "" && f.Parts == 0 }

// Verify reads all of the buffer in a state directory, and changes nothing. It needs the directory for itself: the
// error wraps buffer.ErrLocked while a process uses it.
func Verify(dir string) (Findings, error) { return survey(dir, true, nil) }

// Export writes the records of a buffer as NDJSON, in the order of their numbers, delivered ones that are retained
// included. Raw is in it as it is if it is JSON, else as base64 under raw_base64. It needs no whole index.
func Export(dir string, w io.Writer) (Findings, error) {
	lines := json.NewEncoder(w)
	lines.SetEscapeHTML(false)
	return survey(dir, false, func(v *recordView) error { return lines.Encode(lineOf(v)) })
}

// line is an exported record.
type line struct {
	Number  uint64          `json:"number"`
	Source  string          `json:"source"`
	API     string          `json:"api"`
	Key     string          `json:"key"`
	Changed time.Time       `json:"changed,omitzero"`
	Pulled  time.Time       `json:"pulled"`
	Update  bool            `json:"update,omitempty"`
	Old     bool            `json:"old,omitempty"`
	Raw     json.RawMessage `json:"raw,omitempty"`
	Base64  []byte          `json:"raw_base64,omitempty"`
}

func lineOf(v *recordView) line {
	r := v.record()
	l := line{
		Number: r.Number, Source: r.Source, API: r.API, Key: r.Key, Changed: r.Changed, Pulled: r.Pulled,
		Update: r.Update, Old: r.Old,
	}
	if json.Valid(r.Raw) {
		l.Raw = r.Raw
	} else {
		l.Base64 = r.Raw
	}
	return l
}

// survey goes through a buffer that nobody uses.
func survey(dir string, whole bool, each func(*recordView) error) (f Findings, err error) {
	b := &Buffer{dir: filepath.Join(dir, bufferName), logDir: filepath.Join(dir, bufferName, logName)}
	if _, err := os.Stat(b.logDir); err != nil {
		return f, fmt.Errorf("there is no buffer in %s: %w", dir, err)
	}
	lock, err := lockFile(filepath.Join(dir, lockName))
	if err != nil {
		return f, err
	}
	defer lock.Close()
	b.opts.fill()
	if err := b.readIndex(whole); err != nil {
		f.Index = err.Error()
		b.segments = nil
	}
	ids, err := listSegments(b.logDir)
	if err != nil {
		return f, err
	}
	r := rebuilder{b: b}
	if err := r.findID(ids); err != nil {
		return f, err
	}
	b.seed = b.id.seed()
	known := map[uint64]*segment{}
	for _, s := range b.segments {
		known[s.id] = s
	}
	for _, id := range ids {
		if err := f.segment(b, id, known[id], each); err != nil {
			return f, err
		}
		delete(known, id)
	}
	for id, s := range known {
		f.damage(Damage{Segment: id, Bytes: s.size, Cause: "the file is missing"})
	}
	return f, nil
}

// readIndex loads the index without changing it; whole checks each of its pages.
func (b *Buffer) readIndex(whole bool) error {
	path := filepath.Join(b.dir, indexName)
	if _, err := os.Stat(filepath.Join(b.dir, rebuildName)); err == nil {
		return damaged("it was found damaged when it was last used")
	}
	if _, err := os.Stat(path); err != nil {
		return err
	}
	if err := checkMetas(path); err != nil {
		return err
	}
	return guard(func() error {
		db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, Timeout: time.Second})
		if err != nil {
			return err
		}
		defer db.Close()
		b.db = db
		err = db.View(func(tx *bolt.Tx) error {
			_, version, err := checkFormat(tx, path)
			if err != nil {
				return err
			}
			if version == 0 {
				return damaged("it is empty")
			}
			if !whole {
				return nil
			}
			var first error
			for err := range tx.Check() {
				if first == nil {
					first = damaged(err.Error())
				}
			}
			return first
		})
		if err != nil {
			return err
		}
		return b.load()
	})
}

// segment goes through one file; s is what the index says of it, nil when the index does not know it.
func (f *Findings) segment(b *Buffer, id uint64, s *segment, each func(*recordView) error) error {
	path := segmentPath(b.logDir, id)
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	size := info.Size()
	switch {
	case s == nil && f.Index == "":
		f.Tail += size
		return nil
	case s != nil && size < s.size:
		f.damage(Damage{Segment: id, Offset: size, Bytes: s.size - size, Cause: "the file is too short"})
	case s != nil:
		f.Tail += size - s.size
		size = s.size
	}
	f.Segments++
	f.Bytes += size
	head, err := readHead(path)
	if err != nil {
		return err
	}
	if _, _, _, err := parseSegmentHeader(head); err != nil {
		f.damage(Damage{Segment: id, Bytes: min(size, segmentHeader), Cause: "the header: " + err.Error()})
	}
	return f.frames(b, id, size, each)
}

func (f *Findings) frames(b *Buffer, id uint64, size int64, each func(*recordView) error) error {
	file, err := b.opts.FS.OpenFile(segmentPath(b.logDir, id), os.O_RDONLY, fs.FileMode(0))
	if err != nil {
		return err
	}
	defer file.Close()
	scan := newScanner(file, b.seed, segmentHeader, size)
	for {
		body, offset, n, err := scan.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, errDamaged):
			f.damage(Damage{Segment: id, Offset: offset, Bytes: n, Cause: err.Error()})
			continue
		case err != nil:
			return err
		}
		v, err := parseRecord(body)
		if err != nil {
			continue
		}
		f.Records++
		if each == nil {
			continue
		}
		if err := each(&v); err != nil {
			return err
		}
	}
}

func (f *Findings) damage(d Damage) {
	f.Parts++
	if len(f.Damage) < maxDamage {
		f.Damage = append(f.Damage, d)
	}
}
