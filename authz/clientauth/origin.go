package clientauth

import (
	"net/http"
	"net/url"

	"github.com/authzd/authzd/authz/client/directory"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/weburl"
)

// DevOrigin reports whether an origin is on this machine, and the server is in development mode.
func (auth *Authenticator) DevOrigin(origin string) bool {
	if !auth.Dev {
		return false
	}
	u, err := url.Parse(origin)
	return err == nil && weburl.IsLoopback(u.Hostname())
}

// Form parses a form that a client sends; only that client's own origins may read the answer.
func (auth *Authenticator) Form(w http.ResponseWriter, r *http.Request) (url.Values, *Claim, error) {
	form, err := oauth.RequestForm(w, r)
	claim := auth.Claim(r)
	auth.OnlyOrigins(w, r, claim.Find)
	return form, claim, err
}

// OnlyOrigins takes the CORS permission back if the origin is not one of the client's own. find is called if the
// request comes from a page.
func (auth *Authenticator) OnlyOrigins(w http.ResponseWriter, r *http.Request, find func() (directory.Found, error)) {
	origin := r.Header.Get("Origin")
	if origin == "" || auth.DevOrigin(origin) {
		return
	}
	if c, err := find(); err != nil || (c.Client != nil && !c.HasOrigin(origin)) {
		w.Header().Del("Access-Control-Allow-Origin")
	}
}
