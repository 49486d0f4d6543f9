package delivery

import (
	"context"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// take renders what the queue has, ahead of the sending. It ends with ctx.
func (w *Worker) take(ctx context.Context) {
	for {
		records, err := w.o.Queue.Take(ctx, takeRecords, takeBytes)
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			w.problem("records cannot be read from the buffer", err)
			if !pause(ctx, time.Second) {
				return
			}
			continue
		}
		items, filtered := w.render(records)
		if len(filtered) > 0 {
			w.release.put(filtered, 0)
		}
		if len(items) == 0 {
			continue
		}
		select {
		case w.batches <- items:
		case <-ctx.Done():
			return
		}
	}
}

// render makes the frames of records. All of them share one array; filtered are those with nothing to send.
func (w *Worker) render(records []buffer.Record) (items, filtered []item) {
	items = make([]item, 0, len(records))
	frames, raw := make([]byte, 0, w.room(records)), 0
	for i := range records {
		start := len(frames)
		var it item
		frames, it.events, it.since = w.o.Renderer.Render(frames, &records[i])
		it.number, it.record = records[i].Number, &records[i]
		if it.events == 0 {
			filtered = append(filtered, it)
			continue
		}
		it.frames = frames[start:len(frames):len(frames)]
		items = append(items, it)
		raw += len(records[i].Raw)
	}
	if raw > 0 {
		w.growth = float64(len(frames)) / float64(raw)
	}
	return items, filtered
}

// room guesses how many bytes the frames of records take: about what the last ones took for each byte of Raw, and some.
// It is used by the taker alone.
func (w *Worker) room(records []buffer.Record) int {
	raw := 0
	for i := range records {
		raw += len(records[i].Raw)
	}
	return min(int(float64(raw)*w.growth*1.1)+4096, 4<<20)
}
