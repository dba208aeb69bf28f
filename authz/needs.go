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

// This file finds what the configuration and the managed clients need: algorithms, and how long keys are kept.

// algsInUse returns the algorithms of tokens for the server, its resources and its clients, in that order.
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
		add(jose.RS256) // OpenID Connect Dynamic Client Registration section 2: the default of a client
	}
	c.Clients.Each(func(cl *client.Client) {
		for _, alg := range cl.Algs() {
			add(jose.SignatureAlgorithm(alg))
		}
	})
	return algs
}

// longestUse returns how long a signed token may be in use: an access token until it expires, and an ID token, as
// a hint, as long as its session.
func (s *Server) longestUse() time.Duration {
	longest := max(authorize.JARMLifetime, s.config.Lifetimes.AccessToken, s.config.Lifetimes.IDToken, s.config.Sessions.Max, s.config.Sessions.RememberMe)
	s.config.Clients.Each(func(c *client.Client) {
		longest = max(longest, time.Duration(c.AccessTokenLifetime), time.Duration(c.IDTokenLifetime))
	})
	return longest
}

// longestAccess returns the longest lifetime of the access tokens that are issued now.
func (s *Server) longestAccess(ctx context.Context) (time.Duration, error) {
	managed, err := s.managed.All(ctx)
	if err != nil {
		return 0, err
	}
	longest := max(s.config.Lifetimes.AccessToken, managed.Token)
	s.config.Clients.Each(func(c *client.Client) { longest = max(longest, time.Duration(c.AccessTokenLifetime)) })
	return longest, nil
}

// longestGrace returns the longest time in which a rotated refresh token of a client of the configuration may be
// sent again.
func (s *Server) longestGrace() time.Duration {
	longest := s.config.Lifetimes.RefreshGrace
	s.config.Clients.Each(func(c *client.Client) {
		if c.RefreshGrace != nil {
			longest = max(longest, time.Duration(*c.RefreshGrace))
		}
	})
	return longest
}

// managedGrace returns the same for the clients of the admin API, with the clock skew.
func (s *Server) managedGrace(ctx context.Context) (time.Duration, error) {
	managed, err := s.managed.All(ctx)
	if err != nil {
		return 0, err
	}
	return managed.RefreshGrace + oauth.ClockSkew, nil
}

// admitsStrangers reports whether there may be clients that the operator has not made.
func (c *Config) admitsStrangers() bool { return c.Registration.On() || c.Documents }
