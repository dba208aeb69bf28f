package authz

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/templates"
)

// writeJSON answers with a JSON document. The type has no charset parameter (RFC 8259 section 11).
func writeJSON(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may have gone; nobody is left to be told
	return nil
}

// writeJWT answers with a signed document.
func writeJWT(w http.ResponseWriter, mediaType, token string) {
	w.Header().Set("Content-Type", mediaType)
	_, _ = io.WriteString(w, token) // the client may have gone
}

// reportJSON is the one exit for errors of JSON endpoints (RFC 6749 section 5.2, RFC 6750 section 3).
func (s *Server) reportJSON(w http.ResponseWriter, r *http.Request, err error) {
	e := asError(err)
	observe.Event(r.Context()).SetError(e.Code, e.Description, e.cause)
	s.noteRefusal(r, e)
	h := w.Header()
	if e.retryAfter > 0 {
		setRetryAfter(w, e.retryAfter)
	}
	switch {
	case h.Get("WWW-Authenticate") != "": // the endpoint has its own challenge
	case e.Status == http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Basic realm="`+s.issuer.ID+`"`)
	case e.Status == http.StatusServiceUnavailable && e.retryAfter == 0:
		h.Set("Retry-After", "1")
	}
	// Marshalling three strings cannot fail.
	_ = writeJSON(w, e.Status, map[string]string{"error": e.Code, "error_description": e.Description})
}

// setRetryAfter says when it is worth trying again, in whole seconds (RFC 9110 section 10.2.3).
func setRetryAfter(w http.ResponseWriter, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(wait.Seconds())))))
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
	s.showError(w, r, asError(err), nil)
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
func (s *Server) showError(w http.ResponseWriter, r *http.Request, e *Error, a *authorization) {
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
func (s *Server) showErrorPage(w http.ResponseWriter, r *http.Request, e *Error, a *authorization, p templates.Error) {
	event := observe.Event(r.Context())
	event.SetError(e.Code, e.Description, e.cause)
	s.noteRefusal(r, e)
	if e.retryAfter > 0 {
		setRetryAfter(w, e.retryAfter)
	}
	p.Code, p.Reason = e.Code, e.page
	if a != nil {
		p.UILocales = a.params.Get("ui_locales")
	}
	if s.config.Dev {
		p.Detail = s.explain(e, a)
	}
	s.render(w, r, e.Status, p)
}

// received is what the log has of a URI that is not registered: where it leads, and not what it carries.
func received(uri string) error {
	u, err := url.Parse(uri)
	if err != nil || !u.IsAbs() {
		return errors.New("received no absolute URI")
	}
	place := url.URL{Scheme: u.Scheme, OmitHost: u.OmitHost, Host: u.Host, Path: u.Path}
	if u.RawQuery != "" {
		place.RawQuery = "…"
	}
	return errors.New("received " + place.String())
}

// render draws a page. If that fails there is a mistake in the page, not in the request.
func (s *Server) render(w http.ResponseWriter, r *http.Request, status int, p templates.Page) {
	if err := s.pages.Render(w, r, status, p); err != nil {
		observe.Event(r.Context()).SetError(errServerError, "", err)
		http.Error(w, "internal server error", http.StatusInternalServerError)
	}
}
