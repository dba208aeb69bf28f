package bearer

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/dpop"
)

// DPoP says how proofs of possession are checked (RFC 9449). A token that is bound to a DPoP key is
// worthless to whoever copied it, as each request needs a proof that only the key's holder can make.
type DPoP struct {
	// Required refuses tokens that are not bound to a DPoP key. Otherwise it is the client that
	// decides, when it asks for its tokens; a token that is bound is never accepted without proof.
	Required bool

	// URL is what stands before the path of a request for clients: https://api.example.com, or
	// https://example.com/api if a proxy takes /api off. Proofs are made for one URL, and the Host
	// header, which comes from the sender, can't say whether it is this one. Default: scheme and host
	// of the Audience; if that is no http or https URL, and URL is empty, tokens that are bound to a
	// DPoP key are refused.
	URL string

	// NonceKeys make the API ask for nonces of its own in proofs (section 9), so that none can be
	// made for later: 32 random bytes or more, the same for all replicas; the first makes nonces,
	// and those of the others are taken. Empty: no nonces. A nonce is good for 2 to 4 minutes.
	NonceKeys [][]byte

	// Replay remembers which proofs have been used. nil: NewMemoryReplay(0), which knows of this
	// process alone; what several replicas share is better kept where all of them can see it.
	Replay Replay
}

// Replay remembers which proofs have been used. It must be safe for concurrent use.
type Replay interface {
	// Use reports whether key is used for the first time, and remembers it until then, about five
	// minutes from now. Of several calls with one key, one is the first. After an error the request
	// is refused with 503. The key is 43 characters of base64url.
	Use(ctx context.Context, key string, until time.Time) (first bool, err error)
}

// proofs checks the proofs of an API's callers.
type proofs struct {
	url      string // without a slash at the end
	required bool
	nonces   *dpop.Nonces // nil: none are asked for
	replay   Replay
}

// newProofs returns nil if the configuration does not tell the API's URL.
func newProofs(cfg DPoP, audience string) (*proofs, error) {
	p := &proofs{url: strings.TrimSuffix(cfg.URL, "/"), required: cfg.Required, replay: cfg.Replay}
	if cfg.URL == "" {
		if u, err := url.Parse(audience); err == nil && isHTTP(u) {
			p.url = u.Scheme + "://" + u.Host
		}
	} else if u, err := url.Parse(cfg.URL); err != nil || !isHTTP(u) || u.User != nil || strings.ContainsAny(cfg.URL, "?#") {
		return nil, fmt.Errorf("the DPoP URL %q must be an http or https URL without userinfo, query and fragment", cfg.URL)
	}
	if p.url == "" && (cfg.Required || len(cfg.NonceKeys) > 0) {
		return nil, errors.New("the DPoP URL is required: the Audience does not tell where the API is")
	} else if p.url == "" {
		return nil, nil
	}
	if len(cfg.NonceKeys) > 0 {
		var err error
		if p.nonces, err = dpop.NewNonces(cfg.NonceKeys...); err != nil {
			return nil, err
		}
	}
	if p.replay == nil {
		p.replay = NewMemoryReplay(0)
	}
	return p, nil
}

func isHTTP(u *url.URL) bool { return (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" }

// authenticate returns who the token speaks for, if the request comes from whoever may use it, and
// a nonce for the answer, if the client needs a new one.
func (v *Verifier) authenticate(r *http.Request, presented credentials) (p *Principal, nonce string, refused *refusal) {
	p, err := v.verify(r.Context(), presented.token)
	if err != nil {
		return nil, "", v.refusal(err)
	}
	switch {
	case presented.scheme == schemeDPoP && p.KeyThumbprint == "":
		return nil, "", badToken("the token is not bound to a DPoP key: send it as Authorization: Bearer")
	case presented.scheme == schemeDPoP:
		nonce, refused = v.checkProof(r, p, presented.token)
	case p.KeyThumbprint != "": // RFC 9449 section 7.2: no downgrade
		refused = badToken("the token is bound to a DPoP key: send it as Authorization: DPoP, with a proof")
	case v.proofs != nil && v.proofs.required:
		refused = badToken("the token is not bound to a DPoP key, which is required here")
	}
	if refused == nil && p.CertificateThumbprint != "" {
		refused = checkCertificate(v.certificate(r), p.CertificateThumbprint)
	}
	if refused != nil {
		return nil, nonce, refused
	}
	return p, nonce, nil
}

// checkProof follows RFC 9449 sections 4.3 and 7.1.
func (v *Verifier) checkProof(r *http.Request, p *Principal, token string) (nonce string, refused *refusal) {
	text, err := dpop.FromHeader(r.Header)
	if err != nil {
		return "", badProof(err)
	}
	proof, err := dpop.Verify(text, dpop.Request{
		Method: r.Method, URL: v.proofs.url + requestPath(r), AccessToken: token, Nonces: v.proofs.nonces,
	})
	switch {
	case errors.Is(err, dpop.ErrNonce):
		return v.proofs.nonces.Current(), &refusal{
			status: http.StatusUnauthorized, code: "use_dpop_nonce",
			description: "the proof needs the nonce of the header DPoP-Nonce",
		}
	case err != nil:
		return "", badProof(err)
	case v.proofs.nonces != nil:
		nonce = v.proofs.nonces.Next(proof.Nonce) // section 8.2: before this one ends
	}
	if proof.Thumbprint != p.KeyThumbprint {
		return nonce, badToken("the token is bound to another key than the proof's")
	}
	switch first, err := v.proofs.replay.Use(r.Context(), proof.ReplayKey(), proof.ReplayUntil()); {
	case err != nil:
		v.logger.Warn("a DPoP proof could not be remembered, and its request was refused", "cause", err)
		return nonce, &refusal{
			status: http.StatusServiceUnavailable, code: "temporarily_unavailable",
			description: "the proof can't be checked now, try again later", retryAfter: time.Second,
		}
	case !first:
		return nonce, badProof(&dpop.Error{Reason: "the proof was used before"})
	}
	return nonce, nil
}

// requestPath is the path that the client asked for, whatever http.StripPrefix has made of it.
func requestPath(r *http.Request) string {
	if path, _, _ := strings.Cut(r.RequestURI, "?"); strings.HasPrefix(path, "/") {
		return path
	}
	if u, err := url.Parse(r.RequestURI); err == nil && u.Host != "" { // RFC 9112 section 3.2.2
		return u.EscapedPath()
	}
	return r.URL.EscapedPath() // not a request of net/http's server
}

// checkCertificate follows RFC 8705 section 3.
func checkCertificate(c *x509.Certificate, thumbprint string) *refusal {
	if c == nil {
		return badToken("the token is bound to a certificate, and the client has shown none")
	}
	if sum := sha256.Sum256(c.Raw); base64.RawURLEncoding.EncodeToString(sum[:]) != thumbprint {
		return badToken("the token is bound to another certificate than the client's")
	}
	return nil
}

// connectionCertificate is the default of Config.Certificate. Whether anybody vouches for the
// certificate does not matter: the handshake has proved that the client holds its key.
func connectionCertificate(r *http.Request) *x509.Certificate {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil
	}
	return r.TLS.PeerCertificates[0]
}
