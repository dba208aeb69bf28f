package authz

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/dpop"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/storage"
)

// Tokens that are bound to a key of the client (RFC 9449):
//
//	/authorize  dpop_jkt ────────────────┐
//	/par        dpop_jkt, or a proof ────┴> code: only this key may redeem it (section 10)
//	/token      proof ─> exchange.confirmation ─> cnf of the access token (section 5)
//	                                          └─> grant, of a public client: each refresh needs this key
//	/userinfo, /session  scheme DPoP: proof of the key in cnf ─> checkSender (section 7)

// DPoP says how proofs of possession are checked.
type DPoP struct {
	// RequireNonce makes clients put a nonce of the server into their proofs (RFC 9449 section 8): they
	// are told by use_dpop_nonce. A proof can then not be made for later, and the clocks of the clients
	// do not matter.
	RequireNonce bool
}

// openNonces makes the nonces of proofs, the same in every replica.
func (s *Server) openNonces(context.Context) (err error) {
	if !s.config.DPoP.RequireNonce {
		return nil
	}
	var keys [][]byte
	for _, key := range s.config.Secret.Deriver(purposeNonce).Derive(nil) {
		keys = append(keys, key[:])
	}
	s.nonces, err = dpop.NewNonces(keys...)
	return err
}

// shownProof is a proof that was made for the request.
type shownProof struct {
	*dpop.Proof
	spent storage.Write // marks it as used (section 11.1)
}

// shownProof checks the proof in the header of a request (section 4.3), and that it was not used
// before; nil if there is none. accessToken is what it came with, empty at other endpoints than
// resources. answer gets a nonce if the client needs one.
func (s *Server) shownProof(answer http.Header, r *http.Request, c *client.Client, accessToken string) (*shownProof, error) {
	text, err := dpop.FromHeader(r.Header)
	if text == "" && err == nil {
		return nil, nil
	}
	var p *dpop.Proof
	if err == nil {
		own, alias := s.ownURLs(r)
		p, err = dpop.Verify(text, dpop.Request{
			Method: r.Method, URL: own, Alias: alias, AccessToken: accessToken, Nonces: s.nonces,
		})
	}
	if err != nil {
		return nil, s.refusedProof(answer, err)
	}
	if s.nonces != nil {
		if next := s.nonces.Next(p.Nonce); next != "" { // section 8.2
			answer.Set("DPoP-Nonce", next)
		}
	}
	if p.Algorithm == "RS256" && c.Profile != "" { // FAPI 2.0 Security Profile section 5.4.1
		return nil, oauth.Refuse(oauth.InvalidDPoPProof, "The DPoP proof is refused: this client must not sign with RS256.")
	}
	key := oauth.MarkProof + p.ReplayKey()
	if used, err := oauth.Marked(r.Context(), s.store, key); err != nil {
		return nil, err
	} else if used {
		return nil, errProofUsed
	}
	return &shownProof{p, oauth.MarkOnce(key, p.ReplayUntil())}, nil
}

// ownURLs are those that a request may have been sent to. The operator's listener knows no more of its own
// than the host that it was called by, which atListener has checked; before it may be a proxy with TLS.
func (s *Server) ownURLs(r *http.Request) (own, alias string) {
	path := r.URL.EscapedPath()
	if r.Context().Value(atListenerKey{}) != nil {
		return "https://" + r.Host + path, "http://" + r.Host + path
	}
	return s.issuer.Origin + path, s.alias(path)
}

var errProofUsed = oauth.Refuse(oauth.InvalidDPoPProof, "The DPoP proof is refused: it was used before.")

// refusedProof is an error of package dpop in ours. Its reasons have no full stop; some end with a question.
func (s *Server) refusedProof(answer http.Header, err error) error {
	if errors.Is(err, dpop.ErrNonce) {
		answer.Set("DPoP-Nonce", s.nonces.Current())
		return oauth.Refuse(oauth.UseDPoPNonce, "The DPoP proof needs the nonce of the header DPoP-Nonce.")
	}
	var invalid *dpop.Error
	if !errors.As(err, &invalid) {
		return err
	}
	description := "The DPoP proof is refused: " + invalid.Reason
	if !strings.HasSuffix(description, "?") {
		description += "."
	}
	return oauth.Refuse(oauth.InvalidDPoPProof, description)
}

// asksForNonce tells whether a request is refused only to be sent again with a nonce (section 8). Nothing
// Has been looked at, and nothing is used up: many clients send the same assertion with a new proof.
func asksForNonce(err error) bool {
	e := new(oauth.Error)
	return errors.As(err, &e) && e.Code == oauth.UseDPoPNonce
}

// spend adds the write that uses a proof up. It is made if the request is refused too, except for
// strangers: they could fill the store with them, and what was refused is worth nothing.
func (p *shownProof) spend(byStranger bool, success, always *[]storage.Write) {
	if p == nil {
		return
	}
	if byStranger {
		always = success
	}
	*always = append(*always, p.spent)
}

// bindToKey binds the tokens of a token request to the key of its proof (section 5).
func (s *Server) bindToKey(x *exchange) error {
	p, err := s.shownProof(x.answer, x.request, x.Client, "")
	if err != nil {
		return err
	}
	if p == nil {
		if x.Client.DPoPBound { // section 5.2
			return oauth.Refuse(oauth.InvalidRequest, "The DPoP header is missing: the tokens of this client are bound to a key.")
		}
		return nil
	}
	x.confirmation.JKT = p.Thumbprint
	p.spend(s.ledger.Stranger(x.Client), &x.writes, &x.marks)
	return nil
}

// mustHold refuses an exchange whose client has not shown that it holds what a code or a refresh
// token is bound to. Nothing happens to either then: a thief can't even use them up.
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

// checkDPoPKey checks the syntax of dpop_jkt (section 10): a SHA-256 hash in base64url.
func checkDPoPKey(a *authorization) error {
	if jkt := a.params.Get("dpop_jkt"); jkt != "" && !challengeSyntax.MatchString(jkt) {
		return oauth.Refuse(oauth.InvalidRequest, "The dpop_jkt is not the base64url form of a SHA-256 hash.")
	}
	return nil
}

// bindRequest binds a pushed request to the key of its proof, as dpop_jkt does (section 10.1).
func bindRequest(params url.Values, p *shownProof) error {
	if p == nil {
		return nil
	}
	if jkt := params.Get("dpop_jkt"); jkt != "" && jkt != p.Thumbprint {
		return oauth.Refuse(oauth.InvalidRequest, "The dpop_jkt is of another key than the DPoP proof.")
	}
	params.Set("dpop_jkt", p.Thumbprint)
	return nil
}
