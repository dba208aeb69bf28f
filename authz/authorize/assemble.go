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

// An authorization request comes in one of these ways. Begin finds the parameters that count, and keeps only
// those in the flow (RFC 9101 section 6.3, Request Parameter Assembly):
//
//	?client_id&…                       all of the query
//	?client_id&request=JWT             those of the signed request object   RFC 9101   request_object.go
//	?client_id&request_uri=https://…   the same, fetched from there         RFC 9101   request_object.go
//	?client_id&request_uri=urn:…       those that the client has pushed     RFC 9126   push.go

// Errors of a request that cannot begin.
var (
	ErrUnknownClient      = oauth.Refuse(oauth.InvalidClient, "The client is unknown.")
	ErrSecretInBrowser    = oauth.Refuse(oauth.InvalidRequest, "A client_secret must never be sent through the browser. Change it now.")
	errRedirectURIMissing = &oauth.Error{Status: http.StatusBadRequest, Code: oauth.InvalidRequest, Description: "The redirect_uri is missing.", Page: "redirect_uri_missing"}
	errUnsigned           = oauth.Refuse(oauth.InvalidRequest, "This client must sign its authorization requests (RFC 9101).")
	ErrRequestTooLong     = oauth.Refuse(oauth.InvalidRequest, "The authorization request is too long. Push it: RFC 9126 has room for more.")
)

// CarriedLifetime is how long a user has to sign in and consent.
const CarriedLifetime = time.Hour

// Carried is an authorization request as the flow of a browser carries it.
type Carried struct {
	Params  string    `json:"p,omitempty"` // empty: there is none
	Pushed  string    `json:"r,omitempty"` // the request_uri, if the request was pushed (RFC 9126)
	Signed  bool      `json:"o,omitempty"` // the request was signed (RFC 9101): Params are those of its object
	Until   int64     `json:"e,omitempty"` // a signed request may begin again until then: seconds since 1970
	Started time.Time `json:"t"`
}

// Outlived reports whether the request was signed and has expired, so that it can't begin again.
func (f *Carried) Outlived() bool { return f.Signed && storage.Now().Unix() >= f.Until }

// Begin finds the parameters that count in the request of a browser, and keeps them in f.
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

// beginSigned verifies a request object once: the client's keys may change while the user signs in. The flow
// counts as signed for an hour at most, even if the object is valid for longer: after that the client must sign
// a request again.
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

// FitsURL reports whether a sealed flow with these encoded parameters can be part of a URL.
func FitsURL(params string) bool { return len(params) <= oauth.MaxRequest }

// paramsOf returns the parameters that Begin kept in a flow.
func (reqs *Requests) paramsOf(ctx context.Context, f Carried) (url.Values, error) {
	if f.Pushed != "" {
		return reqs.pushedParams(ctx, f)
	}
	return oauth.ParseParams(f.Params)
}

// Unassembled returns what is known of a request that can't begin, for Refuse to find out where the error may
// go. If the request object could not be read, the query must name the redirect URI: a client with only one
// may have another in its request object.
func (reqs *Requests) Unassembled(r *http.Request, params url.Values) *Request {
	a := &Request{Params: params, Now: storage.Now(), mode: responseModeOf(params)}
	if err := reqs.findClient(r, a); err != nil {
		return a // it has what was found
	}
	pushed := strings.HasPrefix(params.Get("request_uri"), oauth.PrefixPushed)
	if pushed || !params.Has("redirect_uri") && (params.Has("request") || params.Has("request_uri")) {
		a.RedirectURI = ""
	}
	return a
}
