package authz

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/authorize"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/grant"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/pages"
	"github.com/authzd/authzd/authz/token"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

// consentPage asks whether the client may have what it asks for.
func (s *Server) consentPage(w http.ResponseWriter, r *http.Request) error {
	v, _, err := s.visitPage(w, r)
	if err != nil {
		return err
	}
	if v.user == nil || v.request == nil || v.flow.Device != "" {
		s.goOn(w, r, v)
		return nil
	}
	s.pages.Render(w, r, http.StatusOK, templates.Consent{
		UILocales:       v.uiLocales(),
		Client:          *v.client(),
		Action:          s.issuer.URL("/consent"),
		Hidden:          v.hidden(),
		User:            pages.User(v.user),
		OtherAccountURL: s.otherAccountURL(v.sealed),
		Scopes:          s.resources.ShownScopes(s.permissions(v.request)),
		Details:         s.resources.ShownDetails(v.request.Details, v.request.Resources),
		Detail:          s.requests.ExplainLeftOut(v.request),
	})
	return nil
}

// consent remembers an Allow, and takes a Deny back to the client.
func (s *Server) consent(w http.ResponseWriter, r *http.Request) error {
	v, form, err := s.visitForm(w, r)
	if err != nil {
		return err
	}
	if !v.asked(form) || v.request == nil || v.flow.Device != "" {
		s.goOn(w, r, v)
		return nil
	}
	switch form.Get("decision") {
	case "allow":
		if err := s.rememberConsent(r, v.user.ID, v.request); err != nil {
			return err
		}
		v.flow.Consented, v.flow.Allowed = v.user.ID, oauth.NewID()
		s.goOn(w, r, v)
		return nil
	case "deny":
		v.request.Acted = true
		return s.requests.Refuse(w, r, v.request, oauth.Refuse(oauth.AccessDenied, "The user denied the request."))
	}
	return oauth.Refuse(oauth.InvalidRequest, "The decision is neither allow nor deny.")
}

// permissions are what the user is asked for: the scopes that are requested, and those that stand for
// the single claims that are, each at the resources that it is requested for.
func (s *Server) permissions(a *authorize.Request) []storage.Permission {
	scopes := slices.Clone(a.Scopes)
	for _, claim := range slices.Concat(a.Claims.IdToken, a.Claims.UserInfo) {
		scopes = append(scopes, token.ScopeOf(claim))
	}
	var asked []storage.Permission
	for _, scope := range oauth.Unique(scopes) {
		at := oauth.Both(s.resources.Owners(scope), a.Resources)
		if len(at) == 0 {
			at = []string{""}
		}
		for _, resource := range at {
			asked = append(asked, storage.Permission{Scope: scope, Resource: resource})
		}
	}
	return asked
}

// rememberConsent adds to what the user has allowed this client before.
func (s *Server) rememberConsent(r *http.Request, userID string, a *authorize.Request) error {
	return storage.Retry(func() error {
		write, err := s.consentWrite(r.Context(), userID, a)
		if err != nil {
			return err
		}
		return s.store.Apply(r.Context(), write, s.events.Consented(r.Context(), audit.ConsentGiven, userID, a.Client.ID, s.permissions(a)))
	})
}

// consentWrite is the write that does so.
func (s *Server) consentWrite(ctx context.Context, userID string, a *authorize.Request) (storage.Write, error) {
	consent, version, err := s.grants.Consent(ctx, userID, a.Client.ID)
	if err != nil {
		return storage.Write{}, err
	}
	if !grant.InForce(consent) {
		consent.GrantedAt = storage.Now()
	}
	for _, asked := range s.permissions(a) {
		if !slices.Contains(consent.Permissions, asked) {
			consent.Permissions = append(consent.Permissions, asked)
		}
	}
	if host := shownHost(a); !slices.Contains(consent.Hosts, host) && host != "" {
		consent.Hosts = append(consent.Hosts, host)
	}
	return storage.Consents.Put(grant.ConsentKey(userID, a.Client.ID), consent, storage.At(version), time.Time{}), nil
}

// shownHost is where the answer goes to a client that chose its redirect URIs itself, "" for one of the
// operator's. It may have several, and others tomorrow: whoever agrees to one host has not agreed to the
// next.
func shownHost(a *authorize.Request) string {
	if a.Client.Source == client.Configured {
		return ""
	}
	u, err := url.Parse(a.RedirectURI)
	if err != nil {
		return ""
	}
	return u.Host
}

// knowsHost tells whether the page that the user agreed on named the host that the answer goes to.
func knowsHost(consent *storage.Consent, a *authorize.Request) bool {
	return a.Client.Source == client.Configured || slices.Contains(consent.Hosts, shownHost(a))
}
