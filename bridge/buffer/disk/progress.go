package disk

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer/disk/vfs"
)

// A release that comes alone is not committed at once: a commit costs two syncs, and what is lost of it costs repeats
// alone. It is written into the progress file, and the next commit, of an append most often, stores it in the index.
const (
	progressName = "progress"
	putOffMost   = 16          // releases,
	putOffBytes  = 256 << 10   // of the file,
	putOffFor    = time.Second // and so long, until they are committed by themselves
)

// progressFile holds how far destinations have come since the index was committed. It is written and not synced: what
// the system has been given outlives the process, and a loss of power may take it.
//
//	file = frame*, as in a segment, without a header
//
//	body
//	   0  kind      byte     3
//	   1  commits   uint64   of the index, when it was written: it counts on top of that commit alone
//	   9  name      length byte and name of the destination
//	      row       as in the index
type progressFile struct {
	path  string
	file  vfs.File // nil: not open yet
	at    int64    // where the next entry goes
	count int      // entries since the last commit
	moved map[*destination]bool
	timer *time.Timer // nil: no entry waits for a commit
	buf   []byte
}

func (f *progressFile) init(dir string) {
	*f = progressFile{path: filepath.Join(dir, progressName), moved: map[*destination]bool{}}
}

// due fires when the entries have waited long enough for a commit.
func (f *progressFile) due() <-chan time.Time {
	if f.timer == nil {
		return nil
	}
	return f.timer.C
}

// committed: the index has it all. The next entry is the first again.
func (f *progressFile) committed() {
	f.at, f.count = 0, 0
	clear(f.moved)
	if f.timer != nil {
		f.timer.Stop()
		f.timer = nil
	}
}

// write adds entries.
func (f *progressFile) write(fsys vfs.FS, entries []byte) (err error) {
	if f.file == nil {
		if f.file, err = fsys.OpenFile(f.path, os.O_CREATE|os.O_RDWR, 0o600); err != nil {
			return err
		}
	}
	if _, err = f.file.WriteAt(entries, f.at); err != nil {
		return err
	}
	f.at += int64(len(entries))
	f.count++
	if f.timer == nil {
		f.timer = time.NewTimer(putOffFor)
	}
	return nil
}

// close gives the file up.
func (f *progressFile) close() error {
	if f.timer != nil {
		f.timer.Stop()
	}
	if f.file == nil {
		return nil
	}
	return f.file.Close()
}

// putOff writes releases into the progress file in place of a commit. It tells false when they have to be committed.
func (b *Buffer) putOff(releases []*request) bool {
	f := &b.progress
	if f.count >= putOffMost {
		return false
	}
	p := newPlan(b)
	p.end = b.end
	p.release(releases)
	if len(p.settlements) == 0 {
		return false
	}
	f.buf = f.buf[:0]
	b.mu.Lock()
	for d, progress := range p.progress {
		f.buf = appendProgress(f.buf, b.seed, b.end.commits, d.name, d.row(progress, d.resume(progress, p.next[d])))
	}
	b.mu.Unlock()
	if f.at+int64(len(f.buf)) > putOffBytes {
		f.buf = nil // rows are seldom so long
		return false
	}
	if f.write(b.opts.FS, f.buf) != nil {
		return false // the commit will say what is wrong
	}
	for d := range p.progress {
		f.moved[d] = true
	}
	b.apply(p)
	return true
}

// storeProgress commits what was put off. Where that fails it is tried again: nobody waits for it.
func (b *Buffer) storeProgress() {
	_, err := b.commit(nil, nil, true)
	if isFull(err) && b.reserve.give() {
		_, err = b.commit(nil, nil, true)
	}
	if err != nil && b.broken == nil {
		b.progress.timer = time.NewTimer(putOffFor)
	}
}

// loadProgress takes up what the progress file has on top of the index.
func (b *Buffer) loadProgress() error {
	b.progress.init(b.dir)
	content, err := readFile(b.opts.FS, b.progress.path, putOffBytes)
	if err != nil {
		return err
	}
	for {
		body, size, err := parseFrame(content[b.progress.at:], b.seed)
		if err != nil {
			return nil // behind the last entry is what was written before it, or what a loss of power has left
		}
		commits, d, err := parseProgress(body)
		if err != nil || commits != b.end.commits || b.destinations[d.name] == nil || d.progress.low >= b.end.next {
			return nil
		}
		delete(b.progress.moved, b.destinations[d.name])
		b.destinations[d.name] = d
		b.progress.moved[d] = true
		b.want(d)
		b.progress.at += int64(size)
	}
}

// cut takes away what does not count behind what was taken up. Where the index is restored from a backup, it comes to the
// same numbers of commits again.
func (f *progressFile) cut(fsys vfs.FS) error {
	file, err := fsys.OpenFile(f.path, os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	f.file = file
	return file.Truncate(f.at)
}

// appendProgress appends an entry of the progress file.
func appendProgress(b []byte, seed uint32, commits uint64, name string, row []byte) []byte {
	start := len(b)
	b = append(b, make([]byte, frameHeader)...)
	b = append(b, kindProgress)
	b = binary.LittleEndian.AppendUint64(b, commits)
	b = appendString(b, name)
	b = append(b, row...)
	sealFrame(b[start:], seed, nil)
	return b
}

// parseProgress reads the body of an entry.
func parseProgress(body []byte) (commits uint64, d *destination, err error) {
	r := decoder{b: body}
	kind, commits, name := r.byte(), r.uint64(), r.string()
	if r.bad || kind != kindProgress {
		return 0, nil, errDamaged
	}
	d, err = parseDestinationRow(name, r.b)
	return commits, d, err
}

// readFile returns the beginning of a file; none of one that is not there.
func readFile(fsys vfs.FS, path string, most int64) ([]byte, error) {
	f, err := fsys.OpenFile(path, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.NewSectionReader(f, 0, most))
}
