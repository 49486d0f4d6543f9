package delivery

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// taker takes records and renders them, ahead of the sending. Several work at once: one takes while others render, and
// each hands on when those that took before it have, so that records are sent in the order of the queue.
type taker struct {
	w        *Worker
	renderer Renderer
	taken    buffer.Taken
	growth   float64 // bytes of frames for each byte of Raw, of the last batch
}

// take starts the takers, which end with ctx.
func (w *Worker) take(ctx context.Context, helpers *sync.WaitGroup) {
	turn := make(chan (chan struct{}), 1)
	first := make(chan struct{})
	close(first)
	turn <- first
	for range min(takersMost, runtime.GOMAXPROCS(0)) {
		helpers.Go(func() { w.taker().run(ctx, turn) })
	}
}

func (w *Worker) taker() *taker { return &taker{w: w, renderer: w.o.Renderer(), growth: 1} }

// run takes when it is its turn: what comes by turn is closed when all that was taken before is in batches.
func (t *taker) run(ctx context.Context, turn chan chan struct{}) {
	w := t.w
	for {
		var before chan struct{}
		select {
		case before = <-turn:
		case <-ctx.Done():
			return
		}
		if err := w.o.Queue.Take(ctx, &t.taken, takeRecords, takeBytes); err != nil {
			if ctx.Err() == nil {
				w.problem("records cannot be read from the buffer", err)
				pause(ctx, time.Second)
			}
			turn <- before
			continue
		}
		handed := make(chan struct{})
		turn <- handed
		items, filtered := t.render(t.taken.Records)
		select {
		case <-before:
		case <-ctx.Done():
			return
		}
		if len(filtered) > 0 {
			w.release.put(filtered, 0)
		}
		if len(items) > 0 {
			select {
			case w.batches <- items:
			case <-ctx.Done():
				return
			}
		}
		close(handed)
	}
}

// render makes the frames of records. All of them share one array; filtered are those with nothing to send.
func (t *taker) render(records []buffer.Record) (items, filtered []item) {
	items = make([]item, 0, len(records))
	frames, raw := make([]byte, 0, t.room(records)), 0
	for i := range records {
		r, start := &records[i], len(frames)
		it := item{number: r.Number, source: r.Source, key: r.Key}
		frames, it.events, it.since = t.renderer.Render(frames, r)
		if it.events == 0 {
			filtered = append(filtered, it)
			continue
		}
		it.frames = frames[start:len(frames):len(frames)]
		items = append(items, it)
		raw += len(r.Raw)
	}
	if raw > 0 {
		t.growth = float64(len(frames)) / float64(raw)
	}
	return items, filtered
}

// room guesses how many bytes the frames of records take: about what the last ones took for each byte of Raw, and some.
func (t *taker) room(records []buffer.Record) int {
	raw := 0
	for i := range records {
		raw += len(records[i].Raw)
	}
	return min(int(float64(raw)*t.growth*1.1)+4096, 4<<20)
}
