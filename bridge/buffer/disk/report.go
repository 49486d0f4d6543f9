package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer/disk/vfs"
)

// Damage is a part of the log that cannot be read. Its records are lost to those destinations that had not taken
// them; appended again, as far as Microsoft still has them, they are stored anew.
type Damage struct {
	Segment uint64 // its number, which in hexadecimal is its file's name
	Offset  int64  // where it begins, in bytes of the segment
	Bytes   int64  // how long it is; what follows can be read
	Cause   string // what is wrong with it
}

// Report says what was found damaged, on opening a buffer and since.
type Report struct {
	// Aside is where a damaged index was moved to; "" if it was whole.
	Aside string
	// Cause says what was wrong with it, or that it was missing.
	Cause string
	// Rebuilt is how many records the rebuilt index was made from.
	Rebuilt int64
	// Oldest is when the oldest of these was pulled: checkpoints are lost with an index, so that sources should look
	// back at least as far.
	Oldest time.Time
	// Damage lists what could not be read of the log, 100 parts at most.
	Damage []Damage
	// Parts counts all damaged parts, also those not in Damage.
	Parts int
	// Since is when the oldest record that may be in one of them was pulled, or earlier; zero: not known.
	Since time.Time
}

// Damage returns Parts and Since of the Report.
func (b *Buffer) Damage() (parts int, since time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.report.Parts, b.report.Since
}

// doubtLife is how long after an index was rebuilt a source without a checkpoint counts as one that has lost it.
const doubtLife = 7 * 24 * time.Hour

// doubt is what an index that was rebuilt does not know: what sources had read. It is kept with the index, since the
// first start after it may fail before it has read anything.
type doubt struct{ from, until int64 }

func (d doubt) row() []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(d.from))
	return seal(keyDoubt, binary.LittleEndian.AppendUint64(b, uint64(d.until)))
}

// parseDoubt is the inverse of row; no row is no doubt.
func parseDoubt(row []byte) (doubt, error) {
	if row == nil {
		return doubt{}, nil
	}
	b, ok := unseal(keyDoubt, row)
	if !ok || len(b) != 16 {
		return doubt{}, damaged("what its rebuilding has left in doubt")
	}
	return doubt{int64(binary.LittleEndian.Uint64(b)), int64(binary.LittleEndian.Uint64(b[8:]))}, nil
}

// Doubted returns from when on a source without a checkpoint has to read: a day before the oldest record of which a new
// index was made when the old one was damaged or gone, and with it what had been read. It is zero when nothing is in
// doubt, and a week after.
func (b *Buffer) Doubted() time.Time {
	if b.now() >= b.doubt.until {
		return time.Time{}
	}
	return fromStamp(b.doubt.from)
}

// OK tells whether nothing was found damaged.
func (r *Report) OK() bool { return r.Cause == "" && r.Parts == 0 }

const maxDamage = 100

func (r *Report) clone() Report {
	c := *r
	c.Damage = slices.Clone(r.Damage)
	return c
}

func (r *Report) add(d Damage) {
	r.Parts++
	if len(r.Damage) < maxDamage && !slices.Contains(r.Damage, d) {
		r.Damage = append(r.Damage, d)
	}
}

// damage notes and logs a damaged part. b.mu is held, or nobody else has b yet.
func (b *Buffer) damage(d Damage) {
	if slices.Contains(b.report.Damage, d) {
		return // another destination has met it already
	}
	if since := b.before(d.Segment); b.report.Parts == 0 || since.Before(b.report.Since) {
		b.report.Since = since
	}
	b.report.add(d)
	b.logger.Error("a part of the buffer cannot be read and is passed over; what it held is pulled again, as far as the API has it; check the disk",
		"segment", fmt.Sprintf("%016x", d.Segment), "offset", d.Offset, "bytes", d.Bytes, "cause", d.Cause)
}

// before returns the latest Pulled in the segments before one; zero when there are none. b.mu is held.
func (b *Buffer) before(segment uint64) time.Time {
	newest := int64(noTime)
	for _, s := range b.segments {
		if s.id < segment {
			newest = max(newest, s.newest)
		}
	}
	return fromStamp(newest)
}

func missing(first, last uint64) string {
	return fmt.Sprintf("records %d to %d are not in it", first, last)
}

// markForRebuild makes the next opening set the index aside.
func markForRebuild(dir string) {
	if f, err := os.Create(filepath.Join(dir, rebuildName)); err == nil {
		f.Close()
		vfs.SyncDir(dir)
	}
}

func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
