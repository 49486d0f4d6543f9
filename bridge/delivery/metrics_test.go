package delivery

import (
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// TestLatencyTotals: each delivered record counts once, from Microsoft's time on; one that was filtered, or has no time,
// does not; a destination that is no more is forgotten.
func TestLatencyTotals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMetrics(prometheus.NewRegistry())
		ago := func(seconds int) time.Time { return time.Now().Add(-time.Duration(seconds) * time.Second) }
		m.delivered("a", []item{{events: 1, since: ago(40)}, {events: 2, since: ago(2)}, {events: 0, since: ago(100)}, {events: 1}})
		m.delivered("a", []item{{events: 1, since: ago(8)}})
		m.delivered("b", []item{{events: 1, since: ago(1)}})
		want := map[string]LatencyTotal{"a": {Sum: 50, Count: 3}, "b": {Sum: 1, Count: 1}}
		if got := m.Latency(); !maps.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		m.Forget("a")
		delete(want, "a")
		if got := m.Latency(); !maps.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	})
}
