// Package pages draws the pages of the server, and makes the error page: it says what is wrong, how to mend it,
// and where to go.
//
//	handler -> Render(templates.…)
//	error   -> ShowError -> explain (in development) -> Render, and an event
package pages

import (
	"cmp"
	"net/http"
	"net/url"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/client/directory"
	"github.com/authzd/authzd/authz/events"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

// Pages draws pages.
type Pages struct {
	Renderer *templates.Renderer
	Issuer   oauth.Issuer
	Clients  *directory.Clients
	Events   *events.Recorder
	Dev      bool // error pages explain in full
}

// WayBack returns the URL where an app of the operator's begins, as far as it is registered: its client_uri,
// its initiate_login_uri, or the origin of a redirect URI. It returns "" for other clients (see HomeOf).
func (pg *Pages) WayBack(c *client.Client) string {
	if c.Source != client.Configured {
		return ""
	}
	if registered := cmp.Or(HomeOf(c), pg.OpenURL(c)); registered != "" {
		return registered
	}
	for _, uri := range c.RedirectURIs {
		if u, err := url.Parse(uri); err == nil && (u.Scheme == "https" || u.Scheme == "http") {
			return u.Scheme + "://" + u.Host + "/"
		}
	}
	return ""
}

// About describes the authorization request that a page is about, as far as it is known.
type About struct {
	Client      *client.Client // nil: not known
	RedirectURI string         // of the answer; empty until it is known to be the client's
	Params      url.Values
}

// ShowError draws the error page. a is the authorization request that was refused, nil if it was no such
// request.
func (pg *Pages) ShowError(w http.ResponseWriter, r *http.Request, e *oauth.Error, a *About) {
	p := templates.Error{}
	if a != nil && a.Client != nil {
		p.Client = &templates.Client{Name: a.Client.Name}
		p.BackURL = pg.WayBack(a.Client)
	}
	pg.ShowErrorPage(w, r, e, a, p)
}

// HomeOf returns the link to an app for a page that has no other: the client_uri of the operator's clients. It
// returns "" for other clients: anybody can register a client with any name, and our pages would link to it.
func HomeOf(c *client.Client) string {
	if c.Source == client.Configured {
		return c.ClientURI
	}
	return ""
}

// ShowErrorPage draws the error page p, whose links are set, with the code and texts of e.
func (pg *Pages) ShowErrorPage(w http.ResponseWriter, r *http.Request, e *oauth.Error, a *About, p templates.Error) {
	event := observe.Event(r.Context())
	event.SetError(e.Code, e.Description, e.Cause)
	pg.Events.Refused(r, e)
	if e.RetryAfter > 0 {
		oauth.SetRetryAfter(w, e.RetryAfter)
	}
	p.Code, p.Reason = e.Code, e.Page
	if a != nil {
		p.UILocales = a.Params.Get("ui_locales")
	}
	if pg.Dev {
		p.Detail = pg.explain(e, a)
	}
	pg.Render(w, r, e.Status, p)
}

// Refused records that a page has refused a form. The page itself says why to the person. userID is "" if it is not known
// who that is.
func (pg *Pages) Refused(r *http.Request, userID, code string) {
	event := observe.Event(r.Context())
	if userID != "" {
		event.SetSubject(userID)
	}
	event.SetError(code, "", nil)
	pg.Events.Refused(r, &oauth.Error{Status: http.StatusUnprocessableEntity, Code: code})
}

// Render draws a page. If that fails, it answers 500: the template is wrong, not the request.
func (pg *Pages) Render(w http.ResponseWriter, r *http.Request, status int, p templates.Page) {
	if err := pg.Renderer.Render(w, r, status, p); err != nil {
		observe.Event(r.Context()).SetError(oauth.ServerError, "", err)
		http.Error(w, "internal server error", http.StatusInternalServerError)
	}
}

// OpenURL returns the URL that starts a login at a client (OpenID Connect Core section 4), "" if the client has
// no initiate_login_uri. The URL names the issuer and not the user: the client starts a normal login.
func (pg *Pages) OpenURL(c *client.Client) string {
	if c.InitiateLoginURI == "" {
		return ""
	}
	return oauth.WithParams(c.InitiateLoginURI, "", url.Values{"iss": {pg.Issuer.ID}})
}

// Client returns a client as it is shown on a page that leads to uri.
func Client(c *client.Client, uri string) *templates.Client {
	shown := &templates.Client{Name: c.Name, RedirectURI: uri, LogoURI: c.LogoURI, PolicyURI: c.PolicyURI, TosURI: c.TOSURI}
	if c.Source != client.Configured {
		shown.Unknown, shown.PublishedBy, shown.Nameless = true, publisher(c), c.Name == c.ID
	}
	return shown
}

// publisher returns the host of a client's metadata document. It is "" for other clients: people can register
// a redirect URI without owning its host.
func publisher(c *client.Client) string {
	if c.Source != client.Document {
		return ""
	}
	u, err := url.Parse(c.ID)
	if err != nil {
		return ""
	}
	return u.Host
}

// User returns a user as pages show them: with the username or, if there is none, the e-mail address.
func User(u *storage.User) templates.User {
	return templates.User{Name: u.Profile.Name, Username: cmp.Or(u.Username, u.Profile.Email)}
}

// Accounts describes the accounts that are signed in in a browser to the person there. current is the user id of the one
// in use.
func Accounts(accounts []session.Account, current string) []templates.SignedInAccount {
	var shown []templates.SignedInAccount
	for _, a := range accounts {
		shown = append(shown, templates.SignedInAccount{User: User(a.User), ID: a.User.ID, Current: a.User.ID == current})
	}
	return shown
}
