package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/authzd/authzd/authz/admin"
)

// explained is an event with its meaning.
type explained struct {
	*admin.AuditEvent
	Meaning string `json:"meaning,omitempty"`
	Hint    string `json:"hint,omitempty"`
}

// explainLogin explains what happened in one request, by its id.
func explainLogin(ctx context.Context, c *admin.Client, p *printer, args []string) error {
	found := []explained{}
	for e, err := range c.AuditEvents(ctx, admin.AuditQuery{RequestID: args[0]}) {
		if err != nil {
			return err
		}
		found = append(found, explain(e))
	}
	slices.Reverse(found) // the newest came first
	if len(found) == 0 {
		return hinted{fmt.Errorf("the audit log has no event of the request %q", args[0]),
			"an event is there after a second; requests that were not refused are only in the log of requests, on the server's standard error, under request_id"}
	}
	if p.json {
		return p.encode(found)
	}
	for _, e := range found {
		t := newTable(p.w)
		t.row(auditRow(e.AuditEvent)...)
		if err := t.flush(); err != nil {
			return err
		}
		if e.Meaning != "" {
			p.done("  %s", e.Meaning)
		}
		if e.Hint != "" {
			p.done("  hint: %s", e.Hint)
		}
	}
	return nil
}

func explain(e *admin.AuditEvent) explained {
	x := explained{AuditEvent: e}
	code := e.Details["error"]
	if e.Type == "user.sign_in_failed" {
		code = e.Details["reason"]
	}
	if known, ok := meanings[code]; ok && e.Outcome != "success" {
		x.Meaning, x.Hint = known[0], known[1]
		if line := e.Details["allowed_by"]; line != "" {
			x.Hint = "correct the app, or allow it by " + line
		}
	} else if known, ok := meanings[e.Type]; ok {
		x.Meaning, x.Hint = known[0], known[1]
	}
	return x
}

// meanings has, for codes of refusals, reasons of failed sign-ins and types of events, what happened and what
// to do.
var meanings = map[string][2]string{
	"redirect_uri_mismatch":             {"the app sent a redirect_uri that is not registered for its client, letter by letter", `"authzd client show CLIENT" has those that are registered, and the server's log has the one that came; add it, or correct the app`},
	"invalid_client":                    {"the client is unknown, or could not authenticate", `compare client_id and token_endpoint_auth_method with "authzd client show CLIENT"; a lost secret is replaced by "authzd client rotate-secret CLIENT"`},
	"unauthorized_client":               {"the client may not use this grant type or response type", `add it to its grant_types, or let another client do it`},
	"invalid_request":                   {"a parameter is missing, given twice or malformed", "the server's log says which, under this request_id"},
	"invalid_scope":                     {"the app asked for scopes of which its client has none, or for more than it was granted", `add it to the client's scope: "authzd client update CLIENT --scope …"`},
	"invalid_target":                    {"the app asked for an API that its client does not have", `add it to the client's resources`},
	"invalid_grant":                     {"the code or refresh token was used, has expired, was revoked, or is another client's", "have the user sign in again; if it goes on, does the app send a code twice, or keep an old refresh token?"},
	"invalid_token":                     {"the access token has expired, was revoked, or is not for this endpoint", "get a new one; check its audience"},
	"insufficient_scope":                {"the access token lacks a scope, or its user a role", ""},
	"invalid_dpop_proof":                {"the DPoP proof is not one of this request", "the server's log says what is wrong with it; is the client's clock right?"},
	"access_denied":                     {"the user, or a rule of the server, has refused", ""},
	"invalid_request_object":            {"the signed request cannot be used", "the server's log says why; does the client sign with a key of its jwks?"},
	"invalid_request_uri":               {"the request_uri has expired, was used, or is not registered", "push the request again"},
	"unsupported_grant_type":            {"the server does not know this grant type", ""},
	"unsupported_response_type":         {"the client asked for another response type than code", "use the authorization code flow with PKCE"},
	"unmet_authentication_requirements": {"the user cannot sign in as strongly as the app demands", "see acr_values_supported"},
	"cross_site_request":                {"the form was sent from another site", "nothing: the server refused it"},
	"no_such_user":                      {"no user has this username, and none this verified e-mail address", `"authzd user list" shows all; an address counts once it is verified`},
	"wrong_password":                    {"the user exists, and the password was wrong", `"authzd user set-password USER" sets a new one`},
	"no_password":                       {"the user has no password: they sign in by an upstream provider", `"authzd user set-password USER" sets one`},
	"disabled":                          {"the user is disabled", `"authzd user update USER --disabled=false" lets them in again`},
	"throttled":                         {"there were too many wrong passwords of this login, of this user or from this address", `wait: one attempt more is allowed now and then; "authzd user unlock USER" forgives those of a user`},
	"code.reused":                       {"a code was redeemed twice: the grant is revoked", "if no thief has it, the app sends its callback twice"},
	"refresh_token.reused":              {"an old refresh token was used after its successor was used: the grant is revoked", "if no thief has it, two copies of the app share one refresh token"},
	"user.sign_in_failed":               {"nobody was signed in", "the reason is in the event, and more in the server's log under this request_id"},
	"user.signed_in":                    {"the user was signed in", ""},
	"grant.issued":                      {"the client has got its tokens", ""},
	"token.issued":                      {"the client has got its token", ""},
}
