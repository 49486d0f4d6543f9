package jetstream

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/keys"
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
// where the destinations that are behind allow it, the oldest of what is pending.
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
				return b.retire(ctx, total+b.o.MaxSize/16, time.Time{})
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
// destinations need that allow it or are closed. It returns none when there are not so many.
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
					puts = append(puts, put{subject: laneSubject(p.d.name, int(p.lane)), body: next.encode()})
				}
				return puts
			}
		}
	}
	return nil
}

// retire removes so many bytes of the oldest records that nobody needs any more, and all that were pulled before a
// time. What each destination was released last stays.
func (b *Buffer) retire(ctx context.Context, excess int64, before time.Time) error {
	b.mu.Lock()
	bound := b.bounds()
	old := keys.Stamp(before)
	next := map[string]uint64{}
	for _, m := range b.index.blocks {
		if excess <= 0 && (before.IsZero() || m.pulled >= old) {
			break
		}
		if limit, wanted := bound[m.source]; !wanted || m.seq < limit {
			next[m.source] = m.seq + 1
			excess -= m.bytes
		}
	}
	var puts []put
	for _, source := range slices.Sorted(maps.Keys(next)) {
		puts = append(puts, put{subject: ofHorizon + token(source), body: encode(horizon{next[source]})})
	}
	b.mu.Unlock()
	if len(puts) == 0 {
		return nil
	}
	if err := b.write(ctx, puts...); err != nil {
		if errors.Is(err, errConflict) { // another instance does the same
			return nil
		}
		return err
	}
	for source, before := range next {
		for _, kind := range []string{blocks, pieces} {
			if err := b.purge(ctx, kind+token(source)+".>", before); err != nil {
				return err
			}
		}
	}
	return nil
}

// bounds returns, for each source that some destination wants, the block from which on its records are needed: they
// are pending, or were released last.
func (b *Buffer) bounds() map[string]uint64 {
	bound := map[string]uint64{}
	for _, m := range b.index.blocks {
		if _, done := bound[m.source]; done {
			continue
		}
		for _, d := range b.destinations {
			if d.wants(m.source) {
				bound[m.source] = 1 << 63
			}
		}
	}
	for _, d := range b.destinations {
		keep := uint64(1 << 63)
		for i := range d.lanes {
			keep = min(keep, d.lanes[i].low()>>indexBits)
		}
		b.releasedBack(d, func(m *meta, bytes int64) bool {
			keep = min(keep, m.seq)
			return bytes < buffer.KeepReleased
		})
		for source := range bound {
			if d.wants(source) {
				bound[source] = min(bound[source], keep)
			}
		}
	}
	return bound
}

// purge has the servers delete the messages of some subjects before one.
func (b *Buffer) purge(ctx context.Context, subjects string, before uint64) error {
	ctx, cancel := context.WithTimeout(ctx, commitTime)
	defer cancel()
	request := map[string]any{"filter": subjects}
	if before > 0 {
		request["seq"] = before
	}
	answer, err := b.nc.RequestWithContext(ctx, "$JS.API.STREAM.PURGE."+StreamName, encode(request))
	if err != nil {
		return b.unanswered(ctx, err)
	}
	_, err = parseAck(answer.Data)
	return err
}

// keepHouse removes what is past its time: delivered records, destinations that were closed for 7 days.
func (b *Buffer) keepHouse(ctx context.Context) {
	now := b.o.Now()
	if err := b.retire(ctx, 0, now.Add(-b.o.Retain)); err != nil {
		b.log.Debug("delivered records that are past their time cannot be removed", "error", err)
	}
	b.mu.Lock()
	var puts []put
	for to, d := range b.destinations {
		seen, open := now.Sub(keys.Time(d.Seen)), d.queue != nil
		switch {
		case open && seen > time.Hour:
			next := d.settings
			next.Seen = keys.Stamp(now)
			puts = append(puts, put{subject: ofDestination + token(to), body: encode(next)})
		case !open && !b.has(to) && seen > queueLife:
			puts = append(puts, put{subject: ofDestination + token(to)})
			for i := range d.lanes {
				if d.lanes[i].seq > 0 {
					puts = append(puts, put{subject: laneSubject(to, i)})
				}
			}
		}
	}
	b.mu.Unlock()
	if len(puts) > 0 {
		if err := b.write(ctx, puts...); err != nil && !errors.Is(err, errConflict) {
			b.log.Debug("a queue that was closed 7 days ago cannot be removed", "error", err)
		}
	}
}
