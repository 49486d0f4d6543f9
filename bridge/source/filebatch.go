package source

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/formats/defender"
)

// fileBatch collects records of a file and appends them with the position behind them.
type fileBatch struct {
	collector
	f    *File
	path string // "": standard input, of which no position is kept
	at   filePosition
}

func (f *File) newBatch(ctx context.Context, path string) *fileBatch {
	b := &fileBatch{f: f, path: path, collector: collector{ctx: ctx, source: f.o.Name, buffer: patient{f}, noUpdates: f.o.NoUpdates,
		evidence: f.o.Evidence, note: f.note, ahead: !f.o.Evidence}}
	if path != "" {
		b.position = func() []byte {
			f.positions[path] = b.at
			data, err := json.Marshal(f.positions)
			if err != nil { // they are numbers and texts
				panic(err)
			}
			return data
		}
	}
	return b
}

// leave ends a batch that may not have been flushed: reading has failed, or ctx has ended.
func (b *fileBatch) leave() { _ = b.settle() }

// take takes a record, which may be overwritten afterwards.
func (b *fileBatch) take(f defender.Found) error {
	if b.evidence {
		f.Record = bytes.Clone(f.Record)
	}
	_, err := b.collect(f)
	return err
}

// setAside keeps a note of what cannot be read: where it is, what it is, and its beginning.
func (b *fileBatch) setAside(at int64, what string, head []byte) error {
	path := b.path
	if path == "" {
		path = "standard input"
	}
	reason := fmt.Sprintf("source %s: %s, at byte %d: %s; the beginning is kept here", b.source, path, at, what)
	b.f.log.Error("a part of a file cannot be read; it is set aside, and the rest goes on", "file", path, "at", at, "what", what)
	if b.f.o.SetAside == nil {
		return nil
	}
	r := b.record(defender.Unknown, defender.Part{Identity: defender.Identity{Key: fmt.Sprintf("%.400s@%d", path, at)}, Record: bytes.Clone(head[:min(len(head), headLength)])})
	if err := b.f.o.SetAside(r, oneLine(reason, 1000)); err != nil {
		return &storeError{err}
	}
	return nil
}

// patient is the buffer of a source that reads files: what it cannot take now, it is given again.
type patient struct{ f *File }

// Checkpoint implements buffer.Appender.
func (p patient) Checkpoint(source string) ([]byte, error) { return p.f.o.Buffer.Checkpoint(source) }

// Append implements buffer.Appender.
func (p patient) Append(ctx context.Context, b buffer.Batch) (buffer.Outcome, error) {
	for failed := false; ; failed = true {
		outcome, err := p.f.o.Buffer.Append(ctx, b)
		if err == nil && failed {
			p.f.worked("ok")
		}
		if err == nil || ctx.Err() != nil {
			return outcome, err
		}
		p.f.failed(err)
		if sleep(ctx, p.f.o.PollInterval) != nil {
			return outcome, err
		}
	}
}
