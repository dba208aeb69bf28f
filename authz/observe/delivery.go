package observe

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Outcomes of an attempt to deliver a logout token (OpenID Connect Back-Channel Logout 1.0) or a mail.
const (
	Delivered        = "delivered"
	DeliveryUnwanted = "unwanted" // the client is gone, or has no address for it any more
	DeliveryFailed   = "failed"   // it will be tried again
	DeliveryRefused  = "refused"  // for good: by the client with status 400, by the mail server with an answer of 5xx
	DeliveryBlocked  = "blocked"  // the address is none that may be called
	DeliveryGivenUp  = "given_up" // it has failed for too long
)

var (
	logoutOutcomes = []string{Delivered, DeliveryUnwanted, DeliveryFailed, DeliveryRefused, DeliveryBlocked, DeliveryGivenUp}
	mailOutcomes   = []string{Delivered, DeliveryFailed, DeliveryRefused, DeliveryGivenUp}
)

// deliveryMetrics are those of one kind of delivery.
type deliveryMetrics struct {
	outcomes map[string]prometheus.Counter
	backlog  prometheus.Gauge
}

func newLogoutMetrics(registry *prometheus.Registry) (deliveryMetrics, error) {
	return newDeliveryMetrics(registry, logoutOutcomes,
		prometheus.CounterOpts{Name: "authzd_logout_tokens_total", Help: "Attempts to deliver a logout token."},
		prometheus.GaugeOpts{Name: "authzd_logout_backlog", Help: "Logout tokens that are still to be delivered, counted every minute up to 10000."})
}

func newMailMetrics(registry *prometheus.Registry) (deliveryMetrics, error) {
	return newDeliveryMetrics(registry, mailOutcomes,
		prometheus.CounterOpts{Name: "authzd_mails_total", Help: "Attempts to send a mail."},
		prometheus.GaugeOpts{Name: "authzd_mail_backlog", Help: "Mails that are still to be sent, counted every minute up to 10000."})
}

func newDeliveryMetrics(registry *prometheus.Registry, outcomes []string, attempts prometheus.CounterOpts, backlog prometheus.GaugeOpts) (m deliveryMetrics, err error) {
	vec := prometheus.NewCounterVec(attempts, []string{"outcome"})
	m.backlog = prometheus.NewGauge(backlog)
	m.outcomes = counters(vec, outcomes)
	for _, c := range []prometheus.Collector{vec, m.backlog} {
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

// CountMail counts an attempt to send a mail by one of the outcomes.
func (o *Observer) CountMail(outcome string) { count(o.metrics.mails.outcomes, outcome) }

// SetMailBacklog sets how many mails wait.
func (o *Observer) SetMailBacklog(n int) { o.metrics.mails.backlog.Set(float64(n)) }
