package disk

import (
	"bytes"
	"context"

	bolt "go.etcd.io/bbolt"

	"github.com/siembridge/siembridge/bridge/buffer"
)

var _ buffer.Notes = (*Buffer)(nil)

// Note implements buffer.Notes.
func (b *Buffer) Note(subject, key string) (value []byte, err error) {
	err = b.ask(context.Background(), &request{admin: func() error {
		return b.view(func(tx *bolt.Tx) error {
			value = bytes.Clone(tx.Bucket(bucketNotes).Get(noteKey(subject, key)))
			return nil
		})
	}})
	return value, err
}

// SetNote implements buffer.Notes.
func (b *Buffer) SetNote(subject, key string, value []byte) error {
	if err := buffer.CheckNote(subject, key, value); err != nil {
		return err
	}
	return b.ask(context.Background(), &request{admin: func() error {
		return b.update(func(tx *bolt.Tx) error {
			if value == nil {
				return tx.Bucket(bucketNotes).Delete(noteKey(subject, key))
			}
			return tx.Bucket(bucketNotes).Put(noteKey(subject, key), value)
		})
	}})
}

// noteKey is the length of the subject, the subject and the key.
func noteKey(subject, key string) []byte { return append(appendString(nil, subject), key...) }
