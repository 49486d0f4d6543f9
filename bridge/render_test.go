package bridge

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/delivery"
	"github.com/siembridge/siembridge/bridge/emulator"
)

// BenchmarkRender makes frames of a thousand different records in turn: one record again and again would be foretold by
// the processor. An operation is one record.
func BenchmarkRender(b *testing.B) {
	for _, shape := range []string{"detections", "alerts", "graph-alerts"} {
		generator, now := emulator.NewGenerator(1, false), time.Now()
		records := make([]buffer.Record, 1000)
		for i := range records {
			raw := generator.Record(shape, now.Add(time.Duration(i)*time.Millisecond)).JSON()
			records[i] = buffer.Record{Source: "in", API: shape, Key: fmt.Sprint(i), Pulled: now, Raw: raw}
		}
		for _, format := range []string{"cef:0", "leef:2.0", "json"} {
			b.Run(shape+"/"+format, func(b *testing.B) {
				c, err := config.Parse("bench", fmt.Sprintf("state_dir = \"/nowhere\"\n[[source]]\nname = \"in\"\napi = \"file\"\npath = \"-\"\n"+
					"[[destination]]\nname = \"siem\"\ntype = \"generic\"\naddress = \"127.0.0.1:1\"\nformat = %q\ntransport = \"tcp\"\nheader = \"rfc3164\"\nframing = \"newline\"\n", format))
				if err != nil {
					b.Fatal(err)
				}
				p, err := NewPipeline(&c.Destinations[0], c.Sources, "bench")
				if err != nil {
					b.Fatal(err)
				}
				p.Metrics = delivery.NewMetrics(prometheus.NewRegistry())
				renderer := p.Renderer()
				var frame []byte
				i, size := 0, 0
				b.ReportAllocs()
				for b.Loop() {
					if frame, _, _ = renderer.Render(frame[:0], &records[i%len(records)]); len(frame) == 0 {
						b.Fatal("no frame")
					}
					size += len(frame)
					i++
				}
				b.ReportMetric(float64(size)/float64(i), "B/frame")
			})
		}
	}
}
