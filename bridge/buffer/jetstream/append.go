package jetstream

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
)

const (
	// A part of a batch is stored by one commit, of at most 1000 messages: a key for each record, the blocks, the
	// checkpoint.
	partRecords = 400
	partBytes   = 64 << 20
)

// Checkpoint implements buffer.Appender.
func (b *Buffer) Checkpoint(source string) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, errClosed
	}
	return b.sources[source].Checkpoint, nil
}

// Append implements buffer.Appender. A batch of more than 400 records or 64 MiB is stored in parts, the checkpoint with
// the last: after an error or a crash the first parts may be there, and are recognised.
func (b *Buffer) Append(ctx context.Context, batch buffer.Batch) (o buffer.Outcome, err error) {
	if err := batch.Check(); err != nil {
		return o, err
	}
	if err := b.alive(); err != nil {
		return o, err
	}
	if err := ctx.Err(); err != nil {
		return o, context.Cause(ctx)
	}
	rest := batch.Records
	for {
		n := cut(rest)
		part := buffer.Batch{Source: batch.Source, Records: rest[:n], NoUpdates: batch.NoUpdates}
		if rest = rest[n:]; len(rest) == 0 {
			part.Checkpoint = batch.Checkpoint
		}
		one, err := b.append(ctx, &part)
		if err != nil {
			return o, err
		}
		o.New, o.Updated, o.Known = o.New+one.New, o.Updated+one.Updated, o.Known+one.Known
		if len(rest) == 0 {
			return o, nil
		}
	}
}

// cut returns how many of the records make the next part. What a summary sums up stays with it.
func cut(records []buffer.Record) int {
	bytes, limit := 0, len(records)
	for i := range records {
		if bytes += len(records[i].Raw); i > 0 && (i >= partRecords || bytes > partBytes) {
			limit = i
			break
		}
	}
	if limit == len(records) {
		return limit
	}
	at := limit
	for i := limit; i < min(len(records), limit+partRecords); i++ {
		if from := i - records[i].Summary; records[i].Summary > 0 && from < at {
			at = max(from, 0)
		}
	}
	if at == 0 {
		return limit
	}
	return at
}

// append stores a part of a batch.
func (b *Buffer) append(ctx context.Context, batch *buffer.Batch) (buffer.Outcome, error) {
	one, _ := b.sourcing.LoadOrStore(batch.Source, &sync.Mutex{})
	turn := one.(*sync.Mutex)
	for try := 0; ; try++ {
		turn.Lock()
		w, err := b.work(ctx, batch)
		if err == nil {
			err = b.store(ctx, w)
		}
		turn.Unlock()
		switch {
		case err == nil:
			w.number()
			return w.outcome, nil
		case errors.Is(err, errFull):
			err = b.untilRoom(ctx, w)
		case errors.Is(err, errConflict):
			select {
			case <-time.After(time.Duration(try)*time.Millisecond + time.Duration(rand.IntN(5))*time.Millisecond):
			case <-ctx.Done():
				err = context.Cause(ctx)
			}
			if ctx.Err() == nil {
				err = nil
			}
		case errors.Is(err, ErrAway):
			b.setAway("a commit was not answered", err)
		}
		if err != nil {
			return buffer.Outcome{}, err
		}
	}
}
