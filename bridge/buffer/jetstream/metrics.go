package jetstream

import "github.com/siembridge/siembridge/bridge/buffer"

// openQueues returns the queues that are open, by destination.
func (b *Buffer) openQueues() map[string]buffer.Queue {
	b.mu.Lock()
	defer b.mu.Unlock()
	open := make(map[string]buffer.Queue, len(b.destinations))
	for name, d := range b.destinations {
		if d.queue != nil {
			open[name] = d.queue
		}
	}
	return open
}
