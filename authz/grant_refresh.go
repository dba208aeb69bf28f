package authz

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"net/url"
	"time"

	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/storage"
)

// redeemRefreshToken follows RFC 6749 section 6 and RFC 9700 section 4.14, with a rotation that a
// flaky network cannot turn into a logout:
//
//	unused                        -> used; its successor is derived from it and stored by hash
//	used, successor unused, grace -> a retry: the same successor again, nothing written
//	used otherwise                -> theft: the whole grant is revoked
func (s *Server) redeemRefreshToken(ctx context.Context, x *exchange, form url.Values) error {
	presented := form.Get("refresh_token")
	if presented == "" {
		return refuse(errInvalidRequest, "The parameter refresh_token is missing.")
	}
	unknown := refuse(errInvalidGrant, "The refresh token is unknown, expired, revoked, or of another client.")
	key := hashToken(presented)
	token, version, err := storage.RefreshTokens.Get(ctx, s.store, key)
	if errors.Is(err, storage.ErrNotFound) {
		return unknown
	} else if err != nil {
		return err
	}
	grant, _, err := storage.Grants.Get(ctx, s.store, token.GrantID)
	if errors.Is(err, storage.ErrNotFound) {
		return unknown.because(errors.New("the grant has expired"))
	} else if err != nil {
		return err
	}
	switch {
	case grant.ClientID != x.client.ID: // before anything can happen to the grant
		return unknown.because(errors.New("refresh token of another client"))
	case grant.RevokedAt != nil:
		return unknown.because(errors.New("the grant is revoked"))
	}
	if err := x.mustHold(grant.Confirmation, "refresh token"); err != nil {
		return err
	}
	if err := s.useGrant(ctx, x, token.GrantID, grant); err != nil {
		return err
	}
	if err := narrowScope(x, form); err != nil {
		return err
	}
	if token.UsedAt == nil {
		s.rotate(x, key, presented, token, version)
		return nil
	}
	successor, err := s.successorOf(ctx, x, presented, token)
	if err != nil {
		return err
	}
	if successor == "" {
		observe.Event(ctx).SetGrant(x.grantID)
		observe.Alarm(ctx, observe.RefreshTokenReuse)
		if err := s.reused(ctx, x, audit.RefreshReused, x.grantID, &grant.Authorization); err != nil {
			return err
		}
		return unknown.because(errors.New("refresh token used again"))
	}
	x.refreshToken = successor
	return nil
}

// renewals is how often an idle limit is moved on while a token that is not rotated is used all the
// time: often enough for the limit to mean something, and not with every refresh.
const renewals = 100

// rotate uses up the presented token, unless the client proves itself at every refresh: then
// rotation would add no safety, and the token only lives on.
func (s *Server) rotate(x *exchange, key, presented string, token *storage.RefreshToken, version uint64) {
	if !x.client.RotateRefreshTokens {
		x.refreshToken = presented
		if x.now.Sub(token.RenewedAt) >= s.refreshIdle(x)/renewals {
			renewed := storage.RefreshToken{GrantID: token.GrantID, RenewedAt: x.now}
			x.writes = append(x.writes, storage.RefreshTokens.Put(key, &renewed, storage.At(version), s.refreshExpiry(x)))
		}
		return
	}
	x.refreshToken = prefixRefresh + base64.RawURLEncoding.EncodeToString(s.successors.Derive([]byte(presented))[0][:])
	used := storage.RefreshToken{GrantID: token.GrantID, RenewedAt: token.RenewedAt, UsedAt: &x.now, Next: hashToken(x.refreshToken)}
	x.writes = append(x.writes,
		storage.RefreshTokens.Put(key, &used, storage.At(version), s.refreshExpiry(x)),
		s.newRefreshToken(x, x.refreshToken))
}

// successorOf returns the successor of a used token if presenting that token again can be an honest
// retry, else "". The successor may have been derived under an older server secret.
func (s *Server) successorOf(ctx context.Context, x *exchange, presented string, token *storage.RefreshToken) (string, error) {
	if x.now.Sub(*token.UsedAt) >= s.config.Lifetimes.RefreshGrace {
		return "", nil
	}
	next, _, err := storage.RefreshTokens.Get(ctx, s.store, token.Next)
	if errors.Is(err, storage.ErrNotFound) {
		return "", nil
	} else if err != nil || next.UsedAt != nil {
		return "", err
	}
	for _, derived := range s.successors.Derive([]byte(presented)) {
		if successor := prefixRefresh + base64.RawURLEncoding.EncodeToString(derived[:]); hashToken(successor) == token.Next {
			return successor, nil
		}
	}
	return "", errors.New("the secret that derived a refresh token is no longer configured")
}

func (s *Server) newRefreshToken(x *exchange, refreshToken string) storage.Write {
	row := storage.RefreshToken{GrantID: x.grantID, RenewedAt: x.now}
	return storage.RefreshTokens.Put(hashToken(refreshToken), &row, storage.Absent, s.refreshExpiry(x))
}

// refreshExpiry is the idle limit, never beyond the absolute one of the grant.
func (s *Server) refreshExpiry(x *exchange) time.Time {
	idle := x.now.Add(s.refreshIdle(x))
	if idle.After(x.grant.ExpiresAt) {
		return x.grant.ExpiresAt
	}
	return idle
}

func (s *Server) refreshIdle(x *exchange) time.Duration {
	return cmp.Or(x.client.RefreshIdleLifetime, s.config.Lifetimes.RefreshIdle)
}
