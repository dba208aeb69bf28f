package main

import (
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/authzd/authzd/authz/bearer"
)

// registerFeedMetrics exports how well the issuer's revocation feed is followed.
func registerFeedMetrics(registry *prometheus.Registry, stats func() bearer.FollowerStats) {
	gauge := func(name, help string, value func(bearer.FollowerStats) float64) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "authzd_feed_" + name, Help: help},
			func() float64 { return value(stats()) }))
	}
	gauge("age_seconds", "Time since the revocation feed was read last.", func(s bearer.FollowerStats) float64 { return s.Age.Seconds() })
	gauge("entries", "Entries of the revocation feed that count now.", func(s bearer.FollowerStats) float64 { return float64(s.Entries) })
	gauge("lost", "1: the revocation feed can't be read, and revocations.lost decides.", func(s bearer.FollowerStats) float64 {
		if s.State == bearer.FeedLost {
			return 1
		}
		return 0
	})
	counters := func(name, label, help string, of func(bearer.FollowerStats) map[string]uint64) {
		for _, value := range slices.Sorted(maps.Keys(of(stats()))) {
			registry.MustRegister(prometheus.NewCounterFunc(
				prometheus.CounterOpts{Name: "authzd_feed_" + name, Help: help, ConstLabels: prometheus.Labels{label: value}},
				func() float64 { return float64(of(stats())[value]) }))
		}
	}
	counters("loads_total", "outcome", "Answers of the revocation feed.", func(s bearer.FollowerStats) map[string]uint64 { return s.Loads })
	counters("refused_total", "by", "What the revocation feed has ended, by the claim that it named.", func(s bearer.FollowerStats) map[string]uint64 { return s.Refused })
}
