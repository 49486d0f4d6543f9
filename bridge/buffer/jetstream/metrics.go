package jetstream

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// collector gives the buffer's metrics when they are asked for.
type collector struct{ b *Buffer }

var (
	bytesDesc = prometheus.NewDesc("siembridge_buffer_bytes",
		"Bytes of the records in the buffer, delivered ones that are retained included.", nil, nil)
	recordsDesc = prometheus.NewDesc("siembridge_buffer_records",
		"Records that a destination has yet to deliver.", []string{"destination"}, nil)
	oldestDesc = prometheus.NewDesc("siembridge_oldest_pending_seconds",
		"Seconds since the oldest record that a destination has yet to deliver was pulled; 0 when there is none.",
		[]string{"destination"}, nil)
	droppedDesc = prometheus.NewDesc("siembridge_dropped_records_total",
		"Records dropped because the buffer was full and the destination behind.", []string{"destination"}, nil)
)

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{bytesDesc, recordsDesc, oldestDesc, droppedDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.MustNewConstMetric(bytesDesc, prometheus.GaugeValue, float64(c.b.Usage().Bytes))
	for name, p := range c.b.pendings() {
		age := 0.0
		if !p.Oldest.IsZero() {
			age = max(0, c.b.o.Now().Sub(p.Oldest).Seconds())
		}
		ch <- prometheus.MustNewConstMetric(recordsDesc, prometheus.GaugeValue, float64(p.Records), name)
		ch <- prometheus.MustNewConstMetric(oldestDesc, prometheus.GaugeValue, age, name)
		ch <- prometheus.MustNewConstMetric(droppedDesc, prometheus.CounterValue, float64(p.Dropped), name)
	}
}

// pendings returns the backlog of each open queue.
func (b *Buffer) pendings() map[string]buffer.Pending {
	b.mu.Lock()
	var queues []*Queue
	for _, d := range b.destinations {
		if d.queue != nil {
			queues = append(queues, d.queue)
		}
	}
	b.mu.Unlock()
	all := make(map[string]buffer.Pending, len(queues))
	for _, q := range queues {
		all[q.d.name] = q.Pending()
	}
	return all
}
