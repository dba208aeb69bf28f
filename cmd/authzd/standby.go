package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/config"
	"github.com/authzd/authzd/storage/ship"
)

func newStandbyCommand(of *program) *cobra.Command {
	var file string
	var decryption decryptionFlags
	cmd := &cobra.Command{
		Use:   "standby",
		Short: "follow what another authzd ships, ready to take over from it",
		Long: `Keep the database of the configuration the same as the one whose changes arrive at storage.bolt.ship.to,
until "authzd promote" is run on this machine; then serve. Until then only admin.socket and admin.listen
answer: alive and not ready, with the lag. Start it in place of "authzd serve" with a configuration that
differs from the primary's in nothing but where this machine keeps its files, and with the same secret.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			defer holdHangups()()
			cfg, err := of.loadShipping(file)
			if err != nil {
				return err
			}
			identities, err := decryption.identities(cmd)
			if err != nil {
				return err
			}
			from, err := openDestination(cfg.Keeping, cfg.Storage.Bolt.Ship.To)
			if err != nil {
				return err
			}
			secret, err := readShipSecret(cfg.Keeping)
			if err != nil {
				return err
			}
			promoted, err := runStandby(cmd, cfg.Keeping, ship.FollowConfig{
				From: from, Secret: shipSecret(secret), Identities: identities, Path: cfg.Storage.Bolt.Path, KeepSize: cfg.Storage.Bolt.KeepSize, Folder: shipFolder(cfg.Keeping), Every: cfg.Storage.Bolt.Ship.Every,
			})
			if err != nil || !promoted {
				return err
			}
			return cfg.serve(cmd.Context(), serveOptions{log: cmd.ErrOrStderr()})
		},
	}
	of.addConfigFlag(cmd, &file)
	decryption.add(cmd)
	return cmd
}

// loadShipping loads a configuration with a destination for changes.
func (of *program) loadShipping(file string) (*loaded, error) {
	cfg, err := of.load(file)
	if err == nil && (cfg.Storage.Bolt.Ship.To == "" || cfg.Storage.Postgres.URL != "") {
		return nil, usageError{errors.New("the configuration ships nothing"), "set storage.bolt.ship.to to where the primary ships"}
	}
	return cfg, err
}

// runStandby follows until ctx ends, or the standby is promoted.
func runStandby(cmd *cobra.Command, cfg *config.Keeping, c ship.FollowConfig) (promoted bool, err error) {
	tune()
	logger, endLog, err := openLog(cmd.ErrOrStderr(), &cfg.Log)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, endLog()) }()
	c.Logger = logger
	follower, err := ship.Follow(c)
	if errors.Is(err, ship.ErrOwnDatabase) {
		return false, hinted{err, "move it away: a standby makes its own"}
	}
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, follower.Close()) }()
	s := &standby{follower: follower, metrics: prometheus.NewRegistry(), logger: logger, promoted: make(chan struct{})}
	s.registerMetrics()
	doors, err := s.openDoors(cfg, newWatch(s.metrics, logger))
	if err != nil {
		return false, err
	}
	logger.Info("standing by", "from", c.From.String())
	return s.run(cmd.Context(), doors)
}

// standby is the server of a process that serves nobody yet.
type standby struct {
	follower *ship.Follower
	metrics  *prometheus.Registry
	logger   *slog.Logger
	promoted chan struct{} // closed when it is
}

func (s *standby) openDoors(cfg *config.Keeping, watch *watch) ([]door, error) {
	o := opening{watch: watch}
	if cfg.Admin.Listen != "" {
		o.tcp(cfg.Admin.Listen, newHTTPServer(s.routes(), watch))
	}
	if cfg.Admin.Socket != "" {
		local := s.routes()
		local.HandleFunc("POST /promote", s.promote)
		server := newHTTPServer(local, watch)
		server.WriteTimeout = promoteTimeout
		o.unix(operatorSocket, cfg.Admin.Socket, server)
	}
	return o.all()
}

// routes are those that the operator's listeners offer to everybody.
func (s *standby) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.HandleFunc("GET /healthz", s.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("/v1/", refuseToAdminister)
	return mux
}

// refuseToAdminister answers in place of the admin API, in its form: changes are made at the primary.
func refuseToAdminister(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusServiceUnavailable)
	_ = json.NewEncoder(w).Encode(admin.Problem{ // the caller may have gone
		Type:   "urn:authzd:problem:" + admin.CodeUnavailable,
		Title:  http.StatusText(http.StatusServiceUnavailable),
		Status: http.StatusServiceUnavailable,
		Code:   admin.CodeUnavailable,
		Detail: "This machine is a standby.",
		Hint:   `ask the primary; if it is gone, use "authzd promote" to let this machine take over`,
	})
}

// standbyStatus describes a standby.
type standbyStatus struct {
	Status     string     `json:"status"`
	LagSeconds float64    `json:"lag_seconds,omitempty"` // missing: it has nothing yet
	Until      *time.Time `json:"until,omitempty"`       // it has everything committed by then
	Sequence   uint64     `json:"sequence"`
	Error      string     `json:"error,omitempty"`
}

func (s *standby) ready(w http.ResponseWriter, _ *http.Request) {
	f := s.follower.Status()
	answer := standbyStatus{Status: "standby", Sequence: f.Sequence}
	if !f.Until.IsZero() {
		answer.LagSeconds, answer.Until = f.Lag(time.Now()).Seconds(), &f.Until
	}
	if f.Failing != nil {
		answer.Error = f.Failing.Error()
	}
	writeJSON(w, http.StatusServiceUnavailable, answer)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the caller may have gone
}

// promoteTimeout is how long a take-over may take: it reads the rest, which may be a snapshot.
const promoteTimeout = 10 * time.Minute

// promotionFailed is the answer to a failed promotion.
type promotionFailed struct {
	Error string `json:"error"`
	Lost  bool   `json:"lost,omitempty"` // another one was promoted
}

func (s *standby) promote(w http.ResponseWriter, r *http.Request) {
	// The caller may go away, but the take-over must not stop half-way because of that.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), promoteTimeout)
	defer cancel()
	p, err := s.follower.Promote(ctx)
	if err != nil {
		lost := errors.Is(err, ship.ErrPromoted) || errors.As(err, new(*ship.FencedError))
		writeJSON(w, http.StatusServiceUnavailable, promotionFailed{err.Error(), lost})
		return
	}
	writeJSON(w, http.StatusOK, p)
	close(s.promoted)
}

func (s *standby) registerMetrics() {
	gauge := func(name, help string, value func(ship.FollowStatus) float64) {
		s.metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "authzd_standby_" + name, Help: help},
			func() float64 { return value(s.follower.Status()) }))
	}
	gauge("lag_seconds", "How far the standby is behind the primary.", func(f ship.FollowStatus) float64 { return f.Lag(time.Now()).Seconds() })
	gauge("sequence", "Number of the newest group of changes that the standby has.", func(f ship.FollowStatus) float64 { return float64(f.Sequence) })
	gauge("failing", "1 if the standby makes no progress.", func(f ship.FollowStatus) float64 { return oneIf(f.Failing != nil) })
}

// run follows and answers until ctx ends or the standby is promoted.
func (s *standby) run(ctx context.Context, doors []door) (promoted bool, err error) {
	group, ctx := errgroup.WithContext(ctx)
	ctx, end := context.WithCancel(ctx)
	defer end()
	group.Go(func() error { return s.follower.Run(ctx) })
	for _, d := range doors {
		group.Go(func() error {
			if err := d.serve(); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("listener %s: %w", d.listener.Addr(), err)
			}
			return nil
		})
	}
	group.Go(func() error {
		select {
		case <-s.promoted:
			promoted = true
		case <-ctx.Done():
		}
		end()
		return drain(doors, drainTimeout, s.logger)
	})
	err = group.Wait()
	return promoted, err
}
