package authz

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/storage"
)

// An authorization request comes in one of these ways. begin finds the parameters that count, those
// alone, and keeps them in the flow (RFC 9101 section 6.3, Request Parameter Assembly):
//
//	?client_id&…                       all of the query
//	?client_id&request=JWT             what the client has signed           RFC 9101   requestobject.go
//	?client_id&request_uri=https://…   likewise, fetched from there         RFC 9101   requestobject.go
//	?client_id&request_uri=urn:…       what the client has pushed           RFC 9126   par.go
var (
	errUnknownClient      = oauth.Refuse(oauth.InvalidClient, "The client is unknown.")
	errSecretInBrowser    = oauth.Refuse(oauth.InvalidRequest, "A client_secret must never be sent through the browser. Change it now.")
	errRedirectURIMissing = &oauth.Error{Status: http.StatusBadRequest, Code: oauth.InvalidRequest, Description: "The redirect_uri is missing.", Page: "redirect_uri_missing"}
	errUnsigned           = oauth.Refuse(oauth.InvalidRequest, "This client must sign its authorization requests (RFC 9101).")
	errRequestTooLong     = oauth.Refuse(oauth.InvalidRequest, "The authorization request is too long. Push it: RFC 9126 has room for more.")
)

// begin puts the authorization request that a browser has brought into its flow.
func (s *Server) begin(ctx context.Context, f *flow, params url.Values) error {
	c, err := s.clients.Get(ctx, params.Get("client_id"))
	requestURI := params.Get("request_uri")
	switch {
	case err != nil:
		return err
	case c == nil:
		return errUnknownClient
	case params.Has("client_secret"):
		return errSecretInBrowser
	case params.Has("request") && params.Has("request_uri"): // RFC 9101 section 5
		return oauth.Refuse(oauth.InvalidRequest, "The parameters request and request_uri exclude each other.")
	case strings.HasPrefix(requestURI, oauth.PrefixPushed):
		return s.beginPushed(ctx, f, c, requestURI)
	case c.RequirePAR: // RFC 9126 section 6
		refused := oauth.Refuse(oauth.InvalidRequest, "This client must push its authorization requests (RFC 9126) and bring nothing but client_id and request_uri.")
		refused.AllowedBy = c.Setting("require_pushed_authorization_requests: false")
		return refused
	case params.Has("request"), params.Has("request_uri"):
		return s.beginSigned(ctx, f, c, params)
	case c.RequireSigned:
		return errUnsigned
	}
	return f.carry(params)
}

// beginSigned verifies a request object once: its keys may be gone while the user signs in. Whatever it
// says of itself, the flow is evidence of a signature for an hour and no longer: then the client, if it
// still has that key, must say it again.
func (s *Server) beginSigned(ctx context.Context, f *flow, c *client.Client, params url.Values) error {
	text, err := params.Get("request"), error(nil)
	if params.Has("request_uri") {
		if text, err = s.fetchRequestObject(ctx, c, params.Get("request_uri")); err != nil {
			return err
		}
	}
	object, err := s.openRequestObject(ctx, c, text)
	if err != nil {
		return err
	}
	if outside := params.Get("response_type"); outside != "" && outside != object.params.Get("response_type") { // OpenID Connect Core section 6.1
		return oauth.Refuse(oauth.InvalidRequest, "The response_type differs from the one in the request object.")
	}
	f.Signed, f.Until = true, f.Started.Add(maxRequestLife).Unix()
	if object.expires != 0 {
		f.Until = min(f.Until, object.expires)
	}
	return f.carry(object.params)
}

// carry keeps the parameters in the flow itself, and so in the URLs of our pages.
func (f *flow) carry(params url.Values) error {
	f.Params = params.Encode()
	if !fitsURL(f.Params) {
		return errRequestTooLong
	}
	return nil
}

// fitsURL tells whether a sealed flow with these parameters can be part of a URL.
func fitsURL(params string) bool { return len(params) <= oauth.MaxRequest }

// paramsOf is the way back: the parameters that count in a flow.
func (s *Server) paramsOf(ctx context.Context, f flow) (url.Values, error) {
	if f.Pushed != "" {
		return s.pushedParams(ctx, f)
	}
	return oauth.ParseParams(f.Params)
}

// unassembled is what is known of a request that can't begin: where the error may go. Parameters of
// the query that would not have counted decide that only if they are complete: the redirect URI of a
// request object that can't be read is not the one that the client left out of the query.
func (s *Server) unassembled(r *http.Request, params url.Values) *authorization {
	a := &authorization{params: params, now: storage.Now(), mode: responseModeOf(params)}
	if err := s.findClient(r, a); err != nil {
		return a // as far as it got
	}
	pushed := strings.HasPrefix(params.Get("request_uri"), oauth.PrefixPushed)
	if pushed || !params.Has("redirect_uri") && (params.Has("request") || params.Has("request_uri")) {
		a.redirectURI = ""
	}
	return a
}
