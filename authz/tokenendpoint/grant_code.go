package tokenendpoint

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/url"
	"regexp"

	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/authorize"
	"github.com/authzd/authzd/authz/grant"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/storage"
)

// redeemCode follows RFC 6749 section 4.1.3 and RFC 7636 section 4.6. It writes nothing before every check has
// passed, so a failed exchange leaves the code as it was.
func (ep *Endpoint) redeemCode(ctx context.Context, x *exchange, form url.Values) error {
	presented := form.Get("code")
	if presented == "" {
		return oauth.Refuse(oauth.InvalidRequest, "The parameter code is missing.")
	}
	unknown := oauth.Refuse(oauth.InvalidGrant, "The code is unknown, expired, used, or of another client.")
	key := oauth.HashToken(presented)
	code, version, err := recordOf(x, storage.Codes)
	if errors.Is(err, storage.ErrNotFound) {
		return unknown
	} else if err != nil {
		return err
	}
	// The code was issued to this client. Before this is known, nothing may happen to the grant.
	if code.ClientID != x.Client.ID {
		return unknown.Because(errors.New("code of another client"))
	}
	if err := x.mustHold(storage.Confirmation{JKT: code.DPoPJKT}, "code"); err != nil {
		return err
	}
	if code.Used { // RFC 6749 section 4.1.2: revoke what the first use got
		observe.Event(ctx).SetGrant(code.GrantID)
		observe.Alarm(ctx, observe.CodeReuse)
		if err := ep.revokeReused(ctx, x, audit.CodeReused, code.GrantID, &code.Authorization); err != nil {
			return err
		}
		return unknown.Because(errors.New("code used again"))
	}
	if !x.Now.Before(code.ExpiresAt) {
		return unknown.Because(errors.New("code expired"))
	}
	withPKCE := code.CodeChallenge != "" // then the redirect_uri may be left out (OAuth 2.1)
	switch sent := form.Get("redirect_uri"); {
	case sent == code.RedirectURI, sent == "" && withPKCE:
	case sent == "":
		return oauth.Refuse(oauth.InvalidGrant, "The redirect_uri is missing: without PKCE it must be that of the authorization request.")
	default:
		return oauth.Refuse(oauth.InvalidGrant, "The redirect_uri differs from the one of the authorization request.")
	}
	if err := checkVerifier(code.CodeChallenge, form.Get("code_verifier")); err != nil {
		return err
	}

	if err := ep.openGrant(ctx, x, code.GrantID, code.Authorization, code.CreatedAt); err != nil {
		return err
	}
	// Offline access outlives the session, but does not begin after it: the client would sign in a user after it
	// got the logout token.
	if x.Grant.Offline { // Owner has checked the session of an online grant
		if _, err := ep.Grants.LiveSession(ctx, code.SessionID, x.User); err != nil {
			return grant.Refusal(err)
		}
	}
	x.Nonce = code.Nonce
	used := *code
	used.Used = true
	x.writes = append(x.writes, storage.Codes.Put(key, &used, storage.At(version), code.ExpiresAt.Add(authorize.CodeMemory)))
	return nil
}

var verifierSyntax = regexp.MustCompile(`^[A-Za-z0-9\-._~]{43,128}$`) // RFC 7636 section 4.1

// checkVerifier checks a code_verifier, by S256 only. A code with a challenge always needs its verifier, and a code
// without one refuses every verifier, so that PKCE cannot be stripped (RFC 9700 section 2.1.1).
func checkVerifier(challenge, verifier string) error {
	switch {
	case challenge == "" && verifier == "":
		return nil
	case challenge == "":
		return oauth.Refuse(oauth.InvalidGrant, "A code_verifier was sent, but the authorization request had no code_challenge.")
	case verifier == "":
		return oauth.Refuse(oauth.InvalidGrant, "The code_verifier is missing.")
	case !verifierSyntax.MatchString(verifier):
		return oauth.Refuse(oauth.InvalidGrant, "The code_verifier is malformed.")
	}
	hash := sha256.Sum256([]byte(verifier))
	computed := base64.RawURLEncoding.EncodeToString(hash[:])
	if subtle.ConstantTimeCompare([]byte(computed), []byte(challenge)) != 1 {
		return oauth.Refuse(oauth.InvalidGrant, "The code_verifier does not match the code_challenge.")
	}
	return nil
}
