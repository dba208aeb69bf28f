package interaction

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/authzd/authzd/authz/authorize"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/connect"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

// flow is a pending authorization: the request or the device that waits for it, and what its user has
// answered on our pages so far. It is kept nowhere but in the URLs of those pages, sealed and bound to
// the browser, so any replica can go on with it and nobody can fill the store with logins that never
// end.
type flow struct {
	Browser string `json:"b"` // whose it is
	authorize.Carried
	SignedIn  string       `json:"i,omitempty"` // Sid of the session that logged in for this flow
	Selected  string       `json:"s,omitempty"` // user id chosen under prompt=select_account
	Consented string       `json:"c,omitempty"` // user id that has allowed this very request
	Allowed   string       `json:"k,omitempty"` // names that consent, which counts once
	Link      *link        `json:"l,omitempty"` // to be made if its user confirms it
	UserCode  string       `json:"u,omitempty"` // of a device, as typed (RFC 8628)
	Device    string       `json:"d,omitempty"` // the key of that device, once found
	Failed    *failedLogin `json:"f,omitempty"` // the last login on the way, for the page to explain
}

// failedLogin is a login that did not succeed.
type failedLogin struct {
	Problem  templates.Problem `json:"p"`
	Username string            `json:"u"`
	Remember bool              `json:"r,omitempty"`
}

// link is an upstream identity that waits for its user to say that it is theirs.
type link struct {
	ID       string           `json:"n"` // it is decided once
	UserID   string           `json:"u"`
	Identity connect.Identity `json:"i"`
	Proven   bool             `json:"p,omitempty"` // to be the user's, by the address: no password is needed
	SignedIn string           `json:"s,omitempty"` // Sid of the session in which the user signed in for it
	Begun    time.Time        `json:"t"`
}

// staleFlow is a flow of ours that can't go on: it is too old, or another browser's (or this one's
// before two of its tabs got a cookie at once). Its request may begin again, at the URL; what was
// answered on the way is dropped.
type staleFlow struct{ url string }

func (*staleFlow) Error() string { return "the sign-in has expired or belongs to another browser" }

// seal returns the flow as a URL-safe string.
func (in *Interaction) seal(f flow) string {
	packed, _ := pack(f) // plain data always encodes
	return base64.RawURLEncoding.EncodeToString(in.Flows.Seal(packed, nil))
}

// pack makes what a browser keeps for us short.
func pack(v any) ([]byte, error) {
	plain, err := json.Marshal(v)
	var packed bytes.Buffer
	z, _ := flate.NewWriter(&packed, flate.BestSpeed) // the level is valid
	z.Write(plain)                                    // a bytes.Buffer never fails
	z.Close()
	return packed.Bytes(), err
}

func unpack(packed []byte, v any) error {
	plain, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), oauth.MaxForm))
	if err != nil {
		return err
	}
	return json.Unmarshal(plain, v)
}

// openFlow is the way back, for the browser that r comes from. Without a sealed flow it is a plain
// sign-in, which ends at the account page.
func (in *Interaction) openFlow(w http.ResponseWriter, r *http.Request, sealed string) (flow, error) {
	browser, known := in.Sessions.Browser(w, r)
	if sealed == "" {
		return flow{Browser: browser, Carried: authorize.Carried{Started: storage.Now()}}, nil
	}
	expired := oauth.Refuse("sign_in_expired", "This sign-in page has expired, or cookies are blocked. Go back to the app and sign in again.")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil {
		return flow{}, expired.Because(err)
	}
	packed, err := in.Flows.Open(raw, nil)
	if err != nil {
		return flow{}, expired.Because(err)
	}
	var f flow
	if err := unpack(packed, &f); err != nil {
		return flow{}, expired.Because(err)
	}
	if f.Browser == browser && storage.Now().Sub(f.Started) <= authorize.CarriedLifetime {
		return f, nil
	}
	if !known || f.plain() || f.Outlived() { // without cookies it would begin again for ever
		return flow{}, in.lost(r.Context(), expired, f, in.again(f, browser))
	}
	return flow{}, &staleFlow{in.beginAgain(f, browser)}
}

// lostSignIn is a sign-in that can't go on in this browser by itself. The page has links out of it.
type lostSignIn struct {
	refused *oauth.Error
	client  *client.Client // nil: nobody knows
	again   string         // URL at which a person may begin again; empty: only in the app
}

func (e *lostSignIn) Error() string { return e.refused.Error() }
func (e *lostSignIn) Unwrap() error { return e.refused }

// lost is the end of a flow that was readable, and so says which app waits. A person may begin again at the
// URL again; it is empty if only the app can.
func (in *Interaction) lost(ctx context.Context, e *oauth.Error, f flow, again string) error {
	l := &lostSignIn{refused: e, again: again}
	if params, err := url.ParseQuery(f.Params); err == nil && f.Params != "" {
		if l.client, err = in.Clients.Get(ctx, params.Get("client_id")); err != nil {
			return err
		}
	}
	return l
}

// again is the URL at which a person may begin the sign-in of a flow again; empty: only in the app.
func (in *Interaction) again(f flow, browser string) string {
	switch {
	case f.plain():
		return in.Issuer.URL("/login")
	case f.Outlived():
		return ""
	}
	return in.beginAgain(f, browser)
}

// plain tells a sign-in for which nothing waits.
func (f *flow) plain() bool { return f.Params == "" && f.UserCode == "" }

// beginAgain is where the request of a flow begins anew, on the terms that it began under: a pushed
// one from the store, if it is still there, and a signed one in a new flow, since nobody else could
// say again what the client has signed.
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
