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

// DPoP configures the proofs of possession (RFC 9449). A copy of a token that is bound to a DPoP key is
// worthless, because each request needs a proof that only the key's holder can make.
type DPoP struct {
	// Required refuses tokens that are not bound to a DPoP key. Otherwise the client decides, when it asks
	// for its tokens. A bound token is never accepted without proof.
	Required bool

	// URL is what clients see before the path of a request: https://api.example.com, or
	// https://example.com/api if a proxy removes /api. A proof is made for one URL. The Host header can't
	// confirm it, because the sender writes it. Default: scheme and host of the Audience. If that is not an
	// http or https URL, and URL is empty, tokens that are bound to a DPoP key are refused.
	URL string

	// NonceKeys make the API demand nonces in proofs (section 9), so that no proof can be made for later.
	// Each has 32 random bytes or more. All replicas have the same ones: the first makes nonces, and those of
	// the others are accepted too. Empty: no nonces. A nonce is valid for 2 to 4 minutes.
	NonceKeys [][]byte

	// Replay remembers used proofs. nil: NewMemoryReplay(0), which knows only this process. If the API has
	// several replicas, give it one that they share.
	Replay Replay
}

// Replay remembers used proofs. It must be safe for concurrent use.
type Replay interface {
	// Use reports whether key is used for the first time, and remembers it until then, about five minutes
	// from now. Of several calls with one key, exactly one is the first. After an error the request is
	// refused with 503. The key is 43 characters of base64url.
	Use(ctx context.Context, key string, until time.Time) (first bool, err error)
}

// proofs checks the proofs of an API's callers.
type proofs struct {
	url      string // without a slash at the end
	required bool
	nonces   *dpop.Nonces // nil: no nonces
	replay   Replay
}

// newProofs returns nil if the configuration does not contain the API's URL.
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
		return nil, errors.New("the DPoP URL is required, because the Audience is not the API's URL")
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

// authenticate returns the principal of the token, if the sender may use it, and a nonce for the answer, if
// the client needs a new one.
func (v *Verifier) authenticate(r *http.Request, presented credentials) (p *Principal, nonce string, refused *refusal) {
	p, err := v.verify(r.Context(), presented.token)
	if err != nil {
		return nil, "", refusalOf(err)
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

// VerifyFrom is Verify for a sender who has shown a certificate, such as the client of a gRPC call, and accepts tokens
// that are bound to it (RFC 8705 section 3). nil: the sender has shown none. Tokens that are bound to a DPoP key are
// refused, and with DPoP.Required all others too: a proof is made for an HTTP request.
func (v *Verifier) VerifyFrom(ctx context.Context, token string, certificate *x509.Certificate) (*Principal, error) {
	p, err := v.verify(ctx, token)
	if err != nil {
		return nil, err
	}
	switch {
	case p.KeyThumbprint != "":
		return nil, &TokenError{"the token is bound to a DPoP key"}
	case v.proofs != nil && v.proofs.required:
		return nil, &TokenError{"the token is not bound to a DPoP key, which is required here"}
	case p.CertificateThumbprint != "":
		if refused := checkCertificate(certificate, p.CertificateThumbprint); refused != nil {
			return nil, &TokenError{refused.description}
		}
	}
	return p, nil
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

// requestPath returns the path that the client requested, before http.StripPrefix.
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

// connectionCertificate is the default of Config.Certificate. The certificate's issuer does not matter: the
// handshake has proved that the client holds the key.
func connectionCertificate(r *http.Request) *x509.Certificate {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil
	}
	return r.TLS.PeerCertificates[0]
}
