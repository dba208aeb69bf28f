package bff

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/bff/relay"
	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/weburl"
)

// Problems returns everything that is wrong with what the operator wrote. Each has the path of the member, as the
// yaml tags name it, a reason and a hint.
func (c *Config) Problems() member.Problems {
	found := member.Forms(c)
	found.Add("issuer", c.Issuer, issuerFlaw(c.Issuer))
	found.Add("client_id", c.ClientID, c.clientFlaw())
	for _, p := range c.Authentication.Problems() {
		found.Add(member.Child("client_authentication", p.Path), p.Value, p.Flaw)
	}
	c.Sessions.problems(&found)
	c.gateProblems(&found)
	c.sealedProblems(&found)
	if len(c.Frontends) == 0 && !c.Gate.Given() {
		found.Add("frontends", nil, member.Flawf("list the app with its name and url", "is required"))
	}
	for i := range c.Frontends {
		at := member.Element("frontends", i)
		c.Frontends[i].problems(&found, at)
		c.clashes(&found, at, i)
	}
	return found
}

// sealedProblems refuses what needs a store.
func (c *Config) sealedProblems(found *member.Problems) {
	if !c.Sealed {
		return
	}
	const hint = "keep the sessions in storage.bolt or storage.postgres"
	if c.Revocations.Lost == feedOff {
		found.Add("revocations.lost", c.Revocations.Lost, member.Flawf("write go_on or refuse, or "+hint, "nothing but the feed can end a sealed session"))
	}
	if c.Gate.URL != "" {
		found.Add("gate", nil, member.Flawf(hint, "a gate needs a store"))
	}
	for i, f := range c.Frontends {
		for j, route := range f.Routes {
			if route.WebSocket {
				found.Add(fmt.Sprintf("frontends[%d].routes[%d].websocket", i, j), true, member.Flawf(hint, "the ticket of a WebSocket needs a store"))
			}
		}
	}
}

func required(hint string) *member.Flaw { return member.Flawf(hint, "is required") }

func issuerFlaw(issuer string) *member.Flaw {
	if issuer == "" {
		return required("write the issuer of the provider, such as https://id.example.com")
	}
	u, flaw := member.ParseWebURL(issuer)
	switch {
	case flaw != nil:
		return flaw
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(issuer, "#"):
		return member.Flawf("remove what stands after the ? or #", "an issuer has no query and no fragment")
	}
	return nil
}

func (c *Config) clientFlaw() *member.Flaw {
	need := slices.ContainsFunc(c.Frontends, func(f Frontend) bool { return f.ClientID == "" }) || c.Gate.Given() && c.Gate.ClientID == ""
	if c.ClientID == "" && need {
		return required("write the client_id that the provider knows the app by")
	}
	return nil
}

func (s *SessionLimits) problems(found *member.Problems) {
	idle, longest := s.Idle.Or(defaultIdle), s.Max.Or(defaultMax)
	found.Add("sessions.idle", s.Idle, member.TimeFlaw(idle, 10*time.Second, member.Years))
	found.Add("sessions.max", s.Max, member.TimeFlaw(longest, 10*time.Second, member.Years))
	if !found.Have("sessions.max") {
		found.Add("sessions.idle", s.Idle, member.OrderFlaw(idle, longest, "sessions.max"))
	}
}

