package tokenendpoint

import (
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/storage"
)

// bindToCertificate binds the tokens of a request to the client's certificate, if the client is registered for
// that (RFC 8705 section 3.4).
func (x *exchange) bindToCertificate(x5t string) error {
	if !x.Client.TLSBound {
		return nil
	}
	if x5t == "" {
		return oauth.Refuse(oauth.InvalidRequest, "No certificate was shown: the tokens of this client are bound to one.")
	}
	x.confirmation.X5T = x5t
	return nil
}

// bindToKey binds the tokens of a request to the key of its DPoP proof, if there is one (RFC 9449 section 5).
func (ep *Endpoint) bindToKey(x *exchange) error {
	p, err := ep.Auth.Proof(x.answer, x.request, x.Client, "")
	if err != nil {
		return err
	}
	if p == nil {
		if x.Client.DPoPBound { // RFC 9449 section 5.2
			return oauth.Refuse(oauth.InvalidRequest, "The DPoP header is missing: the tokens of this client are bound to a key.")
		}
		return nil
	}
	x.confirmation.JKT = p.Thumbprint
	p.Spend(ep.Ledger.Stranger(x.Client), &x.writes, &x.marks)
	return nil
}

// mustHold returns an error if the client has not proved that it holds the key or certificate that a code or a
// token is bound to. Call it before anything that uses the code up: a thief must not be able to do that.
func (x *exchange) mustHold(bound storage.Confirmation, what string) error {
	switch shown := x.confirmation; {
	case bound.JKT != "" && shown.JKT == "":
		return oauth.Refuse(oauth.InvalidGrant, "The "+what+" is bound to a DPoP key: send a proof of it.")
	case bound.JKT != "" && shown.JKT != bound.JKT:
		return oauth.Refuse(oauth.InvalidGrant, "The "+what+" is bound to another DPoP key than the proof's.")
	case bound.X5T != "" && shown.X5T != bound.X5T:
		return oauth.Refuse(oauth.InvalidGrant, "The "+what+" is bound to a certificate that the client has not shown.")
	}
	return nil
}
