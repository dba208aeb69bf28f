package authz

import (
	"context"
	"slices"
	"time"

	"github.com/authzd/authzd/authz/authorize"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/go-jose/go-jose/v4"
)

// What the server must have because of the configuration and the managed clients.

// algsInUse are the algorithms that the server, a resource or a client signs with, in that order.
func algsInUse(c Config) []jose.SignatureAlgorithm {
	algs := []jose.SignatureAlgorithm{c.Signing.Alg}
	add := func(alg jose.SignatureAlgorithm) {
		if alg != "" && !slices.Contains(algs, alg) {
			algs = append(algs, alg)
		}
	}
	for _, r := range c.Resources {
		add(r.Alg)
	}
	if c.admitsStrangers() {
		add(jose.RS256) // OpenID Connect Registration section 2: what a client can count on
	}
	c.Clients.Each(func(cl *client.Client) {
		for _, alg := range cl.Algs() {
			add(jose.SignatureAlgorithm(alg))
		}
	})
	return algs
}

// longestUse is how long a signed token may be shown to somebody: an access token until it expires,
// and an ID token, as a hint, for as long as the session that it speaks of.
func (s *Server) longestUse() time.Duration {
	longest := max(authorize.JARMLifetime, s.config.Lifetimes.AccessToken, s.config.Lifetimes.IDToken, s.config.Sessions.Max, s.config.Sessions.RememberMe)
	s.config.Clients.Each(func(c *client.Client) {
		longest = max(longest, time.Duration(c.AccessTokenLifetime), time.Duration(c.IDTokenLifetime))
	})
	return longest
}

// longestGrace is how long the longest grace is in which a rotated refresh token of a client of the configuration
// may be sent again.
func (s *Server) longestGrace() time.Duration {
	longest := s.config.Lifetimes.RefreshGrace
	s.config.Clients.Each(func(c *client.Client) {
		if c.RefreshGrace != nil {
			longest = max(longest, time.Duration(*c.RefreshGrace))
		}
	})
	return longest
}

// managedGrace is longestGrace for the clients that the operator has made through the admin API.
func (s *Server) managedGrace(ctx context.Context) (time.Duration, error) {
	managed, err := s.managed.All(ctx)
	if err != nil {
		return 0, err
	}
	return managed.RefreshGrace + oauth.ClockSkew, nil
}

// admitsStrangers reports whether clients may turn up that the operator has not named.
func (c *Config) admitsStrangers() bool { return c.Registration.On() || c.Documents }
