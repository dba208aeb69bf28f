package interaction

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/grant"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/pages"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/authz/token"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

const maxApps = 100 // on the account page

// Home draws the page at the issuer's URL. People who are signed in are led to their account, except in development.
func (in *Interaction) Home(w http.ResponseWriter, r *http.Request) error {
	_, user, err := in.Sessions.SignedIn(r.Context(), r)
	if err != nil {
		return err
	}
	if user != nil && !in.Dev {
		http.Redirect(w, r, in.Issuer.URL("/account"), http.StatusSeeOther)
		return nil
	}
	p := templates.Home{Issuer: in.Issuer.ID, SignInURL: in.Issuer.URL("/login"), AccountURL: in.Issuer.URL("/account")}
	if user != nil {
		u := pages.User(user)
		p.User, p.UILocales = &u, user.Profile.Locale
	}
	if in.Playground {
		p.PlaygroundURL = in.Issuer.URL("/playground")
	}
	if in.Dev {
		p.DiscoveryURL = in.Issuer.URL("/.well-known/openid-configuration")
	}
	in.Pages.Render(w, r, http.StatusOK, p)
	return nil
}

// AccountPage shows users what is known about them and which apps have access.
func (in *Interaction) AccountPage(w http.ResponseWriter, r *http.Request) error {
	signedIn, user, err := in.Sessions.SignedIn(r.Context(), r)
	if err != nil {
		return err
	}
	if missing, err := in.next(r.Context(), &pending{who: who{signedIn: signedIn, user: user}}); err != nil {
		return err
	} else if missing != nil {
		http.Redirect(w, r, in.Issuer.URL(missing.page), http.StatusSeeOther)
		return nil
	}
	if err := in.Sessions.Touch(r.Context(), signedIn); err != nil {
		return err
	}
	p := templates.Account{
		UILocales: user.Profile.Locale,
		User:      pages.User(user), Claims: shownClaims(user), SignedInAt: signedIn.AuthTime,
		Zone: zoneOf(user), Action: in.Issuer.URL("/account"), LogoutAction: in.Issuer.URL("/logout"), Hidden: map[string]string{"confirm": "yes", "account": user.ID},
	}
	p.ProfileURL, p.ExportURL, p.DeleteURL = in.Issuer.URL("/account/profile"), in.Issuer.URL("/account/export"), in.Issuer.URL("/account/delete")
	p.Ways = append(p.Ways, passwordWay(user, in.Issuer.URL("/account/password")))
	if in.Outbox.SendsMail() {
		p.EmailURL = in.Issuer.URL("/account/email")
	}
	if c := in.Connectors.Get(signedIn.Connector); c != nil {
		p.Connector = c.Name()
	}
	if p.Sessions, err = in.shownSessions(r.Context(), signedIn, user); err != nil {
		return err
	}
	p.Sessions, p.MoreSessionsURL = in.pageOfSessions(p.Sessions, r.URL.Query().Get("sessions"))
	if err := in.showIdentities(r.Context(), &p, user); err != nil {
		return err
	}
	if p.Apps, err = in.shownApps(r.Context(), user); err != nil {
		return err
	}
	if err := in.showFactorWay(r.Context(), &p, user); err != nil {
		return err
	}
	if err := in.showPasskeyWay(r.Context(), &p, user); err != nil {
		return err
	}
	in.Pages.Render(w, r, http.StatusOK, p)
	return nil
}

// passwordWay returns the row of the password, with the page that changes it.
func passwordWay(user *storage.User, url string) templates.Way {
	way := templates.Way{Kind: templates.WayPassword, URL: url}
	if user.PasswordHash != "" {
		way.Count = 1
	}
	return way
}

