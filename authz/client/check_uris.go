package client

import (
	"fmt"
	"slices"
	"strings"

	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/weburl"
)

// Where a client is: its redirect URIs, pages and origins, and what the server calls there.

func (c *check) uris() {
	switch {
	case !c.knowsGrants() || c.Given("redirect_uris") != (len(c.RedirectURIs) > 0): // one that cannot be read is reported
	case c.May(GrantAuthorizationCode) && len(c.RedirectURIs) == 0:
		c.wrong("redirect_uris", nil, member.Flawf("list the URLs where the client takes the code", "is required with authorization_code"))
	case !c.May(GrantAuthorizationCode) && len(c.RedirectURIs) > 0:
		c.wrong("redirect_uris", nil, member.Flawf("remove them, or add authorization_code to grant_types", "are of no use without authorization_code"))
	}
	c.each(c.unsafe, "redirect_schemes", c.RedirectSchemes, CheckScheme)
	schemes := slices.DeleteFunc(slices.Clone(c.RedirectSchemes), func(s string) bool { return CheckScheme(s) != nil })
	for list, uris := range map[string][]string{"redirect_uris": c.RedirectURIs, "post_logout_redirect_uris": c.PostLogoutRedirectURIs} {
		c.each(c.wrong, list, uris, func(uri string) *member.Flaw { return c.redirectFlaw(uri, schemes) })
		c.each(c.unsafe, list, uris, func(uri string) *member.Flaw { return CheckRedirectURI(uri, schemes...) })
	}
	withoutFragment := func(rule func(string) *member.Flaw) func(string) *member.Flaw {
		return func(uri string) *member.Flaw { // it may be a hash of the content (OpenID Connect Core section 6.2)
			base, _, _ := strings.Cut(uri, "#")
			return rule(base)
		}
	}
	c.each(c.wrong, "request_uris", c.RequestURIs, withoutFragment(member.WebURLFlaw))
	c.each(c.unsafe, "request_uris", c.RequestURIs, withoutFragment(calledFlaw))
	if c.Given("allowed_origins") {
		c.each(c.wrong, "allowed_origins", c.AllowedOrigins, originFlaw)
	}
	for _, page := range []named{
		{"client_uri", c.ClientURI}, {"logo_uri", c.LogoURI}, {"policy_uri", c.PolicyURI}, {"tos_uri", c.TOSURI}, {"initiate_login_uri", c.InitiateLoginURI},
	} {
		if page.value != "" {
			c.wrong(page.member, page.value, member.WebURLFlaw(page.value))
		}
	}
	if uri := c.InitiateLoginURI; uri != "" {
		if c.Source != Configured && !strings.HasPrefix(uri, "https:") { // OpenID Connect Core section 4
			c.unsafe("initiate_login_uri", uri, member.Flawf("use https", "is not https"))
		}
		c.unsafe("initiate_login_uri", uri, calledFlaw(uri))
	}
}

// redirectFlaw applies RFC 6749 section 3.1.2, RFC 9700 section 2.1 and, for native applications, RFC 8252 section 7 to
// a redirect URI that an operator writes. Schemes are those that the operator allows, letter by letter.
func (c *check) redirectFlaw(s string, schemes []string) *member.Flaw {
	u, flaw := member.ParseURI(s)
	isDots := func(segment string) bool { return segment == "." || segment == ".." }
	switch {
	case flaw != nil:
		if scheme, found := strings.CutSuffix(strings.TrimSuffix(s, "//"), ":"); found && scheme != "http" && scheme != "https" && CheckScheme(scheme) == nil {
			flaw.Hint = "write " + scheme + ":/callback: some path must follow, with one slash (RFC 8252 section 7.1)"
		}
		return flaw
	case strings.Contains(s, "#"):
		return member.Flawf("remove the # and what follows", "has a fragment")
	case strings.Contains(s, "*"):
		return member.Flawf("list each redirect URI; they are compared character by character", "has a wildcard")
	case slices.ContainsFunc(strings.Split(u.Path, "/"), isDots):
		return member.Flawf("write the path that is meant", "has . or .. in its path, which browsers resolve")
	case u.Scheme == "http" || u.Scheme == "https":
		return member.WebFlaw(u)
	}
	return c.ownSchemeFlaw(s[:len(u.Scheme)], schemes)
}

