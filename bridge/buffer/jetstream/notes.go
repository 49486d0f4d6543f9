package jetstream

import (
	"bytes"
	"context"
	"errors"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// Note implements buffer.Notes.
func (b *Buffer) Note(subject, key string) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, errClosed
	}
	return plain(b.docs[noteSubject(subject, key)].body), nil
}

// SetNote implements buffer.Notes. The last of several instances counts.
func (b *Buffer) SetNote(subject, key string, value []byte) error {
	if err := buffer.CheckNote(subject, key, value); err != nil {
		return err
	}
	if err := b.alive(); err != nil {
		return err
	}
	return b.set(b.ctx, noteSubject(subject, key), value)
}

// set writes a value in the place of whatever stands there.
func (b *Buffer) set(ctx context.Context, subject string, value []byte) error {
	p := put{subject: subject}
	if value != nil {
		p.body = append([]byte{'='}, value...) // an empty one is not a forgotten one
	}
	for {
		if err := b.write(ctx, p); !errors.Is(err, errConflict) {
			return err
		}
	}
}

// plain is the value of a state that set has written.
func plain(body []byte) []byte {
	if len(body) == 0 {
		return nil
	}
	return bytes.Clone(body[1:])
}