// shownSessions returns the sessions of the user: this browser's first, then the others by their last use.
func (in *Interaction) shownSessions(ctx context.Context, current *session.Session, user *storage.User) ([]templates.Session, error) {
	sessions, _, err := in.Sessions.List(ctx, user.ID, "", 2*session.MaxOfUser) // earlier versions had no limit
	if err != nil {
		return nil, err
	}
	shown := []templates.Session{shownSession(current)}
	shown[0].Current = true
	for _, other := range sessions {
		if other.ID != current.ID && other.BelongsTo(user) {
			shown = append(shown, shownSession(other))
		}
	}
	slices.SortFunc(shown[1:], func(a, b templates.Session) int { return b.LastActiveAt.Compare(a.LastActiveAt) })
	return shown, nil
}

func shownSession(s *session.Session) templates.Session {
	return templates.Session{
		ID: s.ID, StartedAt: s.CreatedAt, LastActiveAt: s.LastActive,
		Browser: s.Device.Browser, System: s.Device.System, Address: s.Device.Address,
	}
}

// sessionsPerPage is how many sessions the account page shows at once.
const sessionsPerPage = 20

// pageOfSessions returns one page of the sessions, and the URL of the next page, "" if there is none. from is
// the number of the first session, as text; if it is invalid, the page is the first one.
func (in *Interaction) pageOfSessions(all []templates.Session, from string) (page []templates.Session, more string) {
	first, err := strconv.Atoi(from)
	if err != nil || first < 0 || first >= len(all) {
		first = 0
	}
	last := min(first+sessionsPerPage, len(all))
	if last < len(all) {
		more = in.Issuer.URL("/account") + "?sessions=" + strconv.Itoa(last) + "#sessions-heading"
	}
	return all[first:last], more
}

// showIdentities puts the user's upstream identities on the page, and the changes to them. An identity that is
// the last way in can't be unlinked.
func (in *Interaction) showIdentities(ctx context.Context, p *templates.Account, user *storage.User) error {
	identities, err := in.Accounts.Identities(ctx, user.ID)
	if err != nil {
		return err
	}
	for _, l := range identities {
		last, err := in.Accounts.IsLastWayIn(ctx, user, identities, &l, in.Connectors.Has)
		if err != nil {
			return err
		}
		p.Identities = append(p.Identities, templates.LinkedIdentity{
			ID: l.ID, Connector: in.Connectors.Name(l.Connector), Email: l.Email, LinkedAt: l.LinkedAt,
			LastWayIn: last,
		})
	}
	p.Links = in.linkable(identities)
	for _, change := range slices.Backward(user.IdentityChanges) {
		p.IdentityChanges = append(p.IdentityChanges, templates.IdentityChange{
			Connector: in.Connectors.Name(change.Connector), At: change.At, Linked: change.Linked, ByOperator: change.ByOperator,
		})
	}
	return nil
}

// shownApps returns the apps that the user has allowed something, and those of the operator that can be opened
// from here.
func (in *Interaction) shownApps(ctx context.Context, user *storage.User) ([]templates.App, error) {
	consents, err := storage.Consents.Scan(ctx, in.Store, user.ID+"/", "", maxApps)
	if err != nil {
		return nil, err
	}
	var apps []templates.App
	listed := map[string]bool{}
	for _, entry := range consents {
		if !grant.InForce(entry.Value) {
			continue
		}
		id := entry.Key[len(user.ID)+1:]
		app := templates.App{ClientID: id, Name: id, GrantedAt: entry.Value.GrantedAt}
		c, err := in.Clients.AtHand(ctx, id)
		if err != nil {
			return nil, err
		}
		if c != nil {
			app.Name, app.OpenURL = c.Name, in.Pages.OpenURL(c)
		}
		app.Scopes = in.Resources.ShownScopes(entry.Value.Permissions)
		apps, listed[id] = append(apps, app), true
	}
	in.Clients.File.Each(func(c *client.Client) {
		if c.OnAccountPage() && !listed[c.ID] {
			apps = append(apps, templates.App{ClientID: c.ID, Name: c.Name, OpenURL: in.Pages.OpenURL(c)})
		}
	})
	managed, err := in.Clients.Managed.All(ctx)
	if err != nil {
		return nil, err
	}
	for _, id := range managed.OnAccountPage[:min(len(managed.OnAccountPage), maxApps)] {
		if c, err := in.Clients.Get(ctx, id); err == nil && c != nil && c.OnAccountPage() && !listed[id] {
			apps = append(apps, templates.App{ClientID: id, Name: c.Name, OpenURL: in.Pages.OpenURL(c)})
		}
	}
	slices.SortStableFunc(apps, func(a, b templates.App) int { return strings.Compare(a.Name, b.Name) })
	return apps, nil
}

