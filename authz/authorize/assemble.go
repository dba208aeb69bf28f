package authorize

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/storage"
)

// An authorization request comes in one of these ways. begin finds the parameters that count, those
// alone, and keeps them in the flow (RFC 9101 section 6.3, Request Parameter Assembly):
//
//	?client_id&…                       all of the query
//	?client_id&request=JWT             what the client has signed           RFC 9101   request_object.go
//	?client_id&request_uri=https://…   likewise, fetched from there         RFC 9101   request_object.go
//	?client_id&request_uri=urn:…       what the client has pushed           RFC 9126   push.go
var (
	ErrUnknownClient      = oauth.Refuse(oauth.InvalidClient, "The client is unknown.")
	ErrSecretInBrowser    = oauth.Refuse(oauth.InvalidRequest, "A client_secret must never be sent through the browser. Change it now.")
	errRedirectURIMissing = &oauth.Error{Status: http.StatusBadRequest, Code: oauth.InvalidRequest, Description: "The redirect_uri is missing.", Page: "redirect_uri_missing"}
	errUnsigned           = oauth.Refuse(oauth.InvalidRequest, "This client must sign its authorization requests (RFC 9101).")
	ErrRequestTooLong     = oauth.Refuse(oauth.InvalidRequest, "The authorization request is too long. Push it: RFC 9126 has room for more.")
)

// CarriedLifetime is how long a request may wait for its user to sign in and consent.
const CarriedLifetime = time.Hour

// Carried is an authorization request as the flow of a browser carries it.
type Carried struct {
	Params  string    `json:"p,omitempty"` // empty: there is none
	Pushed  string    `json:"r,omitempty"` // the request_uri, if the request was pushed (RFC 9126)
	Signed  bool      `json:"o,omitempty"` // the request was signed (RFC 9101): Params are what its object said
	Until   int64     `json:"e,omitempty"` // a signed request may begin again until then: seconds since 1970
	Started time.Time `json:"t"`
}

// Outlived reports whether the request was signed and has expired, so that it can't begin again.
func (f *Carried) Outlived() bool { return f.Signed && storage.Now().Unix() >= f.Until }

// Begin puts the authorization request that a browser has brought into its flow.
func (reqs *Requests) Begin(ctx context.Context, f *Carried, params url.Values) error {
	c, err := reqs.Clients.Get(ctx, params.Get("client_id"))
	requestURI := params.Get("request_uri")
	switch {
	case err != nil:
		return err
	case c == nil:
		return ErrUnknownClient
	case params.Has("client_secret"):
		return ErrSecretInBrowser
	case params.Has("request") && params.Has("request_uri"): // RFC 9101 section 5
		return oauth.Refuse(oauth.InvalidRequest, "The parameters request and request_uri exclude each other.")
	case strings.HasPrefix(requestURI, oauth.PrefixPushed):
		return reqs.beginPushed(ctx, f, c, requestURI)
	case c.RequirePAR: // RFC 9126 section 6
		refused := oauth.Refuse(oauth.InvalidRequest, "This client must push its authorization requests (RFC 9126) and bring nothing but client_id and request_uri.")
		refused.AllowedBy = c.Setting("require_pushed_authorization_requests: false")
		return refused
	case params.Has("request"), params.Has("request_uri"):
		return reqs.beginSigned(ctx, f, c, params)
	case c.RequireSigned:
		return errUnsigned
	}
	return f.carry(params)
}

// beginSigned verifies a request object once: its keys may be gone while the user signs in. Whatever it
// says of itself, the flow is evidence of a signature for an hour and no longer: then the client, if it
// still has that key, must say it again.
func (reqs *Requests) beginSigned(ctx context.Context, f *Carried, c *client.Client, params url.Values) error {
	text, err := params.Get("request"), error(nil)
	if params.Has("request_uri") {
		if text, err = reqs.fetchRequestObject(ctx, c, params.Get("request_uri")); err != nil {
			return err
		}
	}
	object, err := reqs.openRequestObject(ctx, c, text)
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
func (f *Carried) carry(params url.Values) error {
	f.Params = params.Encode()
	if !FitsURL(f.Params) {
		return ErrRequestTooLong
	}
	return nil
}

// FitsURL tells whether a sealed flow with these parameters can be part of a URL.
func FitsURL(params string) bool { return len(params) <= oauth.MaxRequest }

// paramsOf is the way back: the parameters that count in a flow.
func (reqs *Requests) paramsOf(ctx context.Context, f Carried) (url.Values, error) {
	if f.Pushed != "" {
		return reqs.pushedParams(ctx, f)
	}
	return oauth.ParseParams(f.Params)
}

// Unassembled is what is known of a request that can't begin: where the error may go. Parameters of
// the query that would not have counted decide that only if they are complete: the redirect URI of a
// request object that can't be read is not the one that the client left out of the query.
func (reqs *Requests) Unassembled(r *http.Request, params url.Values) *Request {
	a := &Request{Params: params, Now: storage.Now(), mode: responseModeOf(params)}
	if err := reqs.findClient(r, a); err != nil {
		return a // as far as it got
	}
	pushed := strings.HasPrefix(params.Get("request_uri"), oauth.PrefixPushed)
	if pushed || !params.Has("redirect_uri") && (params.Has("request") || params.Has("request_uri")) {
		a.RedirectURI = ""
	}
	return a
}
