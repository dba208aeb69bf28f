package observe

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Feed is the state of the revocation feed. The counts are since the start.
type Feed struct {
	Entries, Waiting                    int
	Window                              time.Duration
	Signatures, Full, Deltas, Unchanged int64
}

// ShowFeed exports the state of the revocation feed. An error means that it is exported already.
func (o *Observer) ShowFeed(status func() Feed) error {
	gauge := func(name, help string, value func(Feed) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return value(status()) })
	}
	answers := func(kind string, value func(Feed) int64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "authzd_revocation_answers_total", Help: "Answers of the revocation feed.", ConstLabels: prometheus.Labels{"kind": kind},
		}, func() float64 { return float64(value(status())) })
	}
	for _, c := range []prometheus.Collector{
		gauge("authzd_revocation_entries", "Entries of the complete list of revocations.", func(f Feed) float64 { return float64(f.Entries) }),
		gauge("authzd_revocation_followers_waiting", "Requests that wait for a revocation.", func(f Feed) float64 { return float64(f.Waiting) }),
		gauge("authzd_revocation_window_seconds", "How long an entry stays in the list of revocations.", func(f Feed) float64 { return f.Window.Seconds() }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "authzd_revocation_signatures_total", Help: "Documents that were signed for the revocation feed.",
		}, func() float64 { return float64(status().Signatures) }),
		answers("full", func(f Feed) int64 { return f.Full }),
		answers("delta", func(f Feed) int64 { return f.Deltas }),
		answers("unchanged", func(f Feed) int64 { return f.Unchanged }),
	} {
		if err := o.registry.Register(c); err != nil {
			return err
		}
	}
	return nil
}
