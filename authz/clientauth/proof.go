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

// Proof is a valid DPoP proof of a request (RFC 9449).
type Proof struct {
	*dpop.Proof
	spent storage.Write // marks it as used (RFC 9449 section 11.1)
}

// Proof checks the DPoP proof of a request (RFC 9449 section 4.3), and that it was not used before. It returns nil
// if there is none. accessToken is the token that came with the proof, empty if it is not a request to a resource.
// Proof puts a nonce into the header of the answer if the client needs one. Errors of the proof are *oauth.Error.
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
		if next := auth.Nonces.Next(p.Nonce); next != "" { // RFC 9449 section 8.2
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

// CalledByHost marks a request to a listener whose URL is not configured, and whose Host was checked. Proof then
// accepts the host with http and with https, since there may be a proxy with TLS.
func CalledByHost(ctx context.Context) context.Context {
	return context.WithValue(ctx, calledByHostKey{}, true)
}

type calledByHostKey struct{}

// ownURLs returns the two URLs that a request may have been sent to. alias is "" if there is only one.
func (auth *Authenticator) ownURLs(r *http.Request) (own, alias string) {
	path := r.URL.EscapedPath()
	if r.Context().Value(calledByHostKey{}) != nil {
		return "https://" + r.Host + path, "http://" + r.Host + path
	}
	return auth.Issuer.Origin + path, auth.Alias(path)
}

var errProofUsed = oauth.Refuse(oauth.InvalidDPoPProof, "The DPoP proof is refused: it was used before.")

// refusedProof turns an error of package dpop into an *oauth.Error. Reasons of dpop have no full stop, and some
// end with a question mark.
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

// AsksForNonce reports whether a request is only refused because its proof needs a nonce (RFC 9449 section 8).
// Then do not mark the client's assertion as used: many clients send the same one again, with a new proof.
func AsksForNonce(err error) bool {
	e := new(oauth.Error)
	return errors.As(err, &e) && e.Code == oauth.UseDPoPNonce
}

// Spend adds the write that marks a proof as used to always, the writes that are made even if the request is
// refused. For a stranger it adds the write to success instead: otherwise refused requests of strangers could fill
// the store. p may be nil.
func (p *Proof) Spend(byStranger bool, success, always *[]storage.Write) {
	if p == nil {
		return
	}
	if byStranger {
		always = success
	}
	*always = append(*always, p.spent)
}
