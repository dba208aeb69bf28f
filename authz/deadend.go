package authz

import (
	"errors"
	"net/http"

	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/templates"
)

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
	s.pages.ShowError(w, r, oauth.AsError(err), nil)
}

// showDeadEnd draws the error page of a sign-in that can't go on, with the ways out of it.
func (s *Server) showDeadEnd(w http.ResponseWriter, r *http.Request, lost *lostSignIn) {
	p := templates.Error{AgainURL: lost.again}
	if lost.client != nil {
		p.Client = &templates.Client{Name: lost.client.Name}
		p.BackURL = s.pages.WayBack(lost.client)
	}
	s.pages.ShowErrorPage(w, r, lost.refused, nil, p)
}
