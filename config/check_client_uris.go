package config

import (
	"net/url"
	"slices"
	"strings"

	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/weburl"
)

func (l *loader) checkClientURIs(c *Client, path string) {
	redirects := path + ".redirect_uris"
	switch {
	case c.has("authorization_code") && len(c.RedirectURIs) == 0:
		l.report(redirects, nil, problemf("list the URLs where the client takes the code", "is required with authorization_code"))
	case !c.has("authorization_code") && len(c.RedirectURIs) > 0:
		l.report(redirects, nil, problemf("remove them, or add authorization_code to grant_types", "are of no use without authorization_code"))
	}
	l.checkEach(path+".redirect_schemes", c.RedirectSchemes, checkOwnScheme)
	schemes := slices.DeleteFunc(slices.Clone(c.RedirectSchemes), func(s string) bool { return checkOwnScheme(s) != nil })
	isRedirect := func(s string) *member.Flaw { return checkRedirectURI(s, c.Preset == "native", schemes) }
	l.checkEach(redirects, c.RedirectURIs, isRedirect)
	l.checkEach(path+".post_logout_redirect_uris", c.PostLogoutRedirectURIs, isRedirect)
	l.checkEach(path+".request_uris", c.RequestURIs, func(s string) *member.Flaw {
		base, _, _ := strings.Cut(s, "#")
		return checkWebURL(base)
	})
	if l.given(path + ".allowed_origins") {
		l.checkEach(path+".allowed_origins", c.AllowedOrigins, checkOrigin)
	}
	for _, s := range []setting{
		{"client_uri", c.ClientURI}, {"logo_uri", c.LogoURI}, {"policy_uri", c.PolicyURI}, {"tos_uri", c.TOSURI},
		{"initiate_login_uri", c.InitiateLoginURI},
	} {
		if s.value != "" {
			l.report(child(path, s.key), s.value, checkWebURL(s.value))
		}
	}
	l.checkSubject(c, path)
	l.checkLogoutURIs(c, path)
}

// checkSubject applies OpenID Connect Core section 8.1.
func (l *loader) checkSubject(c *Client, path string) {
	sector := path + ".sector_identifier_uri"
	switch {
	case c.SectorIdentifierURI != "" && c.SubjectType != "pairwise":
		l.report(sector, c.SectorIdentifierURI, problemf("remove it, or set subject_type: pairwise", "is of no use with public subjects"))
	case c.SectorIdentifierURI != "":
		l.report(sector, c.SectorIdentifierURI, checkWebURL(c.SectorIdentifierURI))
	case c.SubjectType == "pairwise" && len(hostsOf(c.RedirectURIs)) > 1:
		l.report(sector, nil, problemf("serve a JSON list of the redirect URIs over https and name it here",
			"pairwise subjects need one where the redirect URIs have several hosts (%s)", strings.Join(hostsOf(c.RedirectURIs), ", ")))
	}
}

// hostsOf are the hosts of URIs, each once.
func hostsOf(uris []string) []string {
	var hosts []string
	for _, uri := range uris {
		if u, err := url.Parse(uri); err == nil && !slices.Contains(hosts, strings.ToLower(u.Hostname())) {
			hosts = append(hosts, strings.ToLower(u.Hostname()))
		}
	}
	return hosts
}

// checkLogoutURIs applies Back-Channel Logout section 2.2 and Front-Channel Logout section 2.
func (l *loader) checkLogoutURIs(c *Client, path string) {
	for _, channel := range []struct {
		key, uri, sessionKey string
		session              bool
	}{
		{"backchannel_logout_uri", c.BackchannelLogoutURI, "backchannel_logout_session_required", c.BackchannelLogoutSessionRequired},
		{"frontchannel_logout_uri", c.FrontchannelLogoutURI, "frontchannel_logout_session_required", c.FrontchannelLogoutSessionRequired},
	} {
		at := child(path, channel.key)
		switch {
		case channel.uri == "" && channel.session && !l.given(at):
			l.report(child(path, channel.sessionKey), true, problemf("set "+channel.key+", or remove it", "is of no use without %s", channel.key))
		case channel.uri == "":
		case strings.Contains(channel.uri, "#"):
			l.report(at, channel.uri, problemf("remove the # and what follows", "has a fragment"))
		default:
			l.report(at, channel.uri, checkWebURL(channel.uri))
		}
	}
	origins, front := weburl.Origins(c.RedirectURIs), weburl.Origin(c.FrontchannelLogoutURI)
	if len(origins) > 0 && front != "" && !slices.Contains(origins, front) {
		l.report(path+".frontchannel_logout_uri", c.FrontchannelLogoutURI, problemf("begin it with one of "+strings.Join(origins, ", "),
			"must have the scheme, host and port of a redirect URI"))
	}
}
