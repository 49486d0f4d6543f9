package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"sync"

	bolt "go.etcd.io/bbolt"

	"github.com/siembridge/siembridge/bridge/buffer"
)

const (
	quarantineRecords = 10_000
	quarantineBytes   = 64 << 20
	maxReason         = 1024
)

var (
	bucketRecords = []byte("records") // id -> stamp, length of the reason uint16, reason, frame of the record
	bucketTotals  = []byte("totals")  // keyTotals -> records, bytes, dropped: uint64 each
	keyTotals     = []byte("totals")
)

// quarantine is a file of its own, so that neither its size nor its damage touches the index. It is opened when it is
// first used.
type quarantine struct {
	mu   sync.Mutex
	path string
	opts Options
	db   *bolt.DB
	end  bool // closed
}

var _ buffer.Quarantine = (*quarantine)(nil)

// Quarantine returns the buffer's quarantine. It may be used until the buffer is closed.
func (b *Buffer) Quarantine() buffer.Quarantine { return &b.quarantine }

func (q *quarantine) open(path string, opts Options) { q.path, q.opts = path, opts }

func (q *quarantine) close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.end = true
	if q.db == nil {
		return nil
	}
	return closeIndex(q.db)
}

// totals of what is set aside.
type totals struct{ records, bytes, dropped uint64 }

// with runs f on the file, and sets a damaged one aside and begins anew.
func (q *quarantine) with(f func(db *bolt.DB) error) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.end {
		return buffer.ErrClosed
	}
	err := q.ready()
	if err == nil {
		if err = guard(func() error { return f(q.db) }); !errors.Is(err, errIndexDamaged) {
			return explain(q.path, err)
		}
	}
	if !errors.Is(err, errIndexDamaged) {
		return err
	}
	if q.db != nil {
		closeIndex(q.db)
		q.db = nil
	}
	aside, asideErr := setAside(q.path, q.opts.Now())
	if asideErr != nil {
		return errors.Join(err, asideErr)
	}
	q.opts.Logger.Error("the quarantine is damaged and begins anew", "cause", err, "aside", aside)
	if err := q.ready(); err != nil {
		return err
	}
	return explain(q.path, guard(func() error { return f(q.db) }))
}

func (q *quarantine) ready() (err error) {
	if q.db != nil {
		return nil
	}
	if q.db, err = openIndex(q.path, q.opts.Simulated); err != nil {
		return err
	}
	err = update(q.db, q.opts.Transaction, func(tx *bolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(bucketRecords)
		if err != nil {
			return err
		}
		_, err = tx.CreateBucketIfNotExists(bucketTotals)
		return err
	})
	if err != nil {
		closeIndex(q.db)
		q.db = nil
	}
	return err
}

// update runs f in a transaction of its own. One that is reported as failed may have happened.
func (q *quarantine) update(f func(tx *bolt.Tx) error) error {
	return q.with(func(db *bolt.DB) error { return update(db, q.opts.Transaction, f) })
}

// view runs f in a transaction that reads.
func (q *quarantine) view(f func(tx *bolt.Tx) error) error {
	return q.with(func(db *bolt.DB) error { return db.View(f) })
}

// Put implements buffer.Quarantine.
func (q *quarantine) Put(r buffer.Record, reason string) (id uint64, err error) {
	if err := r.CheckAside(); err != nil {
		return 0, err
	}
	reason = reason[:min(len(reason), maxReason)]
	value := binary.LittleEndian.AppendUint64(nil, uint64(stamp(q.opts.Now())))
	value = binary.LittleEndian.AppendUint16(value, uint16(len(reason)))
	value = append(value, reason...)
	value = append(appendRecord(value, 0, &r), r.Raw...)
	err = q.update(func(tx *bolt.Tx) error {
		records, t := tx.Bucket(bucketRecords), readTotals(tx)
		for t.records > 0 && (t.records >= quarantineRecords || t.bytes+uint64(len(value)) > quarantineBytes) {
			oldest, v := records.Cursor().First()
			if oldest == nil {
				t.records, t.bytes = 0, 0
				break
			}
			t = totals{t.records - 1, t.bytes - min(t.bytes, uint64(len(v))), t.dropped + 1}
			if err := records.Delete(bytes.Clone(oldest)); err != nil {
				return err
			}
		}
		if id, err = records.NextSequence(); err != nil {
			return err
		}
		t.records, t.bytes = t.records+1, t.bytes+uint64(len(value))
		return errors.Join(records.Put(bigEndian(id), value), writeTotals(tx, t))
	})
	return id, err
}

// List implements buffer.Quarantine.
func (q *quarantine) List() (list []buffer.Quarantined, err error) {
	err = q.view(func(tx *bolt.Tx) error {
		list = nil
		return tx.Bucket(bucketRecords).ForEach(func(id, value []byte) error {
			one, err := parseQuarantined(id, value)
			one.Record.Raw = nil
			list = append(list, one)
			return err
		})
	})
	return list, err
}

// Get implements buffer.Quarantine.
func (q *quarantine) Get(id uint64) (one buffer.Quarantined, ok bool, err error) {
	err = q.view(func(tx *bolt.Tx) error {
		value := tx.Bucket(bucketRecords).Get(bigEndian(id))
		if ok = value != nil; !ok {
			return nil
		}
		one, err = parseQuarantined(bigEndian(id), bytes.Clone(value))
		return err
	})
	return one, ok && err == nil, err
}

// Remove implements buffer.Quarantine.
func (q *quarantine) Remove(id uint64) error {
	return q.update(func(tx *bolt.Tx) error {
		records, t := tx.Bucket(bucketRecords), readTotals(tx)
		value := records.Get(bigEndian(id))
		if value == nil {
			return nil
		}
		t.records, t.bytes = t.records-min(t.records, 1), t.bytes-min(t.bytes, uint64(len(value)))
		return errors.Join(records.Delete(bigEndian(id)), writeTotals(tx, t))
	})
}

// Dropped implements buffer.Quarantine.
func (q *quarantine) Dropped() (n uint64) {
	err := q.view(func(tx *bolt.Tx) error {
		n = readTotals(tx).dropped
		return nil
	})
	if err != nil {
		return 0
	}
	return n
}

func readTotals(tx *bolt.Tx) totals {
	d := decoder{b: tx.Bucket(bucketTotals).Get(keyTotals)}
	return totals{d.uint64(), d.uint64(), d.uint64()}
}

func writeTotals(tx *bolt.Tx, t totals) error {
	b := binary.LittleEndian.AppendUint64(nil, t.records)
	b = binary.LittleEndian.AppendUint64(b, t.bytes)
	return tx.Bucket(bucketTotals).Put(keyTotals, binary.LittleEndian.AppendUint64(b, t.dropped))
}

func parseQuarantined(id, value []byte) (one buffer.Quarantined, err error) {
	d := decoder{b: value}
	at := int64(d.uint64())
	reason := string(d.take(min(d.uint16(), len(d.b))))
	body, _, err := parseFrame(d.b, 0)
	if err != nil || d.bad || len(id) != 8 {
		return one, damaged("a record in quarantine")
	}
	v, err := parseRecord(body)
	if err != nil {
		return one, damaged("a record in quarantine")
	}
	return buffer.Quarantined{
		ID: binary.BigEndian.Uint64(id), Record: v.record(), Reason: reason, At: fromStamp(at),
	}, nil
}
