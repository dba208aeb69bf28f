package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/authzd/authzd/authz/connect"
)

// checkConnectors asks each provider that users may sign in with, in the way of the server, whether it is
// there and knows the client and its secret.
func (e *examination) checkConnectors(ctx context.Context) {
	const check = "connector"
	for _, c := range e.connectors {
		c.RedirectURI = e.issuer + "/callback/" + c.ID
		switch err := connect.Probe(ctx, c); {
		case err == nil:
			e.add(check, "ok", fmt.Sprintf("%s: %s answers, and knows the client", c.ID, c.Issuer), "")
		case errors.Is(err, connect.ErrClientRefused):
			e.add(check, "failed", c.ID+": "+err.Error(),
				fmt.Sprintf("compare client_id and client_secret with what the provider shows, and that %s is among its redirect URIs", c.RedirectURI))
		default:
			e.add(check, "failed", c.ID+": "+err.Error(),
				"is its issuer written as the provider spells it, may this machine reach it, and does outbound.ca_file have its authority?")
		}
	}
}
