package interaction

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
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

// needsConsent reports whether the user must still agree to the request.
func (in *Interaction) needsConsent(ctx context.Context, p *pending) (bool, error) {
	if p.request == nil {
		return false, nil
	}
	agreed, err := in.agreed(ctx, p.request, p.flow, p.user)
	return !agreed, err
}

// ConsentPage asks whether the client may have what it asks for.
func (in *Interaction) ConsentPage(w http.ResponseWriter, r *http.Request) error {
	v, _, err := in.visitPage(w, r)
	if err != nil {
		return err
	}
	if v.user == nil || v.request == nil || v.flow.Device != "" {
		in.goOn(w, r, v)
		return nil
	}
	in.Pages.Render(w, r, http.StatusOK, templates.Consent{
		UILocales:       v.uiLocales(),
		Client:          *v.client(),
		Action:          in.Issuer.URL("/consent"),
		Hidden:          v.hidden(),
		User:            pages.User(v.user),
		OtherAccountURL: in.otherAccountURL(v.sealed),
		Scopes:          shownScopes(in.Resources.ShownScopes(in.permissions(v.request)), v.user),
		Details:         in.Resources.ShownDetails(v.request.Details, v.request.Resources),
		Detail:          in.Requests.ExplainLeftOut(v.request),
	})
	return nil
}

// Consent takes the form of the consent page: it stores an Allow, and tells the client of a Deny.
func (in *Interaction) Consent(w http.ResponseWriter, r *http.Request) error {
	v, form, err := in.visitForm(w, r)
	if err != nil {
		return err
	}
	if !v.asked(form) || v.request == nil || v.flow.Device != "" {
		in.goOn(w, r, v)
		return nil
	}
	switch form.Get("decision") {
	case "allow":
		if err := in.rememberConsent(r, v.user.ID, v.request); err != nil {
			return err
		}
		v.flow.Consented, v.flow.Allowed = v.user.ID, oauth.NewID()
		in.goOn(w, r, v)
		return nil
	case "deny":
		v.request.Acted = true
		return in.Requests.Refuse(w, r, v.request, oauth.Refuse(oauth.AccessDenied, "The user denied the request."))
	}
	return oauth.Refuse(oauth.InvalidRequest, "The decision is neither allow nor deny.")
}

// shownScopes adds what the app would see of the user.
func shownScopes(scopes []templates.Scope, user *storage.User) []templates.Scope {
	profile := &user.Profile
	seen := map[string][]string{
		"profile": {profile.Name}, "email": {profile.Email}, "phone": {profile.PhoneNumber}, "groups": {strings.Join(user.Groups, ", ")},
	}
	for i, scope := range scopes {
		if scope.Resource == "" {
			scopes[i].Values = slices.DeleteFunc(seen[scope.Name], func(value string) bool { return value == "" })
		}
	}
	return scopes
}

// permissions returns what the user is asked for: the requested scopes, and the scopes of the single claims that
// are requested, each with the resources that it is requested for.
func (in *Interaction) permissions(a *authorize.Request) []storage.Permission {
	scopes := slices.Clone(a.Scopes)
	for _, claim := range slices.Concat(a.Claims.IDToken, a.Claims.UserInfo) {
		scopes = append(scopes, token.ScopeOf(claim))
	}
	var asked []storage.Permission
	for _, scope := range oauth.Unique(scopes) {
		at := oauth.Both(in.Resources.Owners(scope), a.Resources)
		if len(at) == 0 {
			at = []string{""}
		}
		for _, resource := range at {
			asked = append(asked, storage.Permission{Scope: scope, Resource: resource})
		}
	}
	return asked
}

// rememberConsent adds the request to the consent of a user to a client, and records the event.
func (in *Interaction) rememberConsent(r *http.Request, userID string, a *authorize.Request) error {
	return storage.Retry(func() error {
		write, err := in.consentWrite(r.Context(), userID, a)
		if err != nil {
			return err
		}
		return in.Store.Apply(r.Context(), append(in.Events.Consented(r.Context(), audit.ConsentGiven, userID, a.Client.ID, in.permissions(a)), write)...)
	})
}

// consentWrite returns the write that adds the request to the consent.
func (in *Interaction) consentWrite(ctx context.Context, userID string, a *authorize.Request) (storage.Write, error) {
	consent, version, err := in.Grants.Consent(ctx, userID, a.Client.ID)
	if err != nil {
		return storage.Write{}, err
	}
	if !grant.InForce(consent) {
		consent.GrantedAt = storage.Now()
	}
	for _, asked := range in.permissions(a) {
		if !slices.Contains(consent.Permissions, asked) {
			consent.Permissions = append(consent.Permissions, asked)
		}
	}
	if host := shownHost(a); !slices.Contains(consent.Hosts, host) && host != "" {
		consent.Hosts = append(consent.Hosts, host)
	}
	return storage.Consents.Put(grant.ConsentKey(userID, a.Client.ID), consent, storage.At(version), time.Time{}), nil
}

// shownHost returns the host that the answer goes to, for a client that chose its redirect URIs itself, and "" for
// one of the operator's. Such a client may have several hosts, and others later: a consent is for the hosts that
// the user has seen.
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

// knowsHost reports whether the user has agreed on a page that named the host of the answer.
func knowsHost(consent *storage.Consent, a *authorize.Request) bool {
	return a.Client.Source == client.Configured || slices.Contains(consent.Hosts, shownHost(a))
}

// agreed reports whether the user need not be asked for consent.
func (in *Interaction) agreed(ctx context.Context, a *authorize.Request, f flow, user *storage.User) (bool, error) {
	consent, _, err := in.Grants.Consent(ctx, user.ID, a.Client.ID)
	if err != nil {
		return false, err
	}
	a.Withdrawals = consent.Withdrawals
	switch {
	case a.Prompts("consent"):
		return in.agreedNow(ctx, a, f, user)
	case a.Client.FirstParty:
		return true, nil
	case len(a.Details) > 0: // details are allowed once only (RFC 9396 section 12)
		return in.agreedNow(ctx, a, f, user)
	case a.Client.Source != client.Configured && !strings.HasPrefix(a.RedirectURI, "https:"):
		return in.agreedNow(ctx, a, f, user) // RFC 8252 section 8.6: any app on the device could be asking
	case !grant.InForce(consent), !knowsHost(consent, a):
		return false, nil
	}
	for _, asked := range in.permissions(a) {
		if !slices.Contains(consent.Permissions, asked) {
			return false, nil
		}
	}
	return true, nil
}

// agreedNow reports whether the user has allowed this request in its flow. That counts for one code: if the
// browser comes back to the same URL, the user is asked again.
func (in *Interaction) agreedNow(ctx context.Context, a *authorize.Request, f flow, user *storage.User) (bool, error) {
	if f.Consented != user.ID {
		return false, nil
	}
	key := oauth.MarkConsent + f.Allowed
	if used, err := oauth.Marked(ctx, in.Store, key); err != nil || used {
		return false, err
	}
	a.Writes = append(a.Writes, oauth.MarkOnce(key, f.Started.Add(authorize.CarriedLifetime)))
	return true, nil
}
