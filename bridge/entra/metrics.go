package entra

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the package's metrics.
type Metrics struct {
	expiry     *prometheus.GaugeVec
	credential *prometheus.GaugeVec
}

// NewMetrics registers the package's metrics.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{expiry: prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "siembridge_token_expiry_timestamp_seconds",
		Help: "When the source's access token ends, as Unix time.",
	}, []string{"source"})}
	m.credential = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "siembridge_credential_expiry_timestamp_seconds",
		Help: "When the source's refresh token, certificate or secret ends, as Unix time; absent where that is not known.",
	}, []string{"source"})
	r.MustRegister(m.expiry, m.credential)
	return m
}

// Expiry returns the function that a Cache tells its token's end.
func (m *Metrics) Expiry(source string) func(time.Time) {
	if m == nil {
		return func(time.Time) {}
	}
	return func(t time.Time) { m.expiry.WithLabelValues(source).Set(float64(t.Unix())) }
}

// Credential returns the function that is told when a source's credential ends; the zero time: not known.
func (m *Metrics) Credential(source string) func(time.Time) {
	return func(t time.Time) {
		switch {
		case m == nil:
		case t.IsZero():
			m.credential.DeleteLabelValues(source)
		default:
			m.credential.WithLabelValues(source).Set(float64(t.Unix()))
		}
	}
}

// Forget removes the metrics of a source that is no longer configured.
func (m *Metrics) Forget(source string) {
	if m != nil {
		m.expiry.DeleteLabelValues(source)
		m.credential.DeleteLabelValues(source)
	}
}
