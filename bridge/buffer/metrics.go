package buffer

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics gives a buffer's metrics when they are asked for. It is a prometheus.Collector.
type Metrics struct {
	Usage  func() Usage            // asked for each gathering, as is the rest
	Queues func() map[string]Queue // those that are open, by destination
	Now    func() time.Time        // what ages count from
}

var (
	bytesDesc = prometheus.NewDesc("siembridge_buffer_bytes",
		"Bytes that the buffer takes, delivered records that are retained included.", nil, nil)
	recordsDesc = prometheus.NewDesc("siembridge_buffer_records",
		"Records that a destination has yet to deliver.", []string{"destination"}, nil)
	oldestDesc = prometheus.NewDesc("siembridge_oldest_pending_seconds",
		"Seconds since the oldest record that a destination has yet to deliver was pulled; 0 when there is none.",
		[]string{"destination"}, nil)
	droppedDesc = prometheus.NewDesc("siembridge_dropped_records_total",
		"Records dropped because the buffer was full and the destination behind.", []string{"destination"}, nil)
)

// Describe implements prometheus.Collector.
func (m Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{bytesDesc, recordsDesc, oldestDesc, droppedDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m Metrics) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.MustNewConstMetric(bytesDesc, prometheus.GaugeValue, float64(m.Usage().Bytes))
	for name, q := range m.Queues() {
		p, age := q.Pending(), 0.0
		if !p.Oldest.IsZero() {
			age = max(0, m.Now().Sub(p.Oldest).Seconds())
		}
		ch <- prometheus.MustNewConstMetric(recordsDesc, prometheus.GaugeValue, float64(p.Records), name)
		ch <- prometheus.MustNewConstMetric(oldestDesc, prometheus.GaugeValue, age, name)
		ch <- prometheus.MustNewConstMetric(droppedDesc, prometheus.CounterValue, float64(p.Dropped), name)
	}
}
