// Package buffer is the contract between pulling and delivering: what a source has appended is durable and known,
// and each destination takes it, sends it and releases it in its own time.
//
// Sources see an Appender, destinations a Queue. Package disk keeps the contract on one machine, package jetstream
// on servers that several share; package buffertest holds both to it.
package buffer

import (
	"context"
	"errors"
	"time"
)

// Hash is the content hash by which an unchanged record is recognised. Its first byte is the version of the list of
// hashed fields, so that a new version of the list is told from a change of content.
type Hash [16]byte

// Record is one detection, alert or incident as Microsoft sent it, with all that later makes an event's bytes, so
// that sending it again gives the same event.
type Record struct {
	Number  uint64    // given by Append, ascending, never used twice
	Source  string    // name of the configured source
	API     string    // which decoder reads Raw: the name of an API, or bridge
	Key     string    // identity within the source, at most 512 bytes
	Changed time.Time // when Microsoft last changed it; zero when the record does not say
	Hash    Hash      // of what matters in it
	Pulled  time.Time // when the bridge pulled it; the syslog header's time
	Update  bool      // set by Append: the key was known and its content changed
	Old     bool      // by back-fill or replay, or older than 24 h when pulled
	Raw     []byte    // JSON, at most MaxRecord bytes

	// Summary is read by Append and not stored: that many records directly before it in the batch are parts of what this
	// record is as a whole; there may be fewer, when an earlier batch had the others. When it is not 0, the record is an
	// event only if its key was known, its content changed and none of its parts is an event. What is remembered of its
	// key is the same either way.
	Summary int
}

// APIBridge is the API of records that the bridge itself writes, its status events. Some room above the limit is kept
// for them, so that they can tell that the buffer is full.
const APIBridge = "bridge"

// MaxRecord is the largest Raw in bytes that Append takes.
const MaxRecord = 32 << 20

// Batch is what one commit stores: records and the source's checkpoint.
type Batch struct {
	Source string // name of the source, 1 to MaxName bytes; that of every record
	// Records in the order they shall be delivered. Append sets Number and Update of those it stores.
	Records []Record
	// NoUpdates makes a changed record count as known: its new state is remembered, nothing is delivered.
	NoUpdates bool
	// Checkpoint replaces the source's checkpoint; nil leaves it. The buffer does not look inside.
	Checkpoint []byte
}

// Outcome says what became of the records of a Batch; New + Updated + Known is their number.
type Outcome struct {
	New     int // stored, first seen
	Updated int // stored, changed since it was seen
	Known   int // recognised and not stored
}

// Appender is the sources' side of a buffer. It may be used by several sources at once.
type Appender interface {
	// Checkpoint returns what the last Append for this source stored; nil when there is none.
	Checkpoint(source string) ([]byte, error)

	// Append stores a batch by one commit: when it returns without an error, the records that are events, their keys
	// and the checkpoint are on disk, synced. After an error or a crash none or all of the batch is stored, and it may
	// be appended again: what is stored already is recognised.
	//
	// Whether a record is an event is decided within the commit. It is one if its key is unknown; if Changed is later
	// than the key's last and Hash differs from the last; or if Changed equals the key's last and Hash is none of
	// those seen with it. Otherwise it is known; a later Changed is remembered all the same. With an equal Changed, a
	// Hash of a version that none of those seen has is known, too: the list of hashed fields changed, not the record.
	//
	// Append waits while the buffer is full and a destination with OverflowBlock is behind, until there is room or
	// ctx ends. When the disk is full the error wraps ErrNoSpace, and the caller tries again later. When it has returned
	// without an error, the records and their Raw are the caller's again.
	Append(ctx context.Context, b Batch) (Outcome, error)
}

// Overflow says what happens when the buffer is full and a destination is behind.
type Overflow uint8

// The two policies.
const (
	OverflowBlock      Overflow = iota // pulling waits
	OverflowDropOldest                 // what only this destination still needs is dropped, oldest first, and counted
)

// Destination describes a queue to open.
type Destination struct {
	Name     string   // 1 to MaxName bytes; the queue's
	Sources  []string // whose records it wants; empty: all
	Overflow Overflow // what happens when the buffer is full
}

// Queue is what one destination has yet to deliver. Take and Release may be called from different goroutines; two
// calls of the same method may not overlap.
type Queue interface {
	// Take gives the next records that were not taken since the queue was opened, oldest first: at least one, at most
	// max, and no more than maxBytes of Raw unless the first alone is larger. It waits until there is one or ctx ends.
	// Records of sources the destination does not want are passed over and released. What into held before is gone.
	Take(ctx context.Context, into *Taken, max, maxBytes int) error

	// Read returns a record that is still in the buffer by its number, as Take gave it: one that is not released is
	// there, unless it was damaged or dropped since. Otherwise the error wraps ErrGone. It may be called beside Take and
	// Release.
	Read(ctx context.Context, number uint64) (Record, error)

	// Release marks records as delivered, in any order; when it returns without an error that outlives the process, and
	// within a second it outlives a loss of power, too. A record that was taken and not released is returned by Take
	// after the queue is opened again.
	Release(ctx context.Context, numbers []uint64) error

	// Released returns the newest records that were released, oldest first: at most maxBytes of Raw, unless the newest
	// alone is larger. The newest KeepReleased bytes are there however old they are and however little space there is.
	// Records that were dropped, and those of sources the destination does not want, are not among them. It may be called
	// beside Take and Release.
	Released(maxBytes int) ([]Record, error)

	// Pending reports what is not released yet, taken or not.
	Pending() Pending
}

