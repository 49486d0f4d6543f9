package jetstream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// memberLife is how long the servers keep what an instance told of itself; it is told anew with each beat.
const memberLife = time.Hour

// pokeTime is how long a change waits for others that come with it.
const pokeTime = 50 * time.Millisecond

// lead shows the others that this instance is there, and takes and gives up sources and lanes, until Close.
func (b *Buffer) lead() {
	tick := time.NewTicker(b.o.Beat)
	defer tick.Stop()
	house := time.Now()
	for {
		due := true
		select {
		case <-tick.C:
		case <-b.poked:
			select { // what changes at once is told at once: sources that start together are shared together
			case <-time.After(pokeTime):
			case <-b.ctx.Done():
				return
			}
			b.mu.Lock()
			now, told := b.presence(), b.members[b.id]
			due = told == nil || !slices.Equal(now.Sources, told.Sources) || !slices.Equal(now.Destinations, told.Destinations)
			b.mu.Unlock()
		case <-b.ctx.Done():
			return
		}
		if due {
			err := b.beat(b.ctx)
			if errors.Is(err, errRolledBack) {
				return
			}
			if err != nil {
				if b.ctx.Err() == nil {
					b.setAway("a sign of life was not stored, or not confirmed", err)
				}
				continue
			}
		}
		b.balance(b.ctx)
		if time.Since(house) > time.Minute {
			house = time.Now()
			b.keepHouse(b.ctx)
		}
	}
}

// beat tells the others of this instance, and finds out whether all that was seen of the stream is there.
func (b *Buffer) beat(ctx context.Context) error {
	b.beating.Lock()
	defer b.beating.Unlock()
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return errClosed
	}
	subject := ofMember + b.id
	body, newest, last := encode(b.presence()), b.newest, b.docs[subject].seq
	b.mu.Unlock()
	short, cancel := context.WithTimeout(ctx, max(b.o.Beat, time.Second))
	defer cancel()
	// It replaces this instance's last one: if that is not there any more, the stream was set back.
	seq, err := b.commit(short, []message{{subject: subject, body: body, expect: last, life: memberLife}})
	if errors.Is(err, errConflict) {
		if err := b.ownBeat(ctx, last); err != nil {
			return err
		}
		return fmt.Errorf("%w (it is told again)", ErrAway)
	}
	if err != nil {
		return err
	}
	b.mu.Lock()
	if seq <= newest {
		defer b.mu.Unlock()
		return b.rollBack(fmt.Sprintf("messages up to %d; a new one is %d", newest, seq))
	}
	b.apply(subject, seq, body)
	b.mu.Unlock()
	if err := b.confirm(ctx, seq); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.setBack()
	return nil
}

// heardItself counts a beat of this instance, which it has heard as the others hear it: while it does not hear itself, it
// is no wonder that it does not hear others. b.mu is held.
func (b *Buffer) heardItself() {
	if time.Since(b.counted) < b.o.Beat/2 { // what is told out of turn is no measure of time
		return
	}
	before := b.deaf()
	b.beats++
	b.counted = time.Now()
	if after := b.deaf(); after > before {
		b.log.Warn("an instance is not heard of any more; its sources and lanes are taken over", "instances", after)
		b.notify()
	}
}

// ownBeat finds out why a beat was refused: one that was not answered was stored all the same, or the last one is not
// there any more. Nobody else replaces it. When the servers were away for so long that its time was over, it is not known
// what else is not there.
func (b *Buffer) ownBeat(ctx context.Context, known uint64) error {
	var s stored
	err := b.certainly(ctx, func() (err error) {
		s, err = b.last(ctx, ofMember+b.id)
		return err
	})
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.seq < known {
		return b.rollBack(fmt.Sprintf("the sign of life of this instance in message %d, which the servers keep for an hour", known))
	}
	b.apply(ofMember+b.id, s.seq, s.body)
	return nil
}

// presence is what this instance tells the others. b.mu is held.
func (b *Buffer) presence() presence {
	p := presence{Host: b.o.Host, Started: b.started, Sources: slices.Sorted(maps.Keys(b.leases))}
	for to, d := range b.destinations {
		if d.queue != nil {
			p.Destinations = append(p.Destinations, to)
		}
	}
	slices.Sort(p.Destinations)
	return p
}

// deaf counts the instances that are taken for dead. b.mu is held.
func (b *Buffer) deaf() int {
	return len(b.members) - len(b.live(func(*member) bool { return true }))
}

// balance takes what this instance shall have and nobody holds, and gives up what another shall have.
func (b *Buffer) balance(ctx context.Context) {
	b.mu.Lock()
	var open []*Queue
	for _, d := range b.destinations {
		if d.queue != nil {
			open = append(open, d.queue)
		}
	}
	b.mu.Unlock()
	for _, q := range open {
		if err := b.balanceLanes(ctx, q); err != nil && ctx.Err() == nil && !errors.Is(err, errConflict) {
			b.log.Debug("lanes cannot be taken", "destination", q.d.name, "error", err)
		}
	}
	if err := b.balanceSources(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, errConflict) {
		b.log.Debug("sources cannot be taken", "error", err)
	}
}

// balanceLanes takes and gives up lanes of an open queue.
func (b *Buffer) balanceLanes(ctx context.Context, q *Queue) error {
	b.balancing.Lock()
	defer b.balancing.Unlock()
	for try := 0; ; try++ {
		b.mu.Lock()
		puts := q.balance()
		b.mu.Unlock()
		if len(puts) == 0 {
			return nil
		}
		if err := b.write(ctx, puts...); !errors.Is(err, errConflict) || try == 5 {
			return err
		}
	}
}

// balance returns the lanes to be written. b.mu is held.
func (q *Queue) balance() (puts []put) {
	if q.closed {
		return nil
	}
	b, d := q.b, q.d
	holders := make([]string, Lanes)
	for i := range d.lanes {
		holders[i] = d.lanes[i].Holder
	}
	members := b.live(func(m *member) bool { return slices.Contains(m.Destinations, d.name) })
	if !slices.Contains(members, b.id) {
		members = append(members, b.id)
		slices.Sort(members)
	}
	for i, shall := range assign(holders, members) {
		next := d.lanes[i].cursor
		switch {
		case shall == b.id && holders[i] == b.id:
			q.lanes[i].leaving = false
			continue
		case shall == b.id && (holders[i] == "" || !slices.Contains(members, holders[i])):
			next.Holder, next.Epoch = b.id, next.Epoch+1
		case shall != b.id && holders[i] == b.id:
			// What was taken is delivered first, so that handing over repeats nothing.
			if q.lanes[i].leaving = true; len(q.lanes[i].taken) > 0 {
				continue
			}
			next.Holder = ""
		default:
			continue
		}
		puts = append(puts, put{subject: laneSubject(d.name, i), body: next.encode()})
	}
	return puts
}

// leave gives everything up, for others to take it at once.
func (b *Buffer) leave(ctx context.Context, open []string) error {
	var all []error
	for _, to := range open {
		all = append(all, b.closeQueue(ctx, to))
	}
	b.mu.Lock()
	var held []string
	for source, l := range b.leases {
		if l.held != nil {
			l.lose(errClosed)
		}
		held = append(held, source)
	}
	for source, s := range b.sources {
		if s.Holder == b.id && !slices.Contains(held, source) {
			held = append(held, source)
		}
	}
	b.mu.Unlock()
	for _, source := range held {
		all = append(all, b.giveUp(ctx, source))
	}
	_, err := b.commit(ctx, []message{{subject: ofMember + b.id, free: true, life: memberLife}})
	return errors.Join(append(all, err)...)
}
