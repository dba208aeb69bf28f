package clientauth

import (
	"net/http"
	"net/url"

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
func (auth *Authenticator) Form(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	form, err := oauth.RequestForm(w, r)
	auth.OnlyOrigins(w, r, claimedClient(r))
	return form, err
}

// OnlyOrigins takes the CORS permission back if the origin is not one of this client's own.
func (auth *Authenticator) OnlyOrigins(w http.ResponseWriter, r *http.Request, clientID string) {
	origin := r.Header.Get("Origin")
	if origin == "" || auth.DevOrigin(origin) {
		return
	}
	if c, err := auth.Clients.Get(r.Context(), clientID); err != nil || (c != nil && !c.HasOrigin(origin)) {
		w.Header().Del("Access-Control-Allow-Origin")
	}
}
