package entra

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the package's metrics.
type Metrics struct {
	expiry *prometheus.GaugeVec
}

// NewMetrics registers the package's metrics.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{expiry: prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "siembridge_token_expiry_timestamp_seconds",
		Help: "When the source's access token ends, as Unix time.",
	}, []string{"source"})}
	r.MustRegister(m.expiry)
	return m
}

// Expiry returns the function that a Cache tells its token's end.
func (m *Metrics) Expiry(source string) func(time.Time) {
	if m == nil {
		return nil
	}
	return func(t time.Time) { m.expiry.WithLabelValues(source).Set(float64(t.Unix())) }
}

// Forget removes the metrics of a source that is no longer configured.
func (m *Metrics) Forget(source string) {
	if m != nil {
		m.expiry.DeleteLabelValues(source)
	}
}
