package interaction

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/authzd/authzd/authz/authorize"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/connect"
	"github.com/authzd/authzd/authz/deflate"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

// flow is a sign-in under way: the request or the device that waits for it, and what the user has answered on our
// pages so far. It is kept only in the URLs of those pages, sealed and bound to the browser. So any replica can go
// on with it, and nobody can fill the store with sign-ins that never end.
type flow struct {
	Browser string `json:"b"` // the browser that it belongs to
	authorize.Carried
	SignedIn   string       `json:"i,omitempty"`      // sid of the session that logged in for this flow
	Selected   string       `json:"s,omitempty"`      // id of the user chosen under prompt=select_account
	Consented  string       `json:"c,omitempty"`      // id of the user that has allowed this request
	Allowed    string       `json:"k,omitempty"`      // id of that consent, which counts once
	Link       *link        `json:"l,omitempty"`      // to be made if its user confirms it
	LinkTo     string       `json:"to,omitempty"`     // id of the user who links an upstream account
	UserCode   string       `json:"u,omitempty"`      // of a device, as typed (RFC 8628)
	Device     string       `json:"d,omitempty"`      // the key of that device, once found
	CanPasskey bool         `json:"w,omitempty"`      // the browser can have passkeys, by what its script says
	UnknownKey []byte       `json:"y,omitempty"`      // id of a passkey that was not accepted because nobody has it
	Failed     *failedLogin `json:"f,omitempty"`      // the last login on the way, for the page to explain
	Back       string       `json:"a,omitempty"`      // path of the page of the account that waits; empty: /account
	Fresh      bool         `json:"g,omitempty"`      // that page wants a sign-in of just now
	Strong     bool         `json:"strong,omitempty"` // and the second factor, which the user has
}

// failedLogin is a login that did not succeed.
type failedLogin struct {
	Problem  templates.Problem `json:"p"`
	Username string            `json:"u"`
	Remember bool              `json:"r,omitempty"`
}

// link is an upstream identity whose user has not confirmed yet that it is theirs.
type link struct {
	ID       string           `json:"n"` // for the mark that the link was decided
	UserID   string           `json:"u"`
	Identity connect.Identity `json:"i"`
	Proven   bool             `json:"p,omitempty"` // the e-mail address proves that it is the user's: no password is needed
	SignedIn string           `json:"s,omitempty"` // sid of the session in which the user signed in for it
	Begun    time.Time        `json:"t"`
}

// staleFlow is a valid flow that can't go on: it is too old, or another browser's (or this one's, before two of
// its tabs got a cookie at once). Its request may begin again at the URL, without the user's answers so far.
type staleFlow struct{ url string }

func (*staleFlow) Error() string { return "the sign-in has expired or belongs to another browser" }

// seal returns the flow as a URL-safe string.
func (in *Interaction) seal(f flow) string {
	packed, _ := pack(f) // plain data always encodes
	return base64.RawURLEncoding.EncodeToString(in.Flows.Seal(packed, nil))
}

// pack returns a compressed encoding of what a browser keeps for us.
func pack(v any) ([]byte, error) {
	plain, err := json.Marshal(v)
	return deflate.Compress(deflate.Quick, plain), err
}

// unpack decodes what pack returned.
func unpack(packed []byte, v any) error {
	plain, err := deflate.Expand(packed, oauth.MaxForm)
	if err != nil {
		return err
	}
	return json.Unmarshal(plain, v)
}

// openFlow opens a sealed flow, for the browser that r comes from. If sealed is empty, it returns the flow of a
// plain sign-in, which ends at the account page.
func (in *Interaction) openFlow(w http.ResponseWriter, r *http.Request, sealed string) (flow, error) {
	browser, known := in.Sessions.Browser(w, r)
	if sealed == "" {
		return flow{Browser: browser, Carried: authorize.Carried{Started: storage.Now()}}, nil
	}
	expired := oauth.Refuse("sign_in_expired", "This sign-in page has expired, or cookies are blocked. Go back to the app and sign in again.")
	f, err := in.readFlow(sealed)
	if err != nil {
		return flow{}, expired.Because(err)
	}
	if f.Browser == browser && storage.Now().Sub(f.Started) <= authorize.CarriedLifetime {
		return f, nil
	}
	if !known || f.plain() || f.Outlived() { // a browser without cookies would begin again for ever
		return flow{}, in.lost(r.Context(), expired, f, in.again(f, browser))
	}
	return flow{}, &staleFlow{in.beginAgain(f, browser)}
}

// readFlow opens the seal of a flow, of any browser and any age.
func (in *Interaction) readFlow(sealed string) (f flow, err error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil {
		return flow{}, err
	}
	packed, err := in.Flows.Open(raw, nil)
	if err != nil {
		return flow{}, err
	}
	return f, unpack(packed, &f)
}

// lostSignIn is a sign-in that can't go on in this browser. The error page has links out of it.
type lostSignIn struct {
	refused *oauth.Error
	client  *client.Client // nil: unknown
	again   string         // URL at which a person may begin again; empty: only the app can begin again
}

func (e *lostSignIn) Error() string { return e.refused.Error() }
func (e *lostSignIn) Unwrap() error { return e.refused }

// lost returns the error that ends a flow which could be read: it names the app that waits. A person may begin
// again at the URL again; it is empty if only the app can begin again.
func (in *Interaction) lost(ctx context.Context, e *oauth.Error, f flow, again string) error {
	l := &lostSignIn{refused: e, again: again}
	if params, err := url.ParseQuery(f.Params); err == nil && f.Params != "" {
		if l.client, err = in.Clients.Get(ctx, params.Get("client_id")); err != nil {
			return err
		}
	}
	return l
}

// again returns the URL at which a person may begin the sign-in of a flow again, "" if only the app can.
func (in *Interaction) again(f flow, browser string) string {
	switch {
	case f.Back != "":
		return in.Issuer.URL(f.Back)
	case f.plain():
		return in.Issuer.URL("/login")
	case f.Outlived():
		return ""
	}
	return in.beginAgain(f, browser)
}

// plain reports whether neither a request nor a device waits for the sign-in.
func (f *flow) plain() bool { return f.Params == "" && f.UserCode == "" }

// beginAgain returns the URL at which the request of a flow begins again: a pushed request from the store, if it
// is still there, and a signed one in a new flow, since only the client could sign it again.
func (in *Interaction) beginAgain(f flow, browser string) string {
	switch {
	case f.UserCode != "":
		return in.Issuer.URL("/device") + "?user_code=" + url.QueryEscape(f.UserCode)
	case f.Pushed != "":
		params, _ := url.ParseQuery(f.Params) // our own encoding
		f.Params = url.Values{"client_id": params["client_id"], "request_uri": {f.Pushed}}.Encode()
	case f.Signed:
		return in.pageURL("/authorize", in.seal(flow{Browser: browser, Carried: authorize.Carried{Params: f.Params, Signed: true, Until: f.Until, Started: storage.Now()}}))
	}
	return in.Issuer.URL("/authorize") + "?" + f.Params
}

// openRequest checks the authorization request of a flow.
func (in *Interaction) openRequest(r *http.Request, f flow) (*authorize.Request, error) {
	a, err := in.Requests.Open(r, f.Carried)
	a.Acted = f.SignedIn != "" || f.Selected != "" || f.Consented != ""
	return a, err
}
