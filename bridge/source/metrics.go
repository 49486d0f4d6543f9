package source

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the metrics of all sources.
type Metrics struct {
	records, duplicates             *prometheus.CounterVec
	errors                          *prometheus.CounterVec
	last, coverageEnd, coverageHole *prometheus.GaugeVec
}

// NewMetrics registers the metrics of sources.
func NewMetrics(r prometheus.Registerer) *Metrics {
	one := []string{"source"}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		r.MustRegister(c)
		return c
	}
	gauge := func(name, help string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, one)
		r.MustRegister(g)
		return g
	}
	return &Metrics{
		records:      counter("siembridge_pulled_records_total", "Records pulled and stored: new ones and updates.", one...),
		duplicates:   counter("siembridge_duplicate_records_total", "Records pulled again and recognised.", one...),
		errors:       counter("siembridge_poll_errors_total", "Requests that brought nothing, by reason.", "source", "reason"),
		last:         gauge("siembridge_last_success_timestamp_seconds", "When the source's last poll came to its end, as Unix time."),
		coverageEnd:  gauge("siembridge_coverage_end_timestamp_seconds", "Up to when the source has read without a gap, as Unix time."),
		coverageHole: gauge("siembridge_coverage_holes", "Intervals that cannot be read although their neighbours can."),
	}
}

// Source makes the metrics of one source exist from the start.
func (m *Metrics) Source(name string) {
	m.records.WithLabelValues(name)
	m.duplicates.WithLabelValues(name)
	for _, r := range reasons {
		m.errors.WithLabelValues(name, string(r))
	}
}

// Forget ends the series of a source that is no more.
func (m *Metrics) Forget(name string) {
	of := prometheus.Labels{"source": name}
	for _, c := range []*prometheus.CounterVec{m.records, m.duplicates, m.errors} {
		c.DeletePartialMatch(of)
	}
	for _, g := range []*prometheus.GaugeVec{m.last, m.coverageEnd, m.coverageHole} {
		g.DeletePartialMatch(of)
	}
}

func (m *Metrics) pulled(name string, stored, known int) {
	if m == nil {
		return
	}
	m.records.WithLabelValues(name).Add(float64(stored))
	m.duplicates.WithLabelValues(name).Add(float64(known))
}

func (m *Metrics) failure(name string, r Reason) {
	if m != nil {
		m.errors.WithLabelValues(name, string(r)).Inc()
	}
}

func (m *Metrics) success(name string) {
	if m != nil {
		m.last.WithLabelValues(name).SetToCurrentTime()
	}
}

func (m *Metrics) coverage(name string, end time.Time, holes int) {
	if m == nil {
		return
	}
	m.coverageEnd.WithLabelValues(name).Set(float64(end.UnixMilli()) / 1000)
	m.coverageHole.WithLabelValues(name).Set(float64(holes))
}
