package bff

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/authzd/authzd/authz/bearer"
	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/authz/revocation"
)

const feedOff = "off"

// feed is the follower, nil if it is off.
type feed struct{ *bearer.Follower }

func (b *BFF) openFeed() (err error) {
	if b.Revocations.Lost == feedOff {
		return nil
	}
	client := &http.Client{}
	if b.HTTPClient != nil {
		*client = *b.HTTPClient
	}
	cfg := bearer.FollowerConfig{Issuer: b.Issuer, Lost: bearer.Lost(b.Revocations.Lost), Client: client, Logger: b.Logger}
	switch a := &b.Authentication; { // for an issuer that shows its feed to clients only
	case a.UsesSecret():
		cfg.ClientID, cfg.ClientSecret = b.ownClient(), string(a.ClientSecret)
	case a.UsesKey():
		cfg.Authenticate = b.client(b.ownClient()).Authenticate
	}
	if b.feed.Follower, err = bearer.NewFollower(cfg); err != nil {
		return fmt.Errorf("bff: %w", err)
	}
	return nil
}

// ownClient is the client of the configuration, or the first of those of its frontends.
func (b *BFF) ownClient() string {
	if b.ClientID == "" && len(b.Frontends) > 0 {
		return b.Frontends[0].ClientID
	}
	return cmp.Or(b.ClientID, b.Gate.ClientID)
}

// Follower returns the follower of the revocation feed, for metrics; nil: it is off.
func (b *BFF) Follower() *bearer.Follower { return b.feed.Follower }

func (f feed) run(ctx context.Context) {
	if f.Follower != nil {
		_ = f.Run(ctx) // it ends with ctx only
	}
}

// isThere reports whether the issuer has a feed: it was heard lately.
func (f feed) isThere() bool { return f.Follower != nil && f.State() != bearer.FeedLost }

// changed returns a channel that is closed when the feed has news; nil: it never has.
func (f feed) changed() <-chan struct{} {
	if f.Follower == nil {
		return nil
	}
	return f.Changed()
}

// judge asks the feed about a session. An entry with a time concerns tokens that were issued before, so that the
// session needs new ones; an entry without a time is the end.
func (f feed) judge(s *websession.Session) (websession.Verdict, error) {
	if s.Doubted() {
		return websession.Outdated, nil
	}
	if f.Follower == nil {
		return websession.Valid, nil
	}
	if err := f.Check(); err != nil {
		return 0, &websession.UnavailableError{RetryAfter: 5 * time.Second, Err: err}
	}
	c := revocation.Claims{Grant: s.GrantID, Session: s.SID, Subject: s.Subject, Client: s.ClientID, IssuedAt: math.MaxInt64}
	if f.Ended(&c) {
		return websession.Over, nil
	}
	if c.IssuedAt = s.TokensAt.Unix(); f.Ended(&c) {
		return websession.Outdated, nil
	}
	return websession.Valid, nil
}
