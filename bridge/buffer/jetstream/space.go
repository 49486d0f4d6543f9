package jetstream

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// bridgeRoom is how much above the limit is kept for records of the bridge itself.
const bridgeRoom = 8 << 20

// errFull: there is no room for a batch until something is released.
var errFull = errors.New("the buffer is full")

// pendingBytes is what some destination has yet to deliver: for each source, what the destination that is furthest
// behind needs. b.mu is held, as in all that follows.
func (b *Buffer) pendingBytes() (bytes int64) {
	most := map[string]int64{}
	for _, d := range b.destinations {
		for source, t := range d.pending {
			most[source] = max(most[source], t.bytes)
		}
	}
	for _, n := range most {
		bytes += n
	}
	return bytes
}

// excess returns how many bytes too many are pending for a batch to be stored; 0: it has room.
func (b *Buffer) excess(w *work) int64 {
	wanted := false
	for _, d := range b.destinations {
		wanted = wanted || d.wants(w.batch.Source)
	}
	pending := b.pendingBytes() + b.underway
	if over := pending + w.need - b.limit(w); wanted && pending > 0 && over > 0 {
		return min(over, pending)
	}
	return 0
}

func (b *Buffer) limit(w *work) int64 {
	if slices.ContainsFunc(w.batch.Records, func(r buffer.Record) bool { return r.API != buffer.APIBridge }) {
		return b.o.MaxSize
	}
	return b.o.MaxSize + bridgeRoom
}

// makeRoom sees to it that there is room for a batch, and sets it aside for it. What is delivered goes first; then,
// where the destinations that are behind allow it, the oldest of what is pending. After an error nothing is set aside.
func (b *Buffer) makeRoom(ctx context.Context, w *work) error {
	for {
		b.mu.Lock()
		over := b.excess(w)
		if over == 0 {
			b.underway += w.need
			total := b.index.bytes + b.underway - b.limit(w)
			b.mu.Unlock()
			if total > 0 {
				// Some more, so that not each batch has to.
				if err := b.retire(ctx, total+b.o.MaxSize/16, time.Time{}); err != nil {
					b.giveBack(w)
					return err
				}
			}
			return nil
		}
		puts := b.drops(over)
		b.mu.Unlock()
		if len(puts) == 0 {
			return errFull
		}
		if err := b.write(ctx, puts...); err != nil && !errors.Is(err, errConflict) {
			return err
		}
	}
}

// giveBack ends what makeRoom has set aside for a batch: it is stored, or will not be.
func (b *Buffer) giveBack(w *work) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.underway -= w.need
}

// untilRoom waits until a batch that found no room may have some.
func (b *Buffer) untilRoom(ctx context.Context, w *work) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting++
	defer func() { b.waiting-- }()
	for {
		if b.closed {
			return errClosed
		}
		if over := b.excess(w); over == 0 || len(b.drops(over)) > 0 {
			return nil
		}
		if err := b.wait(ctx); err != nil {
			return err
		}
	}
}

// drops returns the lanes as they are after so many bytes of the oldest pending records were dropped: those that only
// destinations need that allow it or are closed. It returns none when there are not so many, and when a lane would have
// to remember more records that stand before them, and must not be dropped, than a message can hold.
func (b *Buffer) drops(excess int64) (puts []put) {
	var may, mustNot []*destination
	from := uint64(1 << 63)
	for to, d := range b.destinations {
		if d.Drop || d.queue == nil && !b.has(to) {
			may = append(may, d)
			for i := range d.lanes {
				from = min(from, d.lanes[i].low())
			}
		} else {
			mustNot = append(mustNot, d)
		}
	}
	type place struct {
		d    *destination
		lane byte
	}
	dropped := map[place][]uint64{}
	needs := func(d *destination, m *meta, n uint64, lane byte) bool {
		return d.wants(m.source) && m.seq >= d.Born && !d.lanes[lane].settled(n)
	}
	for _, m := range b.index.blocks[b.index.search(from>>indexBits):] {
		for i, lane := range m.lanes {
			n := number(m.seq, i)
			if slices.ContainsFunc(mustNot, func(d *destination) bool { return needs(d, m, n, lane) }) {
				continue
			}
			freed := false
			for _, d := range may {
				if needs(d, m, n, lane) {
					dropped[place{d, lane}] = append(dropped[place{d, lane}], n)
					freed = true
				}
			}
			if freed {
				excess -= m.each()
			}
			if excess <= 0 {
				for p, numbers := range dropped {
					next, _ := p.d.lanes[p.lane].drop(numbers, b.walk(p.d, int(p.lane)))
					body := next.encode()
					if len(body) > b.largest() {
						return nil
					}
					puts = append(puts, put{subject: laneSubject(p.d.name, int(p.lane)), body: body})
				}
				return puts
			}
		}
	}
	return nil
}
