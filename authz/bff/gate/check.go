package gate

import (
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/weburl"
)

// Problems returns everything that is wrong with the settings. Paths are those of the configuration file.
func (s *Settings) Problems() member.Problems {
	var found member.Problems
	found.Add("url", s.URL, checkOrigin(s.URL))
	s.checkProxies(&found)
	s.checkHosts(&found)
	s.checkHeaders(&found)
	return found
}

// checkOrigin is for the URL of a site or of the gate.
func checkOrigin(raw string) *member.Flaw {
	const hint = "write the origin that browsers see, such as https://app.example.com"
	if raw == "" {
		return member.Flawf(hint, "is missing")
	}
	u, err := url.Parse(raw)
	if err != nil || weburl.Origin(raw) == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || strings.ContainsAny(raw, "?#") {
		return member.Flawf(hint, "is not an origin")
	}
	if !weburl.IsSecure(u) {
		return member.Flawf("use https; plain http is for loopback only", "is not https")
	}
	if _, ok := normalHost(u.Host, u.Scheme); !ok {
		return member.Flawf(hint, "has a host that no browser sends")
	}
	return nil
}

func (s *Settings) checkProxies(found *member.Problems) {
	if len(s.TrustedProxies) == 0 && !s.TrustUnixSocket && !s.Embedded {
		found.Add("trusted_proxies", nil, member.Flawf("name the addresses of your proxy, such as 127.0.0.1/32: others could ask for any request",
			"is missing"))
	}
	for i, network := range s.TrustedProxies {
		if network.Bits() == 0 || network == (netip.Prefix{}) {
			found.Add(member.Element("trusted_proxies", i), network.String(),
				member.Flawf("name the addresses of your proxy only", "trusts everybody"))
		}
	}
}

func (s *Settings) checkHosts(found *member.Problems) {
	if len(s.Hosts) == 0 {
		found.Add("hosts", nil, member.Flawf("name each site that the gate guards, with its rules", "is missing"))
	}
	seen := map[string]bool{newSite(Host{URL: s.URL}).host: true}
	for i, h := range s.Hosts {
		at := member.Element("hosts", i)
		flaw := checkOrigin(h.URL)
		if host := newSite(h).host; flaw == nil && seen[host] {
			flaw = member.Flawf("a host has one list of rules, and the gate's own host has none", "is there twice")
		} else {
			seen[host] = true
		}
		found.Add(member.Child(at, "url"), h.URL, flaw)
		if len(h.Rules) == 0 {
			found.Add(member.Child(at, "rules"), nil, member.Flawf("without a rule, every request is refused", "is missing"))
		}
		for j := range h.Rules {
			h.checkRule(j, member.Element(member.Child(at, "rules"), j), found)
		}
	}
}

func (h *Host) checkRule(i int, at string, found *member.Problems) {
	rule := &h.Rules[i]
	found.Add(member.Child(at, "path"), rule.Path, checkRulePath(rule.Path))
	for j, method := range rule.Methods {
		var flaw *member.Flaw
		if !isMethod(method) {
			flaw = member.Flawf("methods are in upper case, such as GET", "is not a method")
		} else if slices.Contains(rule.Methods[:j], method) {
			flaw = member.Flawf("name each method once", "is there twice")
		}
		found.Add(member.Element(member.Child(at, "methods"), j), method, flaw)
	}
	people := len(rule.Roles) + len(rule.Groups)
	switch {
	case rule.Allow == "" && people == 0:
		found.Add(member.Child(at, "allow"), nil, member.Flawf("write allow: anonymous, signed_in or nobody, or name roles or groups",
			"is missing"))
	case rule.Allow != "" && !slices.Contains([]string{Anonymous, SignedIn, Nobody}, rule.Allow):
		found.Add(member.Child(at, "allow"), rule.Allow, member.Flawf("use anonymous, signed_in or nobody; leave it out to name roles or groups",
			"is unknown"))
	case rule.Allow != "" && people > 0:
		found.Add(member.Child(at, "allow"), rule.Allow, member.Flawf("leave out allow, or roles and groups",
			"contradicts the roles or groups beside it"))
	}
	for j, name := range rule.Roles {
		found.Add(member.Element(member.Child(at, "roles"), j), name, checkName(name))
	}
	for j, name := range rule.Groups {
		found.Add(member.Element(member.Child(at, "groups"), j), name, checkName(name))
	}
	if !found.Touch(at) && slices.ContainsFunc(h.Rules[:i], func(earlier Rule) bool { return earlier.covers(rule) }) {
		found.Add(at, rule.Path, member.Flawf("put it before the rule for more paths: the first one that matches counts",
			"never counts, because an earlier rule is for all its requests"))
	}
}

