package clientauth

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/dpop"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/storage"
)

// Proof is a proof that was made for the request.
type Proof struct {
	*dpop.Proof
	spent storage.Write // marks it as used (section 11.1)
}

// Proof checks the proof in the header of a request (section 4.3), and that it was not used
// before; nil if there is none. AccessToken is what it came with, empty at other endpoints than
// resources. answer gets a nonce if the client needs one.
func (auth *Authenticator) Proof(answer http.Header, r *http.Request, c *client.Client, accessToken string) (*Proof, error) {
	text, err := dpop.FromHeader(r.Header)
	if text == "" && err == nil {
		return nil, nil
	}
	var p *dpop.Proof
	if err == nil {
		own, alias := auth.ownURLs(r)
		p, err = dpop.Verify(text, dpop.Request{
			Method: r.Method, URL: own, Alias: alias, AccessToken: accessToken, Nonces: auth.Nonces,
		})
	}
	if err != nil {
		return nil, auth.refusedProof(answer, err)
	}
	if auth.Nonces != nil {
		if next := auth.Nonces.Next(p.Nonce); next != "" { // section 8.2
			answer.Set("DPoP-Nonce", next)
		}
	}
	if p.Algorithm == "RS256" && c.Profile != "" { // FAPI 2.0 Security Profile section 5.4.1
		return nil, oauth.Refuse(oauth.InvalidDPoPProof, "The DPoP proof is refused: this client must not sign with RS256.")
	}
	key := oauth.MarkProof + p.ReplayKey()
	if used, err := oauth.Marked(r.Context(), auth.Store, key); err != nil {
		return nil, err
	} else if used {
		return nil, errProofUsed
	}
	return &Proof{p, oauth.MarkOnce(key, p.ReplayUntil())}, nil
}

// CalledByHost marks a request to a listener that knows no more of its URL than the host that it was called by,
// and has checked that. Before it may be a proxy with TLS.
func CalledByHost(ctx context.Context) context.Context {
	return context.WithValue(ctx, calledByHostKey{}, true)
}

type calledByHostKey struct{}

// ownURLs are those that a request may have been sent to.
func (auth *Authenticator) ownURLs(r *http.Request) (own, alias string) {
	path := r.URL.EscapedPath()
	if r.Context().Value(calledByHostKey{}) != nil {
		return "https://" + r.Host + path, "http://" + r.Host + path
	}
	return auth.Issuer.Origin + path, auth.Alias(path)
}

var errProofUsed = oauth.Refuse(oauth.InvalidDPoPProof, "The DPoP proof is refused: it was used before.")

// refusedProof is an error of package dpop in ours. Its reasons have no full stop; some end with a question.
func (auth *Authenticator) refusedProof(answer http.Header, err error) error {
	if errors.Is(err, dpop.ErrNonce) {
		answer.Set("DPoP-Nonce", auth.Nonces.Current())
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

// AsksForNonce tells whether a request is refused only to be sent again with a nonce (section 8). Nothing
// has been looked at, and nothing is used up: many clients send the same assertion with a new proof.
func AsksForNonce(err error) bool {
	e := new(oauth.Error)
	return errors.As(err, &e) && e.Code == oauth.UseDPoPNonce
}

// Spend adds the write that uses a proof up. It is made if the request is refused too, except for
// strangers: they could fill the store with them, and what was refused is worth nothing.
func (p *Proof) Spend(byStranger bool, success, always *[]storage.Write) {
	if p == nil {
		return
	}
	if byStranger {
		always = success
	}
	*always = append(*always, p.spent)
}
