package jetstream

import (
	"context"
	"errors"
	"sync"
)

// Tokens keeps the chain of refresh tokens of a source, for the instances that pull it in turn. It is made by
// Buffer.Tokens.
type Tokens struct {
	b       *Buffer
	subject string

	mu  sync.Mutex
	seq uint64 // of what ReadChain returned
}

// errRenewed: another instance has stored a chain since ours was read.
var errRenewed = errors.New("another instance has renewed it meanwhile; it is read again")

// Tokens returns what keeps the refresh tokens of a source.
func (b *Buffer) Tokens(source string) *Tokens {
	return &Tokens{b: b, subject: ofToken + token(source)}
}

// ReadChain returns what was stored last, as the stream's leader has it; nil: nothing.
func (t *Tokens) ReadChain() ([]byte, error) {
	s, err := t.b.last(t.b.ctx, t.subject)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seq = s.seq
	return plain(s.body), nil
}

// WriteChain stores a chain in the place of the one that ReadChain has returned last. An instance that was paused while
// another renewed the chain gets an error, and has changed nothing.
func (t *Tokens) WriteChain(data []byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	body := append([]byte{'='}, data...)
	seq, err := t.b.commit(context.WithoutCancel(t.b.ctx), []message{{subject: t.subject, body: body, expect: t.seq}})
	if errors.Is(err, errConflict) || errors.Is(err, ErrAway) {
		// It may be this one that was stored.
		s, lookErr := t.b.last(t.b.ctx, t.subject)
		switch {
		case lookErr != nil:
			return errors.Join(err, lookErr)
		case string(s.body) == string(body):
			seq, err = s.seq, nil
		case errors.Is(err, errConflict):
			return errRenewed
		}
	}
	if err != nil {
		return err
	}
	t.seq = seq
	return nil
}
