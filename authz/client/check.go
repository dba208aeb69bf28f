package client

import (
	"math"
	"regexp"
	"slices"
	"time"

	"github.com/authzd/authzd/authz/member"
)

// check applies the rules to one description. There are two kinds of rules. Unsafe metadata is refused from every
// source. Wrong metadata is of no use, or cannot be what an operator meant.
type check struct {
	*Description
	server *Server // nil: only what is unsafe counts
	found  member.Problems
}

// Problems returns everything that is wrong with a description, once it is complete.
func (d *Description) Problems(s *Server) member.Problems {
	c := &check{Description: d, server: s}
	for _, p := range member.Forms(d.Metadata) {
		c.unsafe(p.Path, p.Value, p.Flaw)
	}
	c.identity()
	c.rules()
	c.times()
	return c.found
}

// unsafeProblems returns what makes the metadata unsafe, from any source.
func (m *Metadata) unsafeProblems() member.Problems {
	c := &check{Description: Describe(m)}
	c.rules()
	return c.found
}

func (c *check) rules() {
	c.authentication()
	c.keys()
	c.algs()
	c.grants()
	c.uris()
	c.subject()
	c.logout()
	c.access()
	c.profile()
}

// unsafe reports what is refused from every source.
func (c *check) unsafe(path string, value any, flaw *member.Flaw) {
	if !c.Broken(path) {
		c.found.Add(path, value, flaw)
	}
}

// wrong reports what is of no use, or cannot have been meant.
func (c *check) wrong(path string, value any, flaw *member.Flaw) {
	if c.server != nil {
		c.unsafe(path, value, flaw)
	}
}

// each applies a rule to each element of a list.
func (c *check) each(report func(string, any, *member.Flaw), list string, values []string, rule func(string) *member.Flaw) {
	for i, value := range values {
		report(member.Element(list, i), value, rule(value))
	}
}

// isKnown reports whether a member has a value that can be relied on: others may follow from it.
func (c *check) isKnown(name string) bool { return !c.Broken(name) && !c.found.Touch(name) }

// knowsMethod reports whether it is known how the client proves who it is.
func (c *check) knowsMethod() bool {
	return c.isKnown("token_endpoint_auth_method") &&
		(c.Given("token_endpoint_auth_method") || c.isKnown("preset") && c.isKnown("security_profile"))
}

// knowsGrants reports whether it is known which grant types the client has.
func (c *check) knowsGrants() bool {
	return c.isKnown("grant_types") && (c.Given("grant_types") || c.isKnown("preset"))
}

var clientID = regexp.MustCompile(`^[\x21-\x7e]{1,200}$`) // RFC 6749 appendix A.1, except the space

// identity is for how the client is called.
func (c *check) identity() {
	switch {
	case c.ID == "":
		c.wrong("client_id", nil, member.Flawf("give the client a name that its requests have", "is required"))
	case !clientID.MatchString(c.ID):
		c.wrong("client_id", c.ID, member.Flawf("use up to 200 printable ASCII characters without spaces", "not a client identifier"))
	}
	if c.Given("client_name") {
		c.wrong("client_name", c.Name, member.LabelFlaw(c.Name))
	}
}

// times are lifetimes of the client's own.
func (c *check) times() {
	for _, t := range []struct {
		member string
		d      member.Duration
	}{
		{"access_token_lifetime", c.AccessTokenLifetime}, {"id_token_lifetime", c.IDTokenLifetime},
		{"refresh_token_lifetime", c.RefreshTokenLifetime}, {"refresh_idle_lifetime", c.RefreshIdleLifetime},
	} {
		if c.Given(t.member) {
			c.wrong(t.member, t.d, member.TimeFlaw(time.Duration(t.d), time.Second, member.Years))
		}
	}
	if c.Given("refresh_grace") && c.RefreshGrace != nil {
		grace := time.Duration(*c.RefreshGrace)
		c.wrong("refresh_grace", *c.RefreshGrace, member.TimeFlaw(grace, 0, 168*time.Hour))
		if c.isKnown("refresh_idle_lifetime") {
			c.wrong("refresh_grace", *c.RefreshGrace, member.OrderFlaw(grace, time.Duration(c.RefreshIdleLifetime), "refresh_idle_lifetime"))
		}
	}
	if c.Given("refresh_idle_lifetime") && c.isKnown("refresh_token_lifetime") {
		idle, limit := time.Duration(c.RefreshIdleLifetime), time.Duration(c.RefreshTokenLifetime)
		c.wrong("refresh_idle_lifetime", c.RefreshIdleLifetime, member.OrderFlaw(idle, limit, "refresh_token_lifetime"))
	}
	if age := c.DefaultMaxAge; age != nil && (*age < 0 || *age > math.MaxInt32) {
		c.wrong("default_max_age", *age, member.Flawf("give seconds; 0 asks for a fresh login every time", "must be from 0 to %d", math.MaxInt32))
	}
}

// hasAny reports whether one of the values is in a list.
func hasAny(list []string, values ...string) bool {
	return slices.ContainsFunc(values, func(v string) bool { return slices.Contains(list, v) })
}
