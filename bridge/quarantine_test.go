package bridge

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/delivery"
)

// TestForcedRetryLeavesQuarantine: what still cannot be read and is sent in the minimal form is not set aside anew.
func TestForcedRetryLeavesQuarantine(t *testing.T) {
	r := newResending(t)
	quarantine := r.buffer.Quarantine()
	id, err := quarantine.Put(buffer.Record{Source: "a", API: "alerts", Key: "bad", Pulled: time.Now(), Raw: []byte("no JSON")}, "siem: cannot be read")
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse("test.toml", `
[[source]]
name = "a"
api = "file"
path = "-"
[[destination]]
name = "siem"
type = "qradar"
transport = "tcp"
address = "siem:514"
`)
	if err != nil {
		t.Fatal(err)
	}
	b := &Bridge{buffer: r.buffer, log: slog.New(slog.DiscardHandler), hostname: "test", shared: shared{delivery: delivery.NewMetrics(prometheus.NewRegistry()),
		quarantined: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "quarantined"}, []string{"source"})}}
	d, err := b.prepareDestination(&c.Destinations[0], c.Sources)
	if err != nil {
		t.Fatal(err)
	}
	r.queue.resend([]uint64{id})
	records := r.take(10)
	for i := range records {
		if _, events, _ := d.pipeline.Renderer().Render(nil, &records[i]); events != 1 {
			t.Errorf("%d events", events)
		}
	}
	r.release(records...)
	left, err := quarantine.List()
	if err != nil || len(records) != 1 || len(left) > 0 {
		t.Errorf("of %d sent, %d are in quarantine, %v", len(records), len(left), err)
	}
}
