package relay

import (
	"context"
	"net/http"
	"time"

	"github.com/authzd/authzd/authz/fetch"
)

const (
	usualClientLifetime = time.Minute // of a token whose lifetime the provider does not say
	clientTokenTimeout  = 10 * time.Second
	clientTokenEarly    = 10 * time.Second // before its end it is asked for again, at most a tenth of its lifetime
)

// addClient makes the place for the client's token of a resource. All requests share one token and one fetch.
func (p *Relay) addClient(resource string) {
	if p.clients[resource] != nil {
		return
	}
	rules := fetch.Rules{Pace: fetch.Pace{Burst: 3, Every: 2 * time.Second, Retry: time.Second}, Timeout: clientTokenTimeout}
	p.clients[resource] = fetch.New(rules, func(ctx context.Context) (string, time.Duration, error) {
		token, lifetime, err := p.config.ClientToken(ctx, resource)
		if lifetime <= 0 {
			lifetime = usualClientLifetime
		}
		return token, lifetime - min(clientTokenEarly, lifetime/10), err
	})
}

// clientToken returns the client's token for a resource. If it was refused, another is asked for, but not for each of
// many requests that an API refuses.
func (p *Relay) clientToken(ctx context.Context, resource, refused string) (string, error) {
	document := p.clients[resource]
	token, err := document.Get(ctx)
	if err == nil && token == refused && refused != "" {
		if renewed, err := document.Renew(ctx); err == nil {
			token = renewed
		}
	}
	if err != nil {
		return "", &refusal{status: http.StatusServiceUnavailable, code: "temporarily_unavailable",
			description: "no token can be had now, try again later", retryAfter: max(document.Wait(), time.Second), cause: err}
	}
	return token, nil
}
