package observe

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Outcomes of an attempt to deliver a logout token (OpenID Connect Back-Channel Logout 1.0).
const (
	LogoutDelivered = "delivered"
	LogoutUnwanted  = "unwanted" // the client is gone, or has no address for it any more
	LogoutFailed    = "failed"   // it will be tried again
	LogoutRefused   = "refused"  // by the client, with status 400
	LogoutBlocked   = "blocked"  // the address is none that may be called
	LogoutGivenUp   = "given_up" // it has failed for too long
)

var logoutOutcomes = []string{LogoutDelivered, LogoutUnwanted, LogoutFailed, LogoutRefused, LogoutBlocked, LogoutGivenUp}

// logoutMetrics are those of the outbox of logout tokens.
type logoutMetrics struct {
	outcomes map[string]prometheus.Counter
	backlog  prometheus.Gauge
}

func newLogoutMetrics(registry *prometheus.Registry) (m logoutMetrics, err error) {
	attempts := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "authzd_logout_tokens_total", Help: "Attempts to deliver a logout token.",
	}, []string{"outcome"})
	m.backlog = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "authzd_logout_backlog", Help: "Logout tokens that are still to be delivered, counted every minute up to 10000.",
	})
	m.outcomes = counters(attempts, logoutOutcomes)
	for _, c := range []prometheus.Collector{attempts, m.backlog} {
		if err := registry.Register(c); err != nil {
			return m, err
		}
	}
	return m, nil
}

// CountLogout counts an attempt to deliver a logout token by one of the outcomes.
func (o *Observer) CountLogout(outcome string) { count(o.metrics.logouts.outcomes, outcome) }

// SetLogoutBacklog sets how many logout tokens wait.
func (o *Observer) SetLogoutBacklog(n int) { o.metrics.logouts.backlog.Set(float64(n)) }
