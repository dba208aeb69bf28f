package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/outbound"
	"github.com/authzd/authzd/storage"
)

// logouts is the carrier of logout tokens.
type logouts struct{ *Config }

var _ carrier = logouts{}

func (c logouts) host(ctx context.Context, d *storage.Delivery) (string, error) {
	return c.Logouts.Host(ctx, d.Logout.ClientID)
}

func (c logouts) patience() time.Duration { return c.FirstRetry }

func (c logouts) lastTry(d *storage.Delivery) time.Time { return d.Logout.EndedAt.Add(c.GiveUpAfter) }

// try signs and sends the token (Back-Channel Logout 1.0 section 2.5), and reads the answer (section 2.8):
// 200, for which some frameworks send 204, or 400, which means that the client will do nothing. Other answers
// may come from a proxy in front of it, and may change the next time.
func (c logouts) try(ctx context.Context, id string, d *storage.Delivery) result {
	address, err := c.Logouts.Address(ctx, d.Logout.ClientID)
	switch {
	case err != nil:
		return result{said: nothing, outcome: observe.DeliveryFailed, cause: fmt.Errorf("find client: %w", err)}
	case address == "":
		return result{said: nothing, outcome: observe.DeliveryUnwanted}
	}
	token, err := c.Logouts.Sign(ctx, d.Logout, id)
	if err != nil {
		return result{said: nothing, outcome: observe.DeliveryFailed, cause: fmt.Errorf("sign logout token: %w", err)}
	}
	status, err := c.Logouts.Client.PostForm(ctx, address, url.Values{"logout_token": {token}})
	switch {
	case errors.Is(err, outbound.ErrBlocked), errors.Is(err, outbound.ErrURL):
		return result{said: nothing, outcome: observe.DeliveryBlocked, cause: err}
	case err != nil:
		return result{said: failed, outcome: observe.DeliveryFailed, cause: err}
	case status >= 200 && status < 300:
		return result{said: answered, outcome: observe.Delivered}
	case status == http.StatusBadRequest:
		return result{said: answered, outcome: observe.DeliveryRefused, code: status, cause: fmt.Errorf("status %d", status)}
	}
	return result{said: failed, outcome: observe.DeliveryFailed, code: status, cause: fmt.Errorf("status %d", status)}
}

func (c logouts) report(ctx context.Context, d *storage.Delivery, r result) {
	c.Observer.CountLogout(r.outcome)
	report(ctx, c.Config, "logout token", observe.LogoutUndelivered, r,
		slog.String("client_id", d.Logout.ClientID), slog.String("sub", d.Logout.UserID), slog.Int("attempt", d.Attempts))
}

func (logouts) lost(context.Context, *storage.Delivery, result) []storage.Write { return nil }
