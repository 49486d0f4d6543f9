package source

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/formats/defender"
)

// fileBatch collects records of files, one file after the other, and appends them with the positions behind them.
type fileBatch struct {
	collector
	f     *File
	path  string       // of the file that is being read; "": standard input, of which no position is kept
	at    filePosition // in it
	moved bool         // a position has changed since the batch began
}

func (f *File) newBatch(ctx context.Context) *fileBatch {
	return &fileBatch{f: f, collector: collector{ctx: ctx, source: f.o.Name, buffer: patient{f}, noUpdates: f.o.NoUpdates,
		evidence: f.o.Evidence, note: f.note, ahead: !f.o.Evidence}}
}

// keepPositions has the positions of all files stored with each batch.
func (b *fileBatch) keepPositions() {
	b.position = func() []byte {
		b.mark()
		data, err := json.Marshal(b.f.positions)
		if err != nil { // they are numbers and texts
			panic(err)
		}
		return data
	}
}

// mark notes how far the file that is being read was read.
func (b *fileBatch) mark() {
	if b.path != "" && b.at != b.f.positions[b.path] {
		b.f.positions[b.path], b.moved = b.at, true
	}
}

// end stores what there is.
func (b *fileBatch) end() error {
	if !b.moved && len(b.records) == 0 {
		return b.settle()
	}
	return b.flush(nil)
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
