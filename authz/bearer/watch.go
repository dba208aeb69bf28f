package bearer

import (
	"context"
	"time"
)

// Watch returns a context that ends when the principal's token no longer counts: at its exp, or when the feed ends
// it (Config.Revocations). Use it for what outlives a request, such as a WebSocket or a stream; context.Cause is
// then a *TokenError. Call stop when the connection has closed.
func (v *Verifier) Watch(ctx context.Context, p *Principal) (watched context.Context, stop context.CancelFunc) {
	watched, cancel := context.WithCancelCause(ctx)
	stop = func() { cancel(context.Canceled) }
	var f *Follower
	for _, a := range v.authorities {
		if a.issuer == p.Issuer {
			f = a.follower
		}
	}
	if p.Expires.IsZero() && f == nil {
		return watched, stop
	}
	go func() { cancel(ending(watched, p, f)) }()
	return watched, stop
}

// ending waits until the token no longer counts, and returns why.
func ending(ctx context.Context, p *Principal, f *Follower) error {
	var expired <-chan time.Time
	if !p.Expires.IsZero() {
		timer := time.NewTimer(time.Until(p.Expires))
		defer timer.Stop()
		expired = timer.C
	}
	c := p.revocationClaims()
	for {
		var changed <-chan struct{}
		if f != nil {
			changed = f.Changed()
			if _, ended := f.lookUp(&c); ended {
				return errRevoked
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-expired:
			return &TokenError{"the token has expired"}
		case <-changed:
		}
	}
}
