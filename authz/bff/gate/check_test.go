package gate_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/authzd/authzd/authz/bff/gate"
	"github.com/authzd/authzd/authz/member"
)

// Each mistake is found, at its place, and alone.
func TestProblems(t *testing.T) {
	rule := func(change func(*gate.Rule)) func(*gate.Config) {
		return func(c *gate.Config) {
			r := gate.Rule{Path: "/x", Allow: gate.SignedIn}
			change(&r)
			c.Hosts[1].Rules = []gate.Rule{r}
		}
	}
	header := func(name, source string) func(*gate.Config) {
		return func(c *gate.Config) { c.Headers = map[string]string{name: source} }
	}
	for what, c := range map[string]struct {
		change       func(*gate.Config)
		path, reason string
	}{
		"no url":             {func(c *gate.Config) { c.URL = "" }, "url", "is missing"},
		"http":               {func(c *gate.Config) { c.URL = "http://gate.example.com" }, "url", "is not https"},
		"a path":             {func(c *gate.Config) { c.URL = "https://gate.example.com/x" }, "url", "is not an origin"},
		"no proxies":         {func(c *gate.Config) { c.TrustedProxies = nil }, "trusted_proxies", "is missing"},
		"everybody":          {func(c *gate.Config) { c.TrustedProxies[0] = netip.MustParsePrefix("0.0.0.0/0") }, "trusted_proxies[0]", "trusts everybody"},
		"everybody by IPv6":  {func(c *gate.Config) { c.TrustedProxies[1] = netip.MustParsePrefix("::/0") }, "trusted_proxies[1]", "trusts everybody"},
		"no hosts":           {func(c *gate.Config) { c.Hosts = nil }, "hosts", "is missing"},
		"a host by name":     {func(c *gate.Config) { c.Hosts[1].URL = "other.example.com" }, "hosts[1].url", "is not an origin"},
		"a host with a user": {func(c *gate.Config) { c.Hosts[1].URL = "https://a@b.example" }, "hosts[1].url", "is not an origin"},
		"a host twice":       {func(c *gate.Config) { c.Hosts[1].URL = "https://APP.example.com:443/" }, "hosts[1].url", "is there twice"},
		"the gate's own":     {func(c *gate.Config) { c.Hosts[1].URL = gateURL }, "hosts[1].url", "is there twice"},
		"no rules":           {func(c *gate.Config) { c.Hosts[1].Rules = nil }, "hosts[1].rules", "is missing"},
		"no path":            {rule(func(r *gate.Rule) { r.Path = "" }), "hosts[1].rules[0].path", "is missing"},
		"a relative path":    {rule(func(r *gate.Rule) { r.Path = "x" }), "hosts[1].rules[0].path", "is no path: the path does not begin with a slash"},
		"an escape":          {rule(func(r *gate.Rule) { r.Path = "/%61" }), "hosts[1].rules[0].path", "is no path: the path has an escape that decodes to another"},
		"a star":             {rule(func(r *gate.Rule) { r.Path = "/x/*" }), "hosts[1].rules[0].path", "has a character that no path of a rule can have"},
		"dots":               {rule(func(r *gate.Rule) { r.Path = "/a/../b" }), "hosts[1].rules[0].path", "is no path: the path has a dot segment"},
		"a lower method":     {rule(func(r *gate.Rule) { r.Methods = []string{"get"} }), "hosts[1].rules[0].methods[0]", "is not a method"},
		"a method twice":     {rule(func(r *gate.Rule) { r.Methods = []string{"GET", "GET"} }), "hosts[1].rules[0].methods[1]", "is there twice"},
		"nobody named":       {rule(func(r *gate.Rule) { r.Allow = "" }), "hosts[1].rules[0].allow", "is missing"},
		"an unknown allow":   {rule(func(r *gate.Rule) { r.Allow = "everyone" }), "hosts[1].rules[0].allow", "is unknown"},
		"both":               {rule(func(r *gate.Rule) { r.Roles = []string{"a"} }), "hosts[1].rules[0].allow", "contradicts the roles or groups beside it"},
		"an empty role":      {rule(func(r *gate.Rule) { r.Allow, r.Roles = "", []string{" "} }), "hosts[1].rules[0].roles[0]", "is empty"},
		"an empty group":     {rule(func(r *gate.Rule) { r.Allow, r.Groups = "", []string{""} }), "hosts[1].rules[0].groups[0]", "is empty"},
		"a rule in vain": {func(c *gate.Config) {
			c.Hosts[1].Rules = []gate.Rule{{Path: "/", Allow: gate.Anonymous}, {Path: "/admin", Allow: gate.Nobody}}
		}, "hosts[1].rules[1]", "never counts, because an earlier rule is for all its requests"},
		"an underscore":     {header("X_User", "sub"), "headers.X_user", "is not a name for a header"},
		"a reserved header": {header("cookie", "sub"), "headers.Cookie", "has a meaning for proxies and servers"},
		"a proxy's header":  {header("X-Forwarded-User", "sub"), "headers.X-Forwarded-User", "has a meaning for proxies and servers"},
		"no source":         {header("X-User", ""), "headers.X-User", "has an unknown source"},
		"a header twice": {func(c *gate.Config) { c.Headers = map[string]string{"X-User": "sub", "x-user": "sid"} },
			"headers.X-User", "is there twice"},
	} {
		cfg := config(t)
		c.change(&cfg)
		found := cfg.Problems()
		if len(found) != 1 || found[0].Path != c.path || found[0].Reason != c.reason || found[0].Hint == "" {
			t.Errorf("%s: %v, want %s: %s", what, found.Err(), c.path, c.reason)
		}
		_, err := gate.New(t.Context(), cfg)
		if problem := new(member.Problem); !errors.As(err, &problem) {
			t.Errorf("%s: New: %v", what, err)
		}
	}
	good := config(t)
	if found := good.Problems(); found != nil {
		t.Errorf("%v", found.Err())
	}
	good.TrustedProxies, good.Embedded = nil, true
	good.Sessions = newFixture(t).sessions
	if _, err := gate.New(t.Context(), good); err != nil {
		t.Errorf("as middleware: %v", err)
	}
	good.TrustUnixSocket = true
	if found := good.Problems(); found != nil {
		t.Errorf("on a Unix socket: %v", found.Err())
	}
}
