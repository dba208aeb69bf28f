package logout_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

// Requests that are none, or that come from where they must not, end no session and tell nobody.
func TestHostileLogouts(t *testing.T) {
	t.Parallel()
	l := newListeners(t)
	s := authztest.Start(t, authz.Config{Outbound: blackbox.Loopback()}, func(m *client.Metadata) {
		l.hear(m)
		if m.ID == authztest.SPA {
			m.FrontChannelURI = frameURI
		}
	})
	b := s.NewBrowser(t)
	tokens := b.SignIn(t, authztest.SPA, nil)
	blackbox.Attack(t, s, b, hostileLogouts(tokens), "<iframe", "You’re signed out", tokens.IDToken)
	if !isSignedIn(t, b) || len(l.of(authztest.SPA)) != 0 {
		t.Error("a session was ended")
	}
}

func hostileLogouts(tokens authztest.Tokens) []blackbox.Hostile {
	good := url.Values{"id_token_hint": {tokens.IDToken}, "post_logout_redirect_uri": {back}, "state": {"x"}}.Encode()
	sid := tokens.IDToken[:22]
	page := func(name, suffix string) blackbox.Hostile {
		return blackbox.Hostile{Name: "logout/" + name, Path: "/logout", Query: good + suffix, Status: 400, Code: "invalid_request"}
	}
	form := func(name, body, contentType string) blackbox.Hostile {
		return blackbox.Hostile{Name: "logout/" + name, Path: "/logout", Body: body, Header: http.Header{"Content-Type": {contentType}}, Status: 400, Code: "invalid_request"}
	}
	method := func(method, code string) blackbox.Hostile {
		return blackbox.Hostile{Name: "logout/" + method, Method: method, Path: "/logout", Query: good, Status: 405, Code: code}
	}
	foreign := func(name, body, header, value string) blackbox.Hostile {
		return blackbox.Hostile{Name: "account/" + name, Path: "/account", Body: body, Status: 403, Code: "cross_site_request",
			Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, header: {value}}}
	}
	const urlencoded = "application/x-www-form-urlencoded"
	rows := []blackbox.Hostile{
		page("repeated hint", "&id_token_hint="+tokens.IDToken),
		page("repeated URI", "&post_logout_redirect_uri=https%3A%2F%2Fevil.example"),
		page("repeated client", "&client_id=spa&client_id=web"),
		page("repeated state", "&state=y"),
		page("CRLF in the state", "&logout_hint=a%0d%0aSet-Cookie:%20x=y"),
		page("NUL", "&logout_hint=a%00b"),
		page("invalid UTF-8", "&logout_hint=%ff%fe"),
		page("bad escape", "&x=%zz"),
		page("semicolon", ";x=y"),
		page("value too long", "&logout_hint="+strings.Repeat("a", 17_000)),
		form("JSON", `{"confirm":"yes"}`, "application/json"),
		form("multipart", "confirm=yes", "multipart/form-data; boundary=x"),
		form("plain text", "confirm=yes", "text/plain"),
		form("body too large", "confirm=yes&x="+strings.Repeat("a", 70_000), urlencoded),
		form("repeated confirm", "confirm=yes&confirm=yes", urlencoded),
		form("bad escape in the body", "confirm=yes&x=%zz", urlencoded),
		foreign("end from another site", "end="+sid, "Origin", "https://evil.example"),
		foreign("everywhere from another site", "sign-out-everywhere=yes", "Origin", "https://evil.example"),
		foreign("everywhere from a frame", "sign-out-everywhere=yes", "Sec-Fetch-Site", "cross-site"),
		foreign("everywhere from a subdomain", "sign-out-everywhere=yes", "Sec-Fetch-Site", "same-site"),
	}
	for _, name := range []string{http.MethodPut, http.MethodDelete, http.MethodTrace, http.MethodPatch} {
		rows = append(rows, method(name, "method_not_allowed"))
	}
	return append(rows, method(http.MethodHead, "")) // which has no body
}
