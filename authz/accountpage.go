package authz

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

const maxApps = 100 // on the account page

// home is the page of the issuer itself.
func (s *Server) home(w http.ResponseWriter, r *http.Request) error {
	_, user, err := s.signedIn(r.Context(), r)
	if err != nil {
		return err
	}
	p := templates.Home{Issuer: s.config.Issuer, SignInURL: s.url("/login"), AccountURL: s.url("/account")}
	if user != nil {
		u := shownUser(user)
		p.User = &u
	}
	if s.config.Playground != nil {
		p.PlaygroundURL = s.url("/playground")
	}
	if s.config.Dev {
		p.DiscoveryURL = s.url("/.well-known/openid-configuration")
	}
	s.render(w, r, http.StatusOK, p)
	return nil
}

// accountPage shows users what is known about them and which apps have access.
func (s *Server) accountPage(w http.ResponseWriter, r *http.Request) error {
	signedIn, user, err := s.signedIn(r.Context(), r)
	if err != nil {
		return err
	}
	if user == nil {
		http.Redirect(w, r, s.url("/login"), http.StatusSeeOther)
		return nil
	}
	if err := s.sessions.Touch(r.Context(), signedIn); err != nil {
		return err
	}
	consents, err := storage.Consents.Scan(r.Context(), s.store, user.ID+"/", "", maxApps)
	if err != nil {
		return err
	}
	p := templates.Account{
		User: shownUser(user), Claims: shownClaims(user), SignedInAt: signedIn.AuthTime,
		Action: s.url("/account"), LogoutAction: s.url("/logout"), Hidden: map[string]string{"confirm": "yes"},
	}
	if c := s.connector(signedIn.Connector); c != nil {
		p.Connector = c.Name()
	}
	for _, entry := range consents {
		if !inForce(entry.Value) {
			continue
		}
		id := entry.Key[len(user.ID)+1:]
		app := templates.App{ClientID: id, Name: id, GrantedAt: entry.Value.GrantedAt}
		c, err := s.clientAtHand(r.Context(), id)
		if err != nil {
			return err
		}
		if c != nil {
			app.Name = c.Name
		}
		app.Scopes = s.shownScopes(entry.Value.Permissions)
		p.Apps = append(p.Apps, app)
	}
	s.render(w, r, http.StatusOK, p)
	return nil
}

// withdrawConsent takes an app's access back.
func (s *Server) withdrawConsent(w http.ResponseWriter, r *http.Request) error {
	form, err := formParams(w, r)
	if err != nil {
		return err
	}
	_, user, err := s.signedIn(r.Context(), r)
	if err != nil {
		return err
	}
	if user != nil && form.Has("revoke") {
		if err := s.withdraw(r.Context(), user.ID, form.Get("revoke")); err != nil {
			return err
		}
	}
	http.Redirect(w, r, s.url("/account"), http.StatusSeeOther)
	return nil
}

// shownClaims is what is known about a user, as text.
func shownClaims(user *storage.User) []templates.Claim {
	known := userClaims(user)
	verified := map[string]bool{"email": user.Profile.EmailVerified, "phone_number": user.Profile.PhoneNumberVerified}
	var shown []templates.Claim
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if text, ok := known[name].(string); ok {
			shown = append(shown, templates.Claim{Name: name, Value: text, Verified: verified[name]})
		}
	}
	if a := user.Profile.Address; a != nil {
		lines := slices.DeleteFunc([]string{a.Formatted, a.StreetAddress, a.PostalCode, a.Locality, a.Region, a.Country}, func(s string) bool { return s == "" })
		shown = append(shown, templates.Claim{Name: "address", Value: strings.Join(lines, "\n")})
	}
	for _, list := range []templates.Claim{{Name: "roles", Value: strings.Join(user.Roles, ", ")}, {Name: "groups", Value: strings.Join(user.Groups, ", ")}} {
		if list.Value != "" {
			shown = append(shown, list)
		}
	}
	return shown
}
