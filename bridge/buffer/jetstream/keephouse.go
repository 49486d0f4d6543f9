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

// sweep forgets what the servers have forgotten by themselves, about which they tell nobody: states without a body, and
// instances that died. Beats are at least half a beat's time apart.
func (b *Buffer) sweep() {
	b.mu.Lock()
	defer b.mu.Unlock()
	past := func(beat uint64) bool { return b.beats-beat > uint64(4*max(memberLife, forgotten)/b.o.Beat) }
	for subject, d := range b.docs {
		if d.body == nil && past(d.beat) {
			delete(b.docs, subject)
		}
	}
	for id, m := range b.members {
		if id != b.id && past(m.heard) {
			delete(b.members, id)
			delete(b.docs, ofMember+id)
		}
	}
}

// keepHouse removes what is past its time: delivered records, destinations that were closed for 7 days.
func (b *Buffer) keepHouse(ctx context.Context) {
	b.sweep()
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
