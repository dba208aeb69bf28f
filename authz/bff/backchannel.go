package bff

import (
	"errors"
	"net/http"
	"time"

	"github.com/authzd/authzd/authz/bff/provider"
	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/storage"
)

// backchannel hears from the provider that a session has ended (OpenID Connect Back-Channel Logout 1.0 section 2.5).
// A sid ends the sessions that began in that session of the provider, a sub alone all of the user's.
func (f *frontend) backchannel(w http.ResponseWriter, r *http.Request) error {
	if f.bff.Store == nil {
		return refuse(http.StatusNotFound, "not_found", "sealed sessions end by the revocation feed; remove the client's backchannel_logout_uri")
	}
	values, err := readForm(w, r)
	if err != nil {
		return err
	}
	if len(values["logout_token"]) != 1 {
		return refuse(http.StatusBadRequest, "invalid_request", "logout_token is missing, or there twice")
	}
	ended, err := f.client.Logout(r.Context(), values.Get("logout_token"))
	var untrusted *provider.ResponseError
	switch {
	case errors.As(err, &untrusted):
		return refuse(http.StatusBadRequest, "invalid_request", "the logout token is not valid").because(err)
	case err != nil:
		return unavailable(err)
	}
	// The jti is noted after the end, so that a provider that tries again after a failure is heard. Two at the same
	// time both end the same.
	seen := "bff_logout/" + websession.Hash(f.bff.Issuer+"\x00"+f.ClientID+"\x00"+ended.JTI)
	if _, _, err := storage.Marks.Get(r.Context(), f.bff.Store, seen); err == nil {
		return refuse(http.StatusBadRequest, "invalid_request", "the logout token was used before")
	} else if !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	observe.Event(r.Context()).SetSubject(ended.Subject)
	if ended.SID != "" {
		err = f.sessions.EndBySID(r.Context(), ended.SID)
	} else {
		err = f.sessions.EndBySubject(r.Context(), ended.Subject)
	}
	if err != nil {
		return err
	}
	if err := f.bff.Store.Apply(r.Context(), storage.Marks.Put(seen, &storage.Mark{}, storage.Any, ended.ExpiresAt)); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// jwks publishes the public half of the client's key.
func (f *frontend) jwks(w http.ResponseWriter, r *http.Request) error {
	key := f.bff.Authentication.Key
	if key == nil {
		return refuse(http.StatusNotFound, "not_found", "the client has no key")
	}
	w.Header().Set("Content-Type", "application/jwk-set+json")
	w.Header().Set("Cache-Control", "public, max-age=300")
	_, _ = w.Write(key.JWKS()) // if the client has gone, there is nobody to tell
	return nil
}

// diagnostics shows a developer what cookie mode knows of them. It has no token, and is served only if
// Config.Diagnostics says so.
func (f *frontend) diagnostics(w http.ResponseWriter, r *http.Request) error {
	about := map[string]any{
		"frontend": f.Name, "url": f.origin + f.path, "issuer": f.bff.Issuer, "client_id": f.ClientID, "scope": f.scope(), "resources": f.resources(),
		"session_cookie": f.sessions.CookieName(), "redirect_uri": f.callbackURL(), "backchannel_logout_uri": f.origin + f.path + "/bff/backchannel",
		"jwks_uri": f.origin + f.path + "/bff/jwks.json", "post_logout_redirect_uri": f.origin + f.path + "/", "now": time.Now().UTC(),
	}
	session, err := f.sessions.Find(r)
	switch {
	case err == nil:
		about["session"] = map[string]any{
			"sub": session.Subject, "sid": session.SID, "acr": session.ACR, "amr": session.AMR, "roles": session.Roles, "groups": session.Groups,
			"created_at": session.CreatedAt, "active_at": session.ActiveAt, "idle_expires_at": session.IdleExpiresAt, "expires_at": session.ExpiresAt,
		}
	case errors.Is(err, websession.ErrNone):
		about["session"] = nil
	default:
		return err
	}
	writeJSON(w, http.StatusOK, about)
	return nil
}
