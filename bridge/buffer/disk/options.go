package disk

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/disk/vfs"
)

const (
	maxSegment  = 64 << 20
	minSize     = 64 << 10
	reserveSize = 1 << 20
	defaultSize = 10 << 30
)

// Options say where and how large a buffer is.
type Options struct {
	Dir     string        // the state directory; made with mode 0700 if it is not there
	MaxSize int64         // bytes of pending records, at least 64 KiB; 0: 10 GiB
	Retain  time.Duration // how long delivered records are kept, counted from when they were pulled
	Logger  *slog.Logger  // nil: nothing is logged

	Registerer prometheus.Registerer // nil: no metrics
	Now        func() time.Time      // nil: time.Now

	// FS is what the log's files are reached through; nil: the system. For tests.
	FS vfs.FS
	// Transaction surrounds each commit of the index and of the quarantine; nil: commit alone. A test may let it fail
	// before or after.
	Transaction func(commit func() error) error
	// Simulated says that FS and Transaction know what is on disk: the index is not synced, and the reserve is next to
	// nothing. For tests.
	Simulated bool

	segmentSize int64
	keep        int64 // bytes of released records that each destination can be given again; -1: none
}

// fill sets what was left open.
func (o *Options) fill() {
	if o.MaxSize == 0 {
		o.MaxSize = defaultSize
	}
	o.MaxSize = max(o.MaxSize, minSize)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.FS == nil {
		o.FS = vfs.System{}
	}
	if o.Transaction == nil {
		o.Transaction = func(commit func() error) error { return commit() }
	}
	if o.keep == 0 {
		o.keep = buffer.KeepReleased
	}
	if o.segmentSize == 0 {
		o.segmentSize = min(maxSegment, o.MaxSize/8)
	}
}
