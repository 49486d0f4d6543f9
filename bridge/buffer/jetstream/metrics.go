package jetstream

import "github.com/siembridge/siembridge/bridge/buffer"

// pendings returns the backlog of each open queue.
func (b *Buffer) pendings() map[string]buffer.Pending {
	b.mu.Lock()
	var queues []*Queue
	for _, d := range b.destinations {
		if d.queue != nil {
			queues = append(queues, d.queue)
		}
	}
	b.mu.Unlock()
	all := make(map[string]buffer.Pending, len(queues))
	for _, q := range queues {
		all[q.d.name] = q.Pending()
	}
	return all
}
