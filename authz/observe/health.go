package observe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"
)

// checkTimeout bounds all checks of one probe together, below the second or two that most orchestrators wait.
const checkTimeout = time.Second

// Check checks one thing that the server needs. Ready returns nil, or why it is missing; it is cheap, and
// returns when its context ends. If an error has a method TakenOverBy() string, that is the host that has
// taken over this server's work.
type Check struct {
	Name  string // shown to probes: a word such as "storage"
	Ready func(context.Context) error
}

// Health answers an orchestrator's probes.
type Health struct {
	checks   []Check
	draining atomic.Bool
}

// NewHealth returns probes that are ready while all checks succeed.
func NewHealth(checks ...Check) *Health { return &Health{checks: checks} }

// SetDraining makes the server unready for good, so that it gets no new traffic while it finishes.
func (h *Health) SetDraining() { h.draining.Store(true) }

// health is the answer of a probe. It names the failed checks; the reasons are only for the event.
type health struct {
	Status  string   `json:"status"`
	Failing []string `json:"failing,omitempty"`
	Primary string   `json:"primary,omitempty"` // the host that has taken over
}

// Live serves /livez: 200 as long as the process can answer. A server that waits for its database must not be
// killed.
func (h *Health) Live(w http.ResponseWriter, r *http.Request) {
	writeHealth(w, r, http.StatusOK, health{Status: "ok"})
}

// Ready serves /readyz: 200, or 503 with the names of the checks that failed.
func (h *Health) Ready(w http.ResponseWriter, r *http.Request) {
	if h.draining.Load() {
		Event(r.Context()).SetOutcome("draining")
		writeHealth(w, r, http.StatusServiceUnavailable, health{Status: "draining"})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
	defer cancel()
	var failing []string
	var causes []error
	primary := ""
	for _, c := range h.checks {
		if err := c.Ready(ctx); err != nil {
			failing = append(failing, c.Name)
			causes = append(causes, fmt.Errorf("%s: %w", c.Name, err))
			if by := (interface{ TakenOverBy() string })(nil); errors.As(err, &by) {
				primary = by.TakenOverBy()
			}
		}
	}
	if failing != nil {
		Event(r.Context()).SetError("not_ready", "", errors.Join(causes...))
		writeHealth(w, r, http.StatusServiceUnavailable, health{Status: "unavailable", Failing: failing, Primary: primary})
		return
	}
	writeHealth(w, r, http.StatusOK, health{Status: "ok"})
}

func writeHealth(w http.ResponseWriter, r *http.Request, status int, body health) {
	Event(r.Context()).SetQuiet()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the prober is gone
}
