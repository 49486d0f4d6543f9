package disk

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
)

const benchRaw = 900

// benchBatch makes a batch of new records.
func benchBatch(from, n int, raw []byte) buffer.Batch {
	b := buffer.Batch{Source: "s", Checkpoint: []byte("checkpoint"), Records: make([]buffer.Record, n)}
	for i := range b.Records {
		b.Records[i] = buffer.Record{
			API: "detections", Key: fmt.Sprintf("da637%015d_-%d", from+i, from+i), Changed: time.Unix(int64(from+i), 0),
			Pulled: time.Unix(int64(from+i), 0), Raw: raw,
		}
	}
	return b
}

func report(b *testing.B, records int) {
	b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(float64(records)*benchRaw/1e6/b.Elapsed().Seconds(), "MB/s")
}

// BenchmarkAppend appends batches of new records, each synced.
func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			buf := open(b, Options{Dir: b.TempDir()})
			raw, at := make([]byte, benchRaw), 0
			b.ReportAllocs()
			for b.Loop() {
				if _, err := buf.Append(context.Background(), benchBatch(at, n, raw)); err != nil {
					b.Fatal(err)
				}
				at += n
			}
			report(b, at)
		})
	}
}

// BenchmarkAppendKnown appends a batch of records that are known, as each poll's look back does.
func BenchmarkAppendKnown(b *testing.B) {
	buf := open(b, Options{Dir: b.TempDir()})
	batch, n := benchBatch(0, 1000, make([]byte, benchRaw)), 0
	batch.Checkpoint = nil
	for b.Loop() {
		if _, err := buf.Append(context.Background(), batch); err != nil {
			b.Fatal(err)
		}
		n += 1000
	}
	report(b, n)
}

// load appends n new records.
func load(b *testing.B, buf *Buffer, n int) {
	b.Helper()
	raw := make([]byte, benchRaw)
	for at := 0; at < n; at += 1000 {
		if _, err := buf.Append(context.Background(), benchBatch(at, 1000, raw)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDrain takes and releases 100,000 records, a mebibyte at a time.
func BenchmarkDrain(b *testing.B) {
	const n = 100_000
	dir := b.TempDir()
	buf := open(b, Options{Dir: dir, Retain: 1e6 * time.Hour})
	openQueue(b, buf, "d0")
	for i := range 64 {
		openQueue(b, buf, fmt.Sprint("d", i))
	}
	load(b, buf, n)
	b.ReportAllocs()
	var taken buffer.Taken
	i := 0
	for b.Loop() {
		if i == 64 {
			b.Fatal("more runs than queues")
		}
		q := openQueue(b, buf, fmt.Sprint("d", i))
		for left := n; left > 0; {
			if err := q.Take(context.Background(), &taken, 2000, 1<<20); err != nil {
				b.Fatal(err)
			}
			if err := q.Release(context.Background(), numbers(taken.Records)); err != nil {
				b.Fatal(err)
			}
			left -= len(taken.Records)
		}
		i++
	}
	report(b, i*n)
}

// BenchmarkOpen opens a buffer with 100,000 pending records.
func BenchmarkOpen(b *testing.B) {
	o := Options{Dir: b.TempDir()}
	buf := open(b, o)
	openQueue(b, buf, "d")
	load(b, buf, 100_000)
	buf.Close()
	for b.Loop() {
		buf := open(b, o)
		openQueue(b, buf, "d")
		if err := buf.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
