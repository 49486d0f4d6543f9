package jetstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// ErrTaken is the error of an Append with a checkpoint by an instance that does not hold the source, or no longer.
var ErrTaken = errors.New("another instance pulls this source")

func errTaken(source, holder string) error {
	return fmt.Errorf("source %s: %w (%s)", source, ErrTaken, holder)
}

// lease is this instance's right to pull a source.
type lease struct {
	held    context.Context // of who pulls; nil: it is not held
	end     context.CancelCauseFunc
	epoch   uint64
	pulling bool // Lease has returned; it is given up when that pulling has ended
}

// lose ends the lease. b.mu is held.
func (l *lease) lose(cause error) {
	l.end(cause)
	l.held = nil
}

// Lease waits until this instance is the one to pull a source. The context it returns ends when that is over: when
// another instance has taken over, or shall. done is to be called when pulling has ended; it gives the source to the
// others. The next call of Lease waits anew.
func (b *Buffer) Lease(ctx context.Context, source string) (held context.Context, done func(), err error) {
	b.mu.Lock()
	if b.leases[source] == nil {
		b.leases[source] = &lease{}
	}
	l := b.leases[source]
	b.poke()
	for l.held == nil {
		if b.closed {
			err = errClosed
		} else {
			err = b.wait(ctx)
		}
		if err != nil {
			delete(b.leases, source)
			b.poke()
			b.mu.Unlock()
			return nil, nil, err
		}
	}
	held, l.pulling = l.held, true
	b.mu.Unlock()
	stop := context.AfterFunc(ctx, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if l.held == held {
			l.lose(context.Cause(ctx))
		}
	})
	return held, func() {
		stop()
		b.mu.Lock()
		if l.held == held {
			l.lose(context.Canceled)
		}
		delete(b.leases, source)
		closed := b.closed
		b.poke()
		b.mu.Unlock()
		if closed {
			return
		}
		if err := b.giveUp(b.ctx, source); err != nil {
			b.log.Debug("a source cannot be given up", "source", source, "error", err)
		}
	}, nil
}

// sourcePut is the state of a source as it is to be written.
func sourcePut(source string, s sourceState) put {
	return put{subject: ofSource + token(source), body: encode(s)}
}

// giveUp tells the others that this instance does not pull a source any more.
func (b *Buffer) giveUp(ctx context.Context, source string) error {
	for {
		b.mu.Lock()
		s := b.sources[source]
		b.mu.Unlock()
		if s.Holder != b.id {
			return nil
		}
		s.Holder = ""
		if err := b.write(ctx, sourcePut(source, s)); !errors.Is(err, errConflict) {
			return err
		}
	}
}

// balanceSources takes the sources that this instance shall pull and nobody does, and gives up those that another shall
// pull.
func (b *Buffer) balanceSources(ctx context.Context) error {
	b.mu.Lock()
	puts := b.shareSources()
	b.mu.Unlock()
	var errs []error
	for _, p := range puts {
		err := b.write(ctx, p)
		if err == nil {
			b.take(name(p.subject[len(ofSource):]))
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// shareSources returns the sources to be written: those that this instance takes, and those that it holds, does not pull
// and shall not, since giving them up has failed before. It ends the leases of those that another shall pull. b.mu is held.
func (b *Buffer) shareSources() (puts []put) {
	all := map[string][]string{} // by source, who can pull it
	for id, m := range b.members {
		for _, s := range m.Sources {
			if id != b.id && slices.Contains(b.live(func(x *member) bool { return x == m }), id) {
				all[s] = append(all[s], id)
			}
		}
	}
	for s := range b.leases {
		all[s] = append(all[s], b.id)
	}
	for _, s := range b.mine(all) {
		l, now := b.leases[s.name], b.sources[s.name]
		switch {
		case s.mine && l.held == nil && (now.Holder == "" || now.Holder == b.id || !slices.Contains(all[s.name], now.Holder)):
			now.Holder, now.Epoch = b.id, now.Epoch+1
			puts = append(puts, sourcePut(s.name, now))
		case !s.mine && l.held != nil:
			l.lose(errTaken(s.name, "it is that one's turn"))
		case !s.mine && !l.pulling && now.Holder == b.id:
			now.Holder = ""
			puts = append(puts, sourcePut(s.name, now))
		}
	}
	return puts
}

// take begins a lease that was written.
func (b *Buffer) take(source string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l, s := b.leases[source], b.sources[source]
	if l == nil || l.held != nil || s.Holder != b.id {
		return
	}
	l.epoch = s.Epoch
	l.held, l.end = context.WithCancelCause(b.ctx)
	b.notify()
}

type turn struct {
	name string
	mine bool
}

// mine says of each source that this instance may pull whether it shall. Sources that different instances may pull are
// shared among those that may. b.mu is held.
func (b *Buffer) mine(all map[string][]string) (turns []turn) {
	groups := map[string][]string{} // sources with the same instances
	for s, ids := range all {
		slices.Sort(ids)
		key := fmt.Sprint(ids)
		groups[key] = append(groups[key], s)
	}
	for _, names := range groups {
		slices.Sort(names)
		holders := make([]string, len(names))
		for i, s := range names {
			holders[i] = b.sources[s].Holder
		}
		for i, shall := range assign(holders, all[names[0]]) {
			if b.leases[names[i]] != nil {
				turns = append(turns, turn{names[i], shall == b.id})
			}
		}
	}
	return turns
}
