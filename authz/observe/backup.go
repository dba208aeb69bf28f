package observe

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// ShowBackups exports the time of the newest scheduled backup (zero if there is none), its size in bytes, and
// the number of failed attempts. An error means that they are exported already.
func (o *Observer) ShowBackups(status func() (newest time.Time, bytes int64, failures uint64)) error {
	newest := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "authzd_backup_newest_timestamp_seconds", Help: "Unix time of the newest scheduled backup in the folder; 0: there is none.",
	}, func() float64 {
		made, _, _ := status()
		if made.IsZero() {
			return 0
		}
		return float64(made.Unix())
	})
	size := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "authzd_backup_newest_bytes", Help: "Size of the newest scheduled backup in the folder.",
	}, func() float64 {
		_, bytes, _ := status()
		return float64(bytes)
	})
	failures := prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "authzd_backup_failures_total", Help: "Scheduled backups that failed.",
	}, func() float64 {
		_, _, failures := status()
		return float64(failures)
	})
	for _, c := range []prometheus.Collector{newest, size, failures} {
		if err := o.registry.Register(c); err != nil {
			return err
		}
	}
	return nil
}
