package delivery

import (
	"context"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// unread is the note that records were released on TCP's acknowledgement and that the receiver's program may not have
// read the last of them. It is on disk before the first of them is released. A run that finds it sends these records
// again; it goes when a receiver has shown that it has read them.
const unread = "released on TCP's acknowledgement"

// doubt notes that what is released now may be unread. It returns false when that cannot be stored: nothing may be
// released then.
func (w *Worker) doubt() bool {
	if w.doubted {
		return true
	}
	if err := w.o.Notes.SetNote(w.o.Name, unread, []byte("1")); err != nil {
		w.problem("a confirmation cannot be stored", err)
		pause(w.hard, time.Second)
		return false
	}
	w.doubted = true
	return true
}

// trust removes that note: a receiver has read everything.
func (w *Worker) trust() {
	if !w.doubted {
		return
	}
	if err := w.o.Notes.SetNote(w.o.Name, unread, nil); err != nil {
		w.o.Logger.Debug("a note cannot be removed; what was released last is sent again after a restart", "destination", w.o.Name, "error", err)
		return
	}
	w.doubted = false
}

// recall makes the last MiB that an earlier run released on TCP's acknowledgement alone be sent again, read back from
// the buffer, before anything newer.
func (w *Worker) recall(ctx context.Context) {
	for ctx.Err() == nil {
		note, err := w.o.Notes.Note(w.o.Name, unread)
		if err == nil && note == nil {
			return
		}
		var records []buffer.Record
		if err == nil {
			records, err = w.o.Queue.Released(buffer.KeepReleased)
		}
		if err != nil {
			w.problem("what was delivered last cannot be read from the buffer", err)
			pause(ctx, time.Second)
			continue
		}
		w.doubted = true
		items, _ := w.taker().render(records)
		for i := range items {
			items[i].sent, items[i].delivered = true, true
		}
		w.ledger.again = items[lastBytes(items, repeatBytes):]
		if n := len(w.ledger.again); n > 0 {
			w.o.Logger.Info("what was released on TCP's acknowledgement alone is sent again", "destination", w.o.Name, "records", n)
		}
		return
	}
}

// lastBytes returns the index from which on the items make up at least the last n bytes, as far as there are so many.
func lastBytes(items []item, n int) int {
	i := len(items)
	for ; i > 0 && n > 0; i-- {
		n -= len(items[i-1].frames)
	}
	return i
}
