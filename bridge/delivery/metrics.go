package delivery

import (
	"maps"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the metrics of all destinations.
type Metrics struct {
	events, resent, unconfirmed, filtered *prometheus.CounterVec
	shortened                             *prometheus.CounterVec
	up, stalled                           *prometheus.GaugeVec
	latency                               *prometheus.HistogramVec

	mu        sync.Mutex
	latencies map[string]LatencyTotal // what latency has in all, since a histogram does not tell
}

// NewMetrics registers the metrics of destinations.
func NewMetrics(r prometheus.Registerer) *Metrics {
	one := []string{"destination"}
	counter := func(name, help string, labels []string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		r.MustRegister(c)
		return c
	}
	gauge := func(name, help string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, one)
		r.MustRegister(g)
		return g
	}
	m := &Metrics{
		latencies:   map[string]LatencyTotal{},
		events:      counter("siembridge_delivered_events_total", "Events that the receiver confirmed.", one),
		resent:      counter("siembridge_resent_events_total", "Events sent again because they were not confirmed.", one),
		unconfirmed: counter("siembridge_unconfirmed_connections_total", "Connections that ended before everything on them was confirmed.", one),
		filtered:    counter("siembridge_filtered_events_total", "Events kept back by the destination's filter.", one),
		shortened:   counter("siembridge_shortened_events_total", "Events in which a key was cut or left out, by key.", []string{"destination", "key"}),
		up:          gauge("siembridge_destination_up", "1 when the last connection to the receiver worked."),
		stalled:     gauge("siembridge_destination_stalled", "1 while the receiver takes nothing although its TCP answers."),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "siembridge_delivery_latency_seconds",
			Help:    "From Microsoft's own time on the alert to its confirmation by the receiver.",
			Buckets: []float64{0.1, 0.5, 1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 14400, 86400}}, one),
	}
	r.MustRegister(m.latency)
	return m
}

// Destination makes the metrics of one destination exist from the start.
func (m *Metrics) Destination(name string) {
	for _, c := range []*prometheus.CounterVec{m.events, m.resent, m.unconfirmed, m.filtered} {
		c.WithLabelValues(name)
	}
	m.up.WithLabelValues(name)
	m.stalled.WithLabelValues(name)
}

// Forget ends the series of a destination that is no more.
func (m *Metrics) Forget(name string) {
	of := prometheus.Labels{"destination": name}
	for _, c := range []*prometheus.CounterVec{m.events, m.resent, m.unconfirmed, m.filtered, m.shortened} {
		c.DeletePartialMatch(of)
	}
	m.up.DeletePartialMatch(of)
	m.stalled.DeletePartialMatch(of)
	m.latency.DeletePartialMatch(of)
	m.mu.Lock()
	delete(m.latencies, name)
	m.mu.Unlock()
}

func (m *Metrics) delivered(name string, items []item) {
	now, filtered := time.Now(), 0
	latency, events := m.latency.WithLabelValues(name), 0
	var total LatencyTotal
	for i := range items {
		if items[i].events == 0 {
			filtered++
			continue
		}
		events += items[i].events
		if !items[i].since.IsZero() {
			seconds := max(0, now.Sub(items[i].since).Seconds()) // Microsoft's clock may be ahead
			latency.Observe(seconds)
			total.add(LatencyTotal{seconds, 1})
		}
	}
	m.mu.Lock()
	total.add(m.latencies[name])
	m.latencies[name] = total
	m.mu.Unlock()
	m.events.WithLabelValues(name).Add(float64(events))
	m.filtered.WithLabelValues(name).Add(float64(filtered))
}

func (m *Metrics) state(name string, s State) {
	up, stalled := 0.0, 0.0
	switch s {
	case StateUp:
		up = 1
	case StateStalled:
		up, stalled = 1, 1
	}
	m.up.WithLabelValues(name).Set(up)
	m.stalled.WithLabelValues(name).Set(stalled)
}

// Shortened counts the keys of one event that were cut or left out.
func (m *Metrics) Shortened(name string, keys []string) {
	for _, key := range keys {
		m.shortened.WithLabelValues(name, key).Inc()
	}
}

// LatencyTotal is the sum of the delivery latencies of a destination, in seconds, and their number.
type LatencyTotal struct {
	Sum   float64 // seconds
	Count uint64  // events
}

func (t *LatencyTotal) add(other LatencyTotal) {
	t.Sum += other.Sum
	t.Count += other.Count
}

// Latency returns the delivery latency of each destination since the start.
func (m *Metrics) Latency() map[string]LatencyTotal {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.latencies)
}
