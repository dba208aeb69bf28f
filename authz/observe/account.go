package observe

import (
	"github.com/prometheus/client_golang/prometheus"
)

// accountMetrics counts what happens to people's accounts, by event and detail.
type accountMetrics map[string]map[string]prometheus.Counter

func newAccountMetrics(registry *prometheus.Registry, events map[string][]string) (accountMetrics, error) {
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "authzd_account_events_total", Help: "Events about people's accounts that this process has sealed into the audit log: add up all replicas.",
	}, []string{"event", "detail"})
	m := make(accountMetrics)
	for event, details := range events {
		if len(details) == 0 {
			m[event] = map[string]prometheus.Counter{other: vec.WithLabelValues(event, "")}
			continue
		}
		m[event] = counters(vec.MustCurryWith(prometheus.Labels{"event": event}), details)
	}
	return m, registry.Register(vec)
}

// CountAccountEvent counts an event that Config.AccountEvents has. A detail that it does not have is counted as "other".
func (o *Observer) CountAccountEvent(event, detail string) {
	if details, known := o.metrics.accounts[event]; known {
		count(details, detail)
	}
}
