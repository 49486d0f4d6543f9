package disk_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/disk"
)

// A source appends, a destination takes and releases. What was appended before is recognised, and what was taken and not
// released comes again after the next opening.
func Example() {
	dir, err := os.MkdirTemp("", "siembridge-example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	record := func(id string) buffer.Record {
		raw := []byte(`{"id":"` + id + `"}`)
		sum := sha256.Sum256(raw)
		return buffer.Record{API: "graph-alerts", Key: id, Changed: time.Unix(1_790_000_000, 0), Hash: buffer.Hash(sum[:16]),
			Pulled: time.Unix(1_790_000_060, 0), Raw: raw}
	}
	open := func() (*disk.Buffer, buffer.Queue) {
		b, err := disk.Open(disk.Options{Dir: dir})
		if err != nil {
			panic(err)
		}
		q, err := b.Queue(buffer.Destination{Name: "qradar"})
		if err != nil {
			panic(err)
		}
		return b, q
	}

	b, q := open()
	fmt.Println(b.Append(ctx, buffer.Batch{Source: "contoso", Records: []buffer.Record{record("da1"), record("da2")}, Checkpoint: []byte("10:11")}))
	fmt.Println(b.Append(ctx, buffer.Batch{Source: "contoso", Records: []buffer.Record{record("da2")}}))
	var taken buffer.Taken
	err = q.Take(ctx, &taken, 10, 1<<20)
	fmt.Println(len(taken.Records), err)
	fmt.Println(q.Release(ctx, []uint64{taken.Records[0].Number}), b.Close())

	b, q = open()
	err = q.Take(ctx, &taken, 10, 1<<20)
	fmt.Println(taken.Records[0].Key, err)
	checkpoint, err := b.Checkpoint("contoso")
	fmt.Printf("%s %v %v\n", checkpoint, err, b.Close())
	// Output:
	// {2 0 0} <nil>
	// {0 0 1} <nil>
	// 2 <nil>
	// <nil> <nil>
	// da2 <nil>
	// 10:11 <nil> <nil>
}
