package authz

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/authzd/authzd/authz/connect"
)

// flowLifetime is how long a person may take to sign in and consent.
const flowLifetime = time.Hour

// flow is a pending authorization: the request, and what its user has answered on our pages so
// far. It is kept nowhere but in the URLs of those pages, sealed and bound to the browser, so any
// replica can go on with it and nobody can fill the store with logins that never end.
type flow struct {
	Params    string            `json:"p,omitempty"` // of the authorization request; empty: a plain sign-in
	Started   time.Time         `json:"t"`
	SignedIn  string            `json:"i,omitempty"` // sid of the session that logged in for this flow
	Selected  string            `json:"s,omitempty"` // user id chosen under prompt=select_account
	Consented string            `json:"c,omitempty"` // user id that allowed under prompt=consent
	Link      *connect.Identity `json:"l,omitempty"` // to be linked to the account that signs in next
}

var errFlow = errors.New("the sign-in has expired or belongs to another browser")

// seal returns the flow as a URL-safe string that only this browser can present.
func (s *Server) seal(f flow, browser string) string {
	plain, _ := json.Marshal(f) // plain data always encodes
	var packed bytes.Buffer
	z, _ := flate.NewWriter(&packed, flate.BestSpeed) // the level is valid
	z.Write(plain)                                    // a bytes.Buffer never fails
	z.Close()
	return base64.RawURLEncoding.EncodeToString(s.flows.Seal(packed.Bytes(), []byte(browser)))
}

// open is the way back; every failure is errFlow.
func (s *Server) open(sealed, browser string) (flow, error) {
	var f flow
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil || browser == "" {
		return f, errFlow
	}
	packed, err := s.flows.Open(raw, []byte(browser))
	if err != nil {
		return f, errFlow
	}
	plain, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), maxForm))
	if err != nil || json.Unmarshal(plain, &f) != nil || s.now().Sub(f.Started) > flowLifetime {
		return flow{}, errFlow
	}
	return f, nil
}
