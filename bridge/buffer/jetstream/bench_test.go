package jetstream

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
)

var natsURLs = flag.String("nats", "", "servers for the benchmark, with commas between; empty: one in this process")

// BenchmarkAppend stores batches of one record, and of as many as a page may have.
func BenchmarkAppend(b *testing.B) {
	raw := make([]byte, 4000)
	for i := range raw {
		raw[i] = byte(i*i) ^ byte(i>>3)
	}
	for _, n := range []int{1, 10, 100, 400} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			o := Options{Replicas: 3, URLs: strings.Split(*natsURLs, ",")}
			if *natsURLs == "" {
				o = Options{Replicas: 1, URLs: []string{serve(b).ClientURL()}}
			}
			store, err := Open(o)
			if err != nil {
				b.Fatal(err)
			}
			defer store.Close()
			records, run := 0, time.Now().UnixNano()
			for b.Loop() {
				batch := buffer.Batch{Source: "s", Checkpoint: fmt.Append(nil, records)}
				for range n {
					batch.Records = append(batch.Records, buffer.Record{API: "alerts", Key: fmt.Sprint(run, records), Pulled: time.Now(), Raw: raw})
					records++
				}
				if _, err := store.Append(context.Background(), batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
