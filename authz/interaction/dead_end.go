package interaction

import (
	"errors"
	"net/http"

	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/templates"
)

// ReportPage is the one exit for errors of pages. The error page explains the error in development; otherwise it
// shows the code and the request id, by which the log can be searched. A sign-in that has become stale begins
// again.
func (in *Interaction) ReportPage(w http.ResponseWriter, r *http.Request, err error) {
	if stale := new(staleFlow); errors.As(err, &stale) {
		observe.Event(r.Context()).SetError("sign_in_expired", "", err)
		http.Redirect(w, r, stale.url, http.StatusSeeOther)
		return
	}
	if lost := new(lostSignIn); errors.As(err, &lost) {
		in.showDeadEnd(w, r, lost)
		return
	}
	in.Pages.ShowError(w, r, oauth.AsError(err), nil)
}

// showDeadEnd draws the error page of a sign-in that can't go on, with links out of it.
func (in *Interaction) showDeadEnd(w http.ResponseWriter, r *http.Request, lost *lostSignIn) {
	p := templates.Error{AgainURL: lost.again}
	if lost.client != nil {
		p.Client = &templates.Client{Name: lost.client.Name}
		p.BackURL = in.Pages.WayBack(lost.client)
	}
	in.Pages.ShowErrorPage(w, r, lost.refused, nil, p)
}