func checkRulePath(path string) *member.Flaw {
	const hint = "write the path as people see it, without escapes, such as /admin"
	read, err := weburl.ReadPath((&url.URL{Path: path}).EscapedPath(), weburl.PathOptions{})
	if path == "" {
		return member.Flawf(hint, "is missing")
	}
	if err != nil {
		return member.Flawf(hint, "is no path: %v", err)
	}
	if read != path || strings.ContainsAny(path, "%?#;*") {
		return member.Flawf(hint, "has a character that no path of a rule can have")
	}
	return nil
}

func checkName(name string) *member.Flaw {
	if strings.TrimSpace(name) == "" {
		return member.Flawf("name it as the issuer does", "is empty")
	}
	return nil
}

// covers reports whether a rule matches all that a later one matches.
func (r *Rule) covers(later *Rule) bool {
	methods := len(r.Methods) == 0 || len(later.Methods) > 0 && !slices.ContainsFunc(later.Methods, func(m string) bool { return !r.hasMethod(m) })
	return methods && r.hasPath(later.Path, false) && (!r.Exact || later.Exact)
}

var (
	headerName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,63}$`)
	sourceName = regexp.MustCompile(`^[a-z][A-Za-z0-9_.:/-]{0,127}$`)

	// reservedHeaders have a meaning for proxies or servers. An identity header with such a name would change it.
	reservedHeaders = []string{
		"Accept", "Age", "Allow", "Cache-Control", "Connection", "Content-Length", "Content-Type", "Cookie", "Date", "Expect", "Forwarded", "Host",
		"Keep-Alive", "Location", "Origin", "Range", "Referer", "Retry-After", "Server", "Set-Cookie", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
		"Vary", "Via", "Www-Authenticate", "X-Real-Ip", "X-Request-Id",
	}
)

func (s *Settings) checkHeaders(found *member.Problems) {
	seen := map[string]string{}
	for _, h := range headersOf(s.Headers) {
		at := member.Child("headers", h.name)
		switch {
		case !headerName.MatchString(h.name):
			found.Add(at, h.source, member.Flawf("use letters, digits and hyphens; some servers drop underscores, others take them for hyphens",
				"is not a name for a header"))
		case slices.Contains(reservedHeaders, h.name) || strings.HasPrefix(h.name, "X-Forwarded-") || strings.HasPrefix(h.name, "X-Original-") ||
			strings.HasPrefix(h.name, "Sec-") || strings.HasPrefix(h.name, "Proxy-"):
			found.Add(at, h.source, member.Flawf("use a name of your own, such as X-Auth-User", "has a meaning for proxies and servers"))
		case seen[h.name] != "":
			found.Add(at, h.source, member.Flawf("headers do not differ by upper and lower case", "is there twice"))
		case !sourceName.MatchString(h.source):
			found.Add(at, h.source, member.Flawf("use sub, sid, roles, groups, assertion or the name of a claim", "has an unknown source"))
		}
		seen[h.name] = h.source
	}
}

// newSite prepares a host whose URL is valid.
func newSite(h Host) *site {
	u, err := url.Parse(h.URL)
	if err != nil {
		return &site{}
	}
	host, _ := normalHost(u.Host, u.Scheme)
	return &site{url: weburl.OriginOf(&url.URL{Scheme: u.Scheme, Host: host}), host: host, rules: h.Rules}
}

// scheme is http or https.
func (s *site) scheme() string {
	scheme, _, _ := strings.Cut(s.url, "://")
	return scheme
}

var _ http.Handler = (*Gate)(nil)
