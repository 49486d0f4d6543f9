package delivery

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// releases are records that are confirmed and wait to be released in the buffer. What comes while that is under way
// gathers and is released together. The zero value is empty.
type releases struct {
	mu      sync.Mutex
	changed *sync.Cond
	items   []item
	bytes   int // of their frames
	ended   bool
}

// wait waits until something changes. mu is held.
func (r *releases) wait() {
	if r.changed == nil {
		r.changed = sync.NewCond(&r.mu)
	}
	r.changed.Wait()
}

// wake ends all waits. mu is held.
func (r *releases) wake() {
	if r.changed != nil {
		r.changed.Broadcast()
	}
}

// put adds items. It waits first while others wait that have so many bytes.
func (r *releases) put(items []item, most int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.items) > 0 && r.bytes >= most {
		r.wait()
	}
	r.items = append(r.items, items...)
	for i := range items {
		r.bytes += len(items[i].frames)
	}
	r.wake()
}

// take returns all that wait, at least one, or nil after end when there are none.
func (r *releases) take() []item {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.items) == 0 && !r.ended {
		r.wait()
	}
	items := r.items
	r.items, r.bytes = nil, 0
	r.wake()
	return items
}

// end says that no more will come.
func (r *releases) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	r.wake()
}

// releaser stores releases, and counts them when that is done. It ends with w.release.
func (w *Worker) releaser() {
	var numbers []uint64
	for items := w.release.take(); items != nil; items = w.release.take() {
		numbers = numbers[:0]
		for i := range items {
			numbers = append(numbers, items[i].number)
		}
		for failed := false; ; failed = true {
			err := w.o.Queue.Release(w.hard, numbers)
			if err == nil {
				if failed {
					w.o.Logger.Info("confirmations are stored again", "destination", w.o.Name)
				}
				items = fresh(items)
				w.o.Metrics.delivered(w.o.Name, items)
				w.delivered(items)
				break
			}
			if w.hard.Err() != nil {
				break // sent again after the restart
			}
			w.problem("a confirmation cannot be stored", err)
			if !pause(w.hard, time.Second) {
				break
			}
		}
	}
}

// fresh returns the items that were not released before.
func fresh(items []item) []item {
	if !slices.ContainsFunc(items, func(it item) bool { return it.delivered }) {
		return items
	}
	var out []item
	for _, it := range items {
		if !it.delivered {
			out = append(out, it)
		}
	}
	return out
}

// releaseItems hands confirmed records to the releaser, and waits while one connection of them waits for it already: a
// crash repeats no more than that and what is being stored.
func (w *Worker) releaseItems(items []item) {
	if len(items) == 0 {
		return
	}
	w.release.put(items, w.o.ConfirmBytes)
	for _, it := range w.ledger.convicted() {
		w.setAside(it)
	}
}

// ReasonRefused is why a record that was not delivered is in quarantine; the destination's name stands before it.
const ReasonRefused = "the receiver ended the connection each time this record was sent alone"

// setAside quarantines a record that the receiver ended three connections over, while it took others.
func (w *Worker) setAside(it item) {
	r, err := w.o.Queue.Read(w.hard, it.number)
	if err == nil {
		_, err = w.o.Quarantine.Put(r, w.o.Name+": "+ReasonRefused)
	}
	switch {
	case errors.Is(err, buffer.ErrGone): // dropped since, or damaged: it would end connections for ever
		w.o.Logger.Error("a record that the receiver refuses is not in the buffer any more, so it cannot be set aside, and is given up; look it up in the Defender portal",
			"destination", w.o.Name, "source", it.source, "key", it.key, "reason", ReasonRefused)
	case err != nil:
		w.problem("a record cannot be set aside", err)
		w.ledger.again = append(w.ledger.again, it)
		return
	default:
		w.o.Logger.Warn("a record was set aside", "destination", w.o.Name, "key", it.key, "reason", ReasonRefused)
	}
	it.events, it.delivered = 0, true // it counts neither as delivered nor as kept back by the filter
	w.release.put([]item{it}, 0)
}
