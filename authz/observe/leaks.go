package observe

import (
	"github.com/prometheus/client_golang/prometheus"
)

// leakOutcomes are those of a look-up of a new password among leaked ones: it is one of them, it is not, the service
// did not answer as it should.
var leakOutcomes = []string{"found", "clean", "failed"}

func newLeakMetrics(registry *prometheus.Registry) (map[string]prometheus.Counter, error) {
	lookups := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "authzd_password_leak_lookups_total", Help: "Look-ups of a new password among leaked ones.",
	}, []string{"outcome"})
	return counters(lookups, leakOutcomes), registry.Register(lookups)
}

// CountLeakLookup counts a look-up of a new password among leaked ones by its outcome.
func (o *Observer) CountLeakLookup(outcome string) { count(o.metrics.leaks, outcome) }
