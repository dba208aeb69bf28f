package authz

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

// consentPage asks whether the client may have what it asks for.
func (s *Server) consentPage(w http.ResponseWriter, r *http.Request) error {
	v, _, err := s.visitPage(w, r)
	if err != nil {
		return err
	}
	if v.user == nil || v.request == nil {
		s.goOn(w, r, v)
		return nil
	}
	s.render(w, r, http.StatusOK, templates.Consent{
		UILocales:       v.uiLocales(),
		Client:          *v.client(),
		Action:          s.url("/consent"),
		Hidden:          v.hidden(),
		User:            shownUser(v.user),
		OtherAccountURL: s.pageURL("/login", v.sealed) + "&other=1",
		Scopes:          s.shownScopes(v.request.consentScopes()),
	})
	return nil
}

// consent remembers an Allow, and takes a Deny back to the client.
func (s *Server) consent(w http.ResponseWriter, r *http.Request) error {
	v, form, err := s.visitForm(w, r)
	if err != nil {
		return err
	}
	if v.user == nil || v.request == nil {
		s.goOn(w, r, v)
		return nil
	}
	switch form.Get("decision") {
	case "allow":
		if err := s.rememberConsent(r, v.user.ID, v.request); err != nil {
			return err
		}
		v.flow.Consented = v.user.ID
		s.goOn(w, r, v)
		return nil
	case "deny":
		return s.refuseAuthorization(w, r, v.request, refuse(errAccessDenied, "The user denied the request."))
	}
	return refuse(errInvalidRequest, "The decision is neither allow nor deny.")
}

// rememberConsent adds to what the user has allowed this client before.
func (s *Server) rememberConsent(r *http.Request, userID string, a *authorization) error {
	key := consentKey(userID, a.client.ID)
	return raced(func() error {
		consent, version, err := storage.Consents.Get(r.Context(), s.store, key)
		if errors.Is(err, storage.ErrNotFound) {
			consent, version = &storage.Consent{GrantedAt: s.now()}, 0
		} else if err != nil {
			return err
		}
		for _, scope := range a.consentScopes() {
			if !slices.Contains(consent.Scopes, scope) {
				consent.Scopes = append(consent.Scopes, scope)
			}
		}
		return s.store.Apply(r.Context(), storage.Consents.Put(key, consent, storage.At(version), time.Time{}))
	})
}
