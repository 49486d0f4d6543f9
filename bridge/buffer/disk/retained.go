package disk

import (
	"bytes"
	"errors"
	"io/fs"
	"slices"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
)

var _ buffer.Retained = (*Buffer)(nil)

// Retained implements buffer.Retained. A part that is damaged is passed over; the error says so at the end.
func (b *Buffer) Retained(from, to time.Time, f func(buffer.Record) bool) error {
	b.mu.Lock()
	segments := slices.Clone(b.segments)
	b.mu.Unlock()
	first, last, stopped := stamp(from), stamp(to), false
	var errs []error
	for _, s := range segments {
		if s.newest < first {
			continue
		}
		err := b.eachRecord(s, segmentHeader, func(v *recordView) bool {
			if v.pulled < first || v.pulled >= last {
				return true
			}
			r := v.record()
			r.Raw = bytes.Clone(r.Raw)
			stopped = !f(r)
			return !stopped
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
		if stopped {
			break
		}
	}
	return errors.Join(errs...)
}
