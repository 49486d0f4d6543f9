package delivery

import "sync"

// releases are records that are confirmed and wait to be released on disk. What comes while a commit is under way
// gathers and shares the next one. The zero value is empty.
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
