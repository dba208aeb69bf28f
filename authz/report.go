package authz

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/templates"
)

// reportJSON answers with an error at a JSON endpoint, and tells the log of it.
func (s *Server) reportJSON(w http.ResponseWriter, r *http.Request, err error) {
	e := oauth.AsError(err)
	observe.Event(r.Context()).SetError(e.Code, e.Description, e.Cause)
	s.events.Refused(r, e)
	oauth.WriteError(w, s.issuer.ID, e)
}

// reportPage is the one exit for errors of pages: in full in development, otherwise the code and
// the request id, under which the log has the rest. A sign-in that can't go on begins again.
func (s *Server) reportPage(w http.ResponseWriter, r *http.Request, err error) {
	if stale := new(staleFlow); errors.As(err, &stale) {
		observe.Event(r.Context()).SetError("sign_in_expired", "", err)
		http.Redirect(w, r, stale.url, http.StatusSeeOther)
		return
	}
	if lost := new(lostSignIn); errors.As(err, &lost) {
		s.showDeadEnd(w, r, lost)
		return
	}
	s.showError(w, r, oauth.AsError(err), nil)
}

// showDeadEnd draws the error page of a sign-in that can't go on, with the ways out of it.
func (s *Server) showDeadEnd(w http.ResponseWriter, r *http.Request, lost *lostSignIn) {
	p := templates.Error{AgainURL: lost.again}
	if lost.client != nil {
		p.Client = &templates.Client{Name: lost.client.Name}
		p.BackURL = s.wayBack(lost.client)
	}
	s.showErrorPage(w, r, lost.refused, nil, p)
}

// wayBack is where an app of the operator's begins, as far as is registered; "" for others (see homeOf).
func (s *Server) wayBack(c *client.Client) string {
	if c.Source != client.Configured {
		return ""
	}
	if registered := cmp.Or(homeOf(c), s.openURL(c)); registered != "" {
		return registered
	}
	for _, uri := range c.RedirectURIs {
		if u, err := url.Parse(uri); err == nil && (u.Scheme == "https" || u.Scheme == "http") {
			return u.Scheme + "://" + u.Host + "/"
		}
	}
	return ""
}

// showError draws the error page; a, if not nil, is the authorization request that was refused.
func (s *Server) showError(w http.ResponseWriter, r *http.Request, e *oauth.Error, a *authorization) {
	p := templates.Error{}
	if a != nil && a.client != nil {
		p.Client = &templates.Client{Name: a.client.Name}
		p.BackURL = s.wayBack(a.client)
	}
	s.showErrorPage(w, r, e, a, p)
}

// homeOf is where a page leads that has no other link to the app: the client_uri of the operator's clients,
// "" for others, since anybody can register a client under any name and have our pages shown for it.
func homeOf(c *client.Client) string {
	if c.Source == client.Configured {
		return c.ClientURI
	}
	return ""
}

// showErrorPage draws an error page that has its links already.
func (s *Server) showErrorPage(w http.ResponseWriter, r *http.Request, e *oauth.Error, a *authorization, p templates.Error) {
	event := observe.Event(r.Context())
	event.SetError(e.Code, e.Description, e.Cause)
	s.events.Refused(r, e)
	if e.RetryAfter > 0 {
		oauth.SetRetryAfter(w, e.RetryAfter)
	}
	p.Code, p.Reason = e.Code, e.Page
	if a != nil {
		p.UILocales = a.params.Get("ui_locales")
	}
	if s.config.Dev {
		p.Detail = s.explain(e, a)
	}
	s.render(w, r, e.Status, p)
}

// render draws a page. If that fails there is a mistake in the page, not in the request.
func (s *Server) render(w http.ResponseWriter, r *http.Request, status int, p templates.Page) {
	if err := s.pages.Render(w, r, status, p); err != nil {
		observe.Event(r.Context()).SetError(oauth.ServerError, "", err)
		http.Error(w, "internal server error", http.StatusInternalServerError)
	}
}
