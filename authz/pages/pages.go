// Package pages draws the pages of the server, and above all the error page: what is wrong, how it is mended, and
// the ways out.
//
//	handler -> Render(templates.…)
//	error   -> ShowError -> Explain (in development) -> Render, and the events of the refusal
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

// WayBack is where an app of the operator's begins, as far as is registered; "" for others (see HomeOf).
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

// About is what is known of the authorization request that a page is about.
type About struct {
	Client      *client.Client // nil: it is not known
	RedirectURI string         // where the answer goes; empty until it is known to be the client's
	Params      url.Values
}

// ShowError draws the error page; a is nil if no authorization request was refused.
func (pg *Pages) ShowError(w http.ResponseWriter, r *http.Request, e *oauth.Error, a *About) {
	p := templates.Error{}
	if a != nil && a.Client != nil {
		p.Client = &templates.Client{Name: a.Client.Name}
		p.BackURL = pg.WayBack(a.Client)
	}
	pg.ShowErrorPage(w, r, e, a, p)
}

// HomeOf is where a page leads that has no other link to the app: the client_uri of the operator's clients,
// "" for others, since anybody can register a client under any name and have our pages shown for it.
func HomeOf(c *client.Client) string {
	if c.Source == client.Configured {
		return c.ClientURI
	}
	return ""
}

// ShowErrorPage draws an error page that has its links already.
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

// Render draws a page. If that fails there is a mistake in the page, not in the request.
func (pg *Pages) Render(w http.ResponseWriter, r *http.Request, status int, p templates.Page) {
	if err := pg.Renderer.Render(w, r, status, p); err != nil {
		observe.Event(r.Context()).SetError(oauth.ServerError, "", err)
		http.Error(w, "internal server error", http.StatusInternalServerError)
	}
}

// OpenURL starts a login at a client (OpenID Connect Core section 4), "" if that is not offered. It
// names the issuer and not the user: the client asks who that is, as it always does.
func (pg *Pages) OpenURL(c *client.Client) string {
	if c.InitiateLoginURI == "" {
		return ""
	}
	return oauth.WithParams(c.InitiateLoginURI, "", url.Values{"iss": {pg.Issuer.ID}})
}

// Client is a client on a page that leads to one of its URIs.
func Client(c *client.Client, uri string) *templates.Client {
	shown := &templates.Client{Name: c.Name, RedirectURI: uri, LogoURI: c.LogoURI, PolicyURI: c.PolicyURI, TosURI: c.TOSURI}
	if c.Source != client.Configured {
		shown.Unknown, shown.PublishedBy, shown.Nameless = true, publisher(c), c.Name == c.ID
	}
	return shown
}

// publisher is the host that vouches for a client which the operator doesn't know: that of its
// document. It is "" if nobody does: a redirect URI can be registered by people who don't own its host.
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

func User(u *storage.User) templates.User {
	return templates.User{Name: u.Profile.Name, Username: cmp.Or(u.Username, u.Profile.Email)}
}