var frontendName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$`)

func (f *Frontend) problems(found *member.Problems, at string) {
	switch {
	case f.Name == "":
		found.Add(member.Child(at, "name"), nil, required("give it a short name, such as orders: the cookie has it"))
	case !frontendName.MatchString(f.Name):
		found.Add(member.Child(at, "name"), f.Name, member.Flawf("use up to 32 lower-case letters, digits and -", "not a name for a cookie"))
	}
	_, flaw := parseFrontendURL(f.URL)
	found.Add(member.Child(at, "url"), f.URL, flaw)
	for i := range f.Routes {
		f.routeProblems(found, member.Element(member.Child(at, "routes"), i), i)
	}
	for _, p := range f.App.Problems() {
		found.Add(member.Child(member.Child(at, "app"), p.Path), p.Value, p.Flaw)
	}
	found.Add(member.Child(at, "scope"), f.Scope, scopeFlaw(f.Scope))
}

func (f *Frontend) routeProblems(found *member.Problems, at string, i int) {
	for _, p := range f.Routes[i].Problems() {
		found.Add(member.Child(at, p.Path), p.Value, p.Flaw)
	}
	path := f.Routes[i].Path
	if slices.ContainsFunc(f.Routes[:i], func(other relay.Route) bool { return other.Path == path }) && path != "" {
		found.Add(member.Child(at, "path"), path, member.Flawf("join the two, or give one another path", "another route has the path %s", path))
	}
	if strings.HasPrefix(path, "/bff/") || path == "/bff" {
		found.Add(member.Child(at, "path"), path, member.Flawf("choose another path", "the paths below /bff/ are cookie mode's"))
	}
}

func parseFrontendURL(raw string) (*url.URL, *member.Flaw) {
	if raw == "" {
		return nil, required("write the origin that browsers see, such as https://orders.example.com")
	}
	u, flaw := member.ParseWebURL(raw)
	switch {
	case flaw != nil:
		return nil, flaw
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(raw, "#"):
		return nil, member.Flawf("remove what stands after the ? or #", "a frontend has no query and no fragment")
	case u.Path != strings.TrimSuffix(u.EscapedPath(), "/") && u.Path != "/" && u.Path != u.EscapedPath():
		return nil, member.Flawf("write letters, digits, - and _", "the path has encoded characters")
	}
	if u.Path != "" && u.Path != "/" && !plainPath.MatchString(u.Path) {
		return nil, member.Flawf("write it like /orders", "not a path of plain segments")
	}
	return u, nil
}

var plainPath = regexp.MustCompile(`^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+/?$`)

func scopeFlaw(scope string) *member.Flaw {
	for _, one := range strings.Fields(scope) {
		if strings.ContainsAny(one, "\"\\") {
			return member.Flawf("write scopes with spaces between", "not a scope (RFC 6749 section 3.3)")
		}
	}
	return nil
}

// clashes refuses a frontend that another cannot be told from.
func (c *Config) clashes(found *member.Problems, at string, i int) {
	f := &c.Frontends[i]
	for j := range i {
		other := &c.Frontends[j]
		if f.Name != "" && f.Name == other.Name {
			found.Add(member.Child(at, "name"), f.Name, member.Flawf("give each frontend another name", "%s is the name of another frontend", f.Name))
		}
		a, b := f.base(), other.base()
		if a != "" && a == b {
			found.Add(member.Child(at, "url"), f.URL, member.Flawf("give each frontend another host or path", "is the URL of the frontend %s", other.Name))
		}
	}
}

// base is the URL without a slash at its end, in the form of browsers; empty: there is none.
func (f *Frontend) base() string {
	u, flaw := parseFrontendURL(f.URL)
	if flaw != nil {
		return ""
	}
	return weburl.OriginOf(u) + strings.TrimSuffix(u.Path, "/")
}

// Warnings returns what works, and what the operator should know about it.
func (c *Config) Warnings() member.Problems {
	var warnings member.Problems
	origins := map[string]string{} // to the first frontend
	for i := range c.Frontends {
		f := &c.Frontends[i]
		at := member.Child(member.Element("frontends", i), "url")
		origin := weburl.Origin(f.URL)
		if first, ok := origins[origin]; ok && origin != "" {
			warnings.Add(at, f.URL, member.Flawf("give each app its own host, unless they trust each other",
				"shares its origin with the frontend %s: a script of one can call the other's APIs with its user's session", first))
		} else {
			origins[origin] = f.Name
		}
		if strings.HasPrefix(origin, "http://") {
			warnings.Add(at, f.URL, member.Flawf("use https everywhere but on a developer's machine",
				"is plain http: its cookie lacks Secure and the prefix __Host-Http-"))
		}
	}
	return warnings
}
