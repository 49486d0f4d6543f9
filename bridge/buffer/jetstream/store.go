package jetstream

import (
	"context"
	"errors"
)

// store commits the work, if there is room for it.
func (b *Buffer) store(ctx context.Context, w *work) error {
	source := w.batch.Source
	if w.need > 0 {
		if err := b.makeRoom(ctx, w); err != nil {
			return err
		}
		defer b.giveBack(w)
	}
	var state sourceState
	if w.batch.Checkpoint != nil {
		b.mu.Lock()
		state = b.sources[source]
		subject := ofSource + token(source)
		free := state.Holder == "" || !b.isLive(state.Holder)
		seq := b.docs[subject].seq
		b.mu.Unlock()
		if state.Holder != b.id {
			if !free {
				return errTaken(source, state.Holder)
			}
			state.Holder, state.Epoch = b.id, state.Epoch+1
		}
		state.Checkpoint = w.batch.Checkpoint
		w.messages = append(w.messages, message{subject: subject, body: encode(state), expect: seq})
	}
	if len(w.messages) == 0 {
		return nil
	}
	if err := b.commitWork(ctx, w); err != nil {
		return err
	}
	if w.batch.Checkpoint != nil {
		at := len(w.messages) - 1
		b.mu.Lock()
		b.apply(w.messages[at].subject, w.first+uint64(at), w.messages[at].body)
		b.mu.Unlock()
	}
	if n := len(w.heads); n > 0 {
		b.mu.Lock()
		for _, at := range w.heads {
			if seq := w.first + uint64(at); seq > b.index.last {
				b.own[seq] = head{source, w.messages[at].block}
			}
		}
		b.mu.Unlock()
		w.cache(&b.payloads)
		b.reached(ctx, w.first+uint64(w.heads[n-1]))
	}
	return nil
}

// commitWork commits, and finds out what became of a commit that was not answered: the block's subject is this try's
// alone.
func (b *Buffer) commitWork(ctx context.Context, w *work) (err error) {
	w.first, err = b.commit(context.WithoutCancel(ctx), w.messages)
	if errors.Is(err, errConflict) && w.batch.Checkpoint != nil {
		if _, refreshErr := b.refresh(ctx, ofSource+token(w.batch.Source)); refreshErr != nil {
			return refreshErr
		}
		return err
	}
	if !errors.Is(err, ErrAway) {
		return err
	}
	last := w.messages[len(w.messages)-1]
	if len(w.heads) > 0 {
		last = w.messages[w.heads[len(w.heads)-1]]
	}
	s, lookErr := b.last(ctx, last.subject)
	switch {
	case lookErr != nil:
		return err
	case len(w.heads) > 0 && s.seq > 0:
		w.first = s.seq - uint64(w.heads[len(w.heads)-1])
		return nil
	case len(w.heads) == 0 && string(s.body) == string(last.body):
		w.first = s.seq - uint64(len(w.messages)) + 1
		return nil
	}
	return err
}
