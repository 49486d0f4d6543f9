package jetstream

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/buffertest"
)

// BenchmarkAppend stores batches of one record, and of as many as a page may have.
func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			open := on(serve(b))
			store, err := open(buffertest.Options{MaxSize: 1 << 30, Retain: time.Hour, Now: time.Now})
			if err != nil {
				b.Fatal(err)
			}
			defer store.Close()
			raw := make([]byte, 4000)
			records := 0
			for i := range b.N {
				batch := buffer.Batch{Source: "s", Checkpoint: fmt.Append(nil, i)}
				for j := range n {
					batch.Records = append(batch.Records, buffer.Record{API: "alerts", Key: fmt.Sprint(i, j), Pulled: time.Now(), Raw: raw})
				}
				records += n
				if _, err := store.Append(context.Background(), batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