// Taken is what Take gives. The next Take into it uses its memory again: until then the records, with Raw, may be read
// and written, and their other texts stay valid for good. The zero value is ready for use.
type Taken struct {
	Records []Record // oldest first
	Memory  []byte   // what Raw lies in, where the buffer reads into it
}

// KeepReleased is how many bytes of records each destination can be given again after their release. A destination
// that goes by TCP's acknowledgement sends the last MiB of frames again after an unclean end, and a record may be
// several times as large as its frame.
const KeepReleased = 8 << 20

// Pending is the backlog of a destination.
type Pending struct {
	Records int64     // not released yet
	Oldest  time.Time // Pulled of the oldest; zero when there is none
	Dropped uint64    // records dropped by OverflowDropOldest since the queue was first opened
}

// Usage is the state of a buffer as a whole.
type Usage struct {
	Bytes   int64 // on disk, retained records included
	Pending int64 // bytes that some destination has yet to deliver; these count against Limit
	Limit   int64 // buffer.max_size in bytes
	Blocked bool  // an Append waits for room
}

// Buffer is a whole buffer.
type Buffer interface {
	Appender

	// Queue opens the queue of a destination. One that is new starts behind everything appended so far. One that was
	// opened before goes on where it was released, for 7 days after it was last closed.
	Queue(d Destination) (Queue, error)

	// Usage reports size and state.
	Usage() Usage

	// Close waits for commits under way and closes the files. Queues may not be used afterwards.
	Close() error
}

// Leftover is a destination whose queue is not open: it was removed or renamed, or not opened yet.
type Leftover struct {
	Destination string    // its name
	Records     int64     // pending
	Closed      time.Time // when its queue was closed
	Until       time.Time // when what is pending is dropped, if it is not opened again; a full buffer drops it earlier
}

// Leftovers is what a buffer offers to a bridge whose destinations change.
type Leftovers interface {
	// Leftovers returns the destinations whose queue is not open, by name.
	Leftovers() []Leftover

	// CloseQueue closes the queue of a destination; its Take and Release give ErrClosed. What it had taken and not
	// released is given again when it is opened again. A queue that is not open is no error.
	CloseQueue(destination string) error
}

// Retained is what a buffer offers to a replay: records that are still on disk, delivered or not.
type Retained interface {
	// Retained calls f for the records pulled from from on and before to, in the order they were appended, until f
	// returns false. f may keep the record. Records may be missing that are removed meanwhile.
	Retained(from, to time.Time, f func(Record) bool) error
}

// Standing says what became of a record at a destination.
type Standing uint8

// The standings.
const (
	StandingReleased Standing = iota // delivered, or kept back by the filter
	StandingPending                  // to be delivered
	StandingUnrouted                 // the destination does not want its source, or was added later
	StandingDropped                  // not delivered: dropped when the buffer was full
	StandingLost                     // not delivered, and not there any more
)

// Trace is what a buffer knows of a key.
type Trace struct {
	Known  bool       // the key was seen
	Stored bool       // a record of it was stored; not so of a summary that never was an event
	At     []Standing // by destination, as asked for; nil when none was stored
}

// Journal is what a buffer offers to a reconciliation: it remembers keys for 200 days.
type Journal interface {
	// Trace tells what became of the last record of each key of a source, at each of some destinations. It does not
	// hold up commits for longer than it takes to look the keys up; ask for some hundreds at a time.
	Trace(source string, keys, destinations []string) ([]Trace, error)
}

// Quarantined is a record that was set aside.
type Quarantined struct {
	ID     uint64    // given by Put, ascending
	Record Record    // as it was set aside; Raw is nil in lists
	Reason string    // at most 1,024 bytes
	At     time.Time // when it was set aside
}

// Quarantine keeps records that could not be treated in full, with their reasons, for the operator to look at. It is
// bounded: when it is full, the oldest go.
type Quarantine interface {
	// Put sets a record aside; when it returns without an error, that is on disk.
	Put(r Record, reason string) (id uint64, err error)
	// List returns what was set aside, oldest first, without Raw.
	List() ([]Quarantined, error)
	// Get returns one with its Raw; ok is false when there is none of that id.
	Get(id uint64) (q Quarantined, ok bool, err error)
	// Remove forgets one; one that is not there is no error.
	Remove(id uint64) error
	// Dropped counts those that had to go because it was full.
	Dropped() uint64
}

// Notes keeps small facts over a restart, such as that a receiver was seen to answer a half-close.
type Notes interface {
	// Note returns what was noted; nil when nothing was.
	Note(subject, key string) ([]byte, error)
	// SetNote notes a value of at most 64 KiB; when it returns without an error, that is on disk. nil forgets it.
	SetNote(subject, key string, value []byte) error
}

// Errors that callers act on.
var (
	// ErrNoSpace: the disk is full. Nothing was stored; try again when there is room.
	ErrNoSpace = errors.New("no space left for the buffer")
	// ErrLocked: another process uses the same state directory.
	ErrLocked = errors.New("the state directory is in use by another process")
	// ErrGone: there is no record of that number any more.
	ErrGone = errors.New("the record is not in the buffer any more")
	// ErrClosed: the buffer was closed.
	ErrClosed = errors.New("the buffer is closed")
)