// ownSchemeFlaw is for the scheme of a redirect URI, as it was written, that is not one of the web.
func (c *check) ownSchemeFlaw(written string, schemes []string) *member.Flaw {
	const hint = "use https, http on loopback, or in a native app a scheme such as com.example.app"
	scheme := strings.ToLower(written)
	switch {
	case slices.Contains(schemes, written):
		return nil
	case CheckScheme(scheme) != nil:
		return member.Flawf(hint, "the scheme %s is not allowed", scheme)
	case !strings.Contains(scheme, "."):
		return member.Flawf(fmt.Sprintf("%s; if the app has no other, redirect_schemes: [%s] allows it", hint, written), "the scheme %s is not allowed", scheme)
	case c.Preset != presetNative && c.isKnown("preset"):
		return member.Flawf("give the client preset: native, or use https", "only native apps may use a private-use scheme")
	}
	return nil
}

// originFlaw demands the form in which browsers send an Origin (RFC 6454 section 6.2).
func originFlaw(s string) *member.Flaw {
	if s == "*" || s == "null" {
		return member.Flawf("list each origin, such as https://app.example.com", "stands for any page")
	}
	u, flaw := member.ParseURI(s)
	switch {
	case flaw != nil:
		return flaw
	case slices.Contains([]string{"about", "blob", "data", "file", "javascript"}, u.Scheme):
		return member.Flawf("use https, or http on loopback", "the scheme %s is not allowed", u.Scheme)
	case u.Host == "":
		return member.Flawf("write scheme://host", "has no host")
	case strings.Contains(s, "*"):
		return member.Flawf("list each origin", "has a wildcard")
	case s != weburl.OriginOf(u):
		return member.Flawf("write "+weburl.OriginOf(u), "not the form in which browsers send an origin")
	case u.Scheme == "http" || u.Scheme == "https":
		return member.WebFlaw(u)
	}
	return nil
}

// subject applies OpenID Connect Core section 8.1.
func (c *check) subject() {
	if !hasAny([]string{"", SubjectPublic, SubjectPairwise}, c.SubjectType) {
		c.unsafe("subject_type", c.SubjectType, member.Flawf("write public or pairwise", "is not known").Telling("subject_type: must be public or pairwise"))
	}
	hosts := hostsOf(c.RedirectURIs)
	switch {
	case c.SectorURI != "":
		if c.SubjectType != SubjectPairwise && c.isKnown("subject_type") {
			c.wrong("sector_identifier_uri", c.SectorURI, member.Flawf("remove it, or set subject_type: pairwise", "is of no use with public subjects"))
		}
		c.wrong("sector_identifier_uri", c.SectorURI, member.WebURLFlaw(c.SectorURI))
		c.unsafe("sector_identifier_uri", c.SectorURI, calledFlaw(c.SectorURI))
	case c.SubjectType == SubjectPairwise && len(hosts) > 1 && !c.Given("sector_identifier_uri"):
		c.unsafe("sector_identifier_uri", nil, member.Flawf("serve a JSON list of the redirect URIs over https and name it here",
			"pairwise subjects need one where the redirect URIs have several hosts (%s)", strings.Join(hosts, ", ")).
			Telling("sector_identifier_uri: is missing: subject_type pairwise needs it where the redirect_uris have several hosts"))
	}
}

// hostsOf are the hosts of URIs, each once.
func hostsOf(uris []string) []string {
	var hosts []string
	for _, raw := range uris {
		if host := hostOf(raw); !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// logout applies Back-Channel Logout section 2.2 and Front-Channel Logout section 2.
func (c *check) logout() {
	for _, channel := range []struct {
		member, uri, sessionMember string
		session                    bool
	}{
		{"backchannel_logout_uri", c.BackChannelURI, "backchannel_logout_session_required", c.BackChannelSession},
		{"frontchannel_logout_uri", c.FrontChannelURI, "frontchannel_logout_session_required", c.FrontChannelSession},
	} {
		switch {
		case channel.uri == "" && channel.session && !c.Given(channel.member):
			c.wrong(channel.sessionMember, true, member.Flawf("set "+channel.member+", or remove it", "is of no use without %s", channel.member))
		case channel.uri == "":
		case strings.Contains(channel.uri, "#"):
			c.unsafe(channel.member, channel.uri, member.Flawf("remove the # and what follows", "has a fragment"))
		default:
			c.wrong(channel.member, channel.uri, member.WebURLFlaw(channel.uri))
			c.unsafe(channel.member, channel.uri, calledFlaw(channel.uri))
		}
	}
	if c.FrontChannelURI == "" || c.Broken("redirect_uris") {
		return
	}
	origins := weburl.Origins(c.RedirectURIs)
	if !slices.Contains(origins, weburl.Origin(c.FrontChannelURI)) && (len(origins) > 0 || c.server == nil) {
		c.unsafe("frontchannel_logout_uri", c.FrontChannelURI, member.Flawf("begin it with one of "+strings.Join(origins, ", "),
			"must have the scheme, host and port of a redirect URI"))
	}
}