// AccountAction takes the forms of the account page: it withdraws a consent, unlinks an identity, or ends
// sessions.
func (in *Interaction) AccountAction(w http.ResponseWriter, r *http.Request) error {
	form, err := oauth.PageForm(w, r)
	if err != nil {
		return err
	}
	signedIn, user, err := in.Sessions.SignedIn(r.Context(), r)
	if err != nil {
		return err
	}
	missing, err := in.next(r.Context(), &pending{who: who{signedIn: signedIn, user: user}})
	if err != nil {
		return err
	}
	switch {
	case missing != nil: // the page leads there
	case form.Has("account") && form.Get("account") != user.ID: // another tab has signed in somebody else
	case form.Get("sign-out-everywhere") == "yes":
		return in.everywhere(w, r, user)
	case form.Get("sign-out-others") == "yes":
		err = in.endOthers(r.Context(), signedIn, user)
	case form.Has("unlink"):
		if !isRecent(signedIn) {
			if _, user, err = in.Fresh(w, r, "/account"); err != nil || user == nil {
				return err
			}
		}
		err = in.withdrawIdentity(r, user, form)
	case form.Has("end"):
		err = in.endOther(r.Context(), user, form.Get("end"))
	case form.Has("revoke"):
		err = in.Grants.Withdraw(r.Context(), user.ID, form.Get("revoke"))
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, in.Issuer.URL("/account"), http.StatusSeeOther)
	return nil
}

// endOther ends one session of the user. It does nothing if the session is another user's.
func (in *Interaction) endOther(ctx context.Context, user *storage.User, sid string) error {
	other, err := in.Sessions.LoadByID(ctx, sid)
	if err != nil || other == nil || other.UserID != user.ID {
		return err
	}
	_, err = in.Logout.EndSession(ctx, sid, in.Events.SessionEnded(ctx, other)...)
	return err
}

// endOthers ends all sessions of the user but this one.
func (in *Interaction) endOthers(ctx context.Context, current *session.Session, user *storage.User) error {
	sessions, _, err := in.Sessions.List(ctx, user.ID, "", 2*session.MaxOfUser)
	if err != nil {
		return err
	}
	for _, other := range sessions {
		if other.ID == current.ID {
			continue
		}
		if err := in.endOther(ctx, user, other.ID); err != nil {
			return err
		}
	}
	return nil
}

// everywhere signs the user out of this browser and all others.
func (in *Interaction) everywhere(w http.ResponseWriter, r *http.Request, user *storage.User) error {
	here, _, err := in.Sessions.SignedIn(r.Context(), r)
	if err != nil {
		return err
	}
	if err := in.Logout.Everywhere(r.Context(), user.ID); err != nil {
		return err
	}
	if err := in.Sessions.Forget(r.Context(), w, r); err != nil {
		return err
	}
	frames, err := in.Logout.Frames(r.Context(), here)
	if err != nil {
		return err
	}
	apps, err := in.Logout.Apps(r.Context(), here)
	if err != nil {
		return err
	}
	who := pages.User(user)
	in.Pages.Render(w, r, http.StatusOK, templates.LoggedOut{UILocales: user.Profile.Locale, Everywhere: true, User: &who, Apps: apps, Frames: frames})
	return nil
}

// zoneOf returns the time zone of a user, nil if it is not known.
func zoneOf(user *storage.User) *time.Location {
	if user.Profile.Zoneinfo == "" {
		return nil
	}
	zone, err := time.LoadLocation(user.Profile.Zoneinfo)
	if err != nil {
		return nil
	}
	return zone
}

// shownClaims returns the claims about a user, as text.
func shownClaims(user *storage.User) []templates.Claim {
	known := token.UserClaims(user)
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
