package authz_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
)

// Whatever is wrong with a request of a device or of its user, nothing is stored, and the device goes
// on waiting.
func TestHostileDeviceRequests(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	browser, d := s.SignedIn(t, nil), s.NewDevice(t, nil)
	for range 130 { // by now the interval is longer than the code lives: no further poll is written down
		poll(t, s, d)
	}
	var rows []hostile
	rows = append(rows, hostileDeviceAuthorizations()...)
	rows = append(rows, hostileDevicePolls(d)...)
	rows = append(rows, hostileDevicePages(d)...)
	attack(t, s, browser, rows, d.Code)
	approve(t, browser, d)
	if got := poll(t, s, d); got.Status != http.StatusOK {
		t.Errorf("the device no longer works: %+v", got)
	}
}

func hostileDeviceAuthorizations() []hostile {
	row := func(name string, status int, code string, change func(url.Values, *hostile)) hostile {
		form := url.Values{"client_id": {authztest.TV}, "scope": {"openid"}}
		h := hostile{name: "device_authorization/" + name, path: "/device_authorization", header: formHeader(), status: status, code: code}
		change(form, &h)
		h.body = form.Encode() + h.body
		return h
	}
	set := func(name, value string) func(url.Values, *hostile) {
		return func(form url.Values, _ *hostile) { form.Set(name, value) }
	}
	more := func(raw string) func(url.Values, *hostile) { return func(_ url.Values, h *hostile) { h.body = raw } }
	return []hostile{
		row("no client", 401, "invalid_client", func(form url.Values, _ *hostile) { form.Del("client_id") }),
		row("unknown client", 401, "invalid_client", set("client_id", "nobody")),
		row("public client with a secret", 401, "invalid_client", set("client_secret", "x")),
		row("confidential client without", 401, "invalid_client", set("client_id", authztest.Web)),
		row("client of another grant", 400, "unauthorized_client", set("client_id", authztest.SPA)),
		row("unknown scope", 400, "invalid_scope", set("scope", "admin")),
		row("scope with a quote", 400, "invalid_scope", set("scope", `openid "x"`)),
		row("unknown resource", 400, "invalid_target", set("resource", "https://evil.example")),
		row("relative resource", 400, "invalid_target", set("resource", "/orders")),
		row("max_age no number", 400, "invalid_request", set("max_age", "soon")),
		row("claims no object", 400, "invalid_request", set("claims", "[]")),
		row("repeated scope", 400, "invalid_request", more("&scope=openid")),
		row("repeated client", 400, "invalid_request", more("&client_id=web")),
		row("NUL", 400, "invalid_request", more("&login_hint=%00")),
		row("bad escape", 400, "invalid_request", more("&x=%zz")),
		row("too long", 400, "invalid_request", set("login_hint", strings.Repeat("a", 9000))),
		row("far too long", 400, "invalid_request", set("x", strings.Repeat("a", 70_000))),
		row("JSON", 400, "invalid_request", func(_ url.Values, h *hostile) { h.header.Set("Content-Type", "application/json") }),
		row("secret in the query", 400, "invalid_request", func(_ url.Values, h *hostile) { h.query = "client_secret=x" }),
		row("device code in the query", 400, "invalid_request", func(_ url.Values, h *hostile) { h.query = "device_code=x" }),
		{name: "device_authorization/GET", path: "/device_authorization", query: "client_id=tv", status: 405, code: "method_not_allowed"},
	}
}

func hostileDevicePolls(d authztest.Device) []hostile {
	row := func(name string, status int, code string, pairs ...string) hostile {
		form := authztest.DeviceForm(d.Code)
		form.Set("client_id", authztest.TV)
		for i := 0; i < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		return hostile{name: "token/" + name, path: "/token", body: form.Encode(), header: formHeader(), status: status, code: code}
	}
	return []hostile{
		row("no device code", 400, "invalid_request", "device_code", ""),
		row("unknown device code", 400, "invalid_grant", "device_code", "azd_nothing"),
		row("another last character", 400, "invalid_grant", "device_code", changeLast(d.Code)),
		row("one more character", 400, "invalid_grant", "device_code", d.Code+"A"),
		row("user code for device code", 400, "invalid_grant", "device_code", d.UserCode),
		row("device code for code", 400, "unauthorized_client", "grant_type", "authorization_code", "code", d.Code),
		row("device code for refresh token", 400, "invalid_grant", "grant_type", "refresh_token", "refresh_token", d.Code),
		row("client of another grant", 400, "unauthorized_client", "client_id", authztest.SPA),
		row("confidential client without secret", 401, "invalid_client", "client_id", authztest.Web),
		row("another grant type's name", 400, "unsupported_grant_type", "grant_type", strings.ToUpper(client.GrantDeviceCode)),
		row("too soon", 400, "slow_down"),
	}
}

func hostileDevicePages(d authztest.Device) []hostile {
	evil := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Origin": {"https://evil.example"}}
	decide := url.Values{"user_code": {d.UserCode}, "decision": {"allow"}}
	return []hostile{
		{name: "device/from another site", path: "/device", body: decide.Encode(), header: evil, status: 403, code: "cross_site_request"},
		{name: "device/code from another site", path: "/device", body: "user_code=" + d.UserCode, header: evil, status: 403, code: "cross_site_request"},
		{name: "device/forged flow", path: "/device", query: "flow=AAAA", status: 400, code: "sign_in_expired"},
		{name: "device/decided in the query", path: "/device", query: decide.Encode(), status: 200},
		{name: "device/NUL", path: "/device", query: "user_code=%00", status: 400, code: "invalid_request"},
		{name: "device/repeated", path: "/device", query: "user_code=A&user_code=B", status: 400, code: "invalid_request"},
		{name: "device/too long", path: "/device", query: "user_code=" + strings.Repeat("B", 17_000), status: 400, code: "invalid_request"},
		{name: "device/long", path: "/device", query: "user_code=" + strings.Repeat("B", 9_000), status: 200},
		{name: "device/PUT", method: http.MethodPut, path: "/device", status: 405, code: "method_not_allowed"},
	}
}
