package interaction_test

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

// After every wrong request of a device or its user nothing is stored, and the device goes on waiting.
func TestHostileDeviceRequests(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	browser, d := s.SignedIn(t, nil), s.NewDevice(t, nil)
	for range 130 { // by now the interval is longer than the code lives: no further poll is written down
		blackbox.PollDevice(t, s, d)
	}
	var rows []blackbox.Hostile
	rows = append(rows, hostileDeviceAuthorizations()...)
	rows = append(rows, hostileDevicePolls(d)...)
	rows = append(rows, hostileDevicePages(d)...)
	blackbox.Attack(t, s, browser, rows, d.Code)
	blackbox.ApproveDevice(t, browser, d)
	if got := blackbox.PollDevice(t, s, d); got.Status != http.StatusOK {
		t.Errorf("the device no longer works: %+v", got)
	}
}

func hostileDeviceAuthorizations() []blackbox.Hostile {
	row := func(name string, status int, code string, change func(url.Values, *blackbox.Hostile)) blackbox.Hostile {
		form := url.Values{"client_id": {authztest.TV}, "scope": {"openid"}}
		h := blackbox.Hostile{Name: "device_authorization/" + name, Path: "/device_authorization", Header: blackbox.FormHeader(), Status: status, Code: code}
		change(form, &h)
		h.Body = form.Encode() + h.Body
		return h
	}
	set := func(name, value string) func(url.Values, *blackbox.Hostile) {
		return func(form url.Values, _ *blackbox.Hostile) { form.Set(name, value) }
	}
	more := func(raw string) func(url.Values, *blackbox.Hostile) {
		return func(_ url.Values, h *blackbox.Hostile) { h.Body = raw }
	}
	return []blackbox.Hostile{
		row("no client", 401, "invalid_client", func(form url.Values, _ *blackbox.Hostile) { form.Del("client_id") }),
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
		row("JSON", 400, "invalid_request", func(_ url.Values, h *blackbox.Hostile) { h.Header.Set("Content-Type", "application/json") }),
		row("secret in the query", 400, "invalid_request", func(_ url.Values, h *blackbox.Hostile) { h.Query = "client_secret=x" }),
		row("device code in the query", 400, "invalid_request", func(_ url.Values, h *blackbox.Hostile) { h.Query = "device_code=x" }),
		{Name: "device_authorization/GET", Path: "/device_authorization", Query: "client_id=tv", Status: 405, Code: "method_not_allowed"},
	}
}

func hostileDevicePolls(d authztest.Device) []blackbox.Hostile {
	row := func(name string, status int, code string, pairs ...string) blackbox.Hostile {
		form := authztest.DeviceForm(d.Code)
		form.Set("client_id", authztest.TV)
		for i := 0; i < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		return blackbox.Hostile{Name: "token/" + name, Path: "/token", Body: form.Encode(), Header: blackbox.FormHeader(), Status: status, Code: code}
	}
	return []blackbox.Hostile{
		row("no device code", 400, "invalid_request", "device_code", ""),
		row("unknown device code", 400, "invalid_grant", "device_code", "azd_nothing"),
		row("another last character", 400, "invalid_grant", "device_code", blackbox.ChangeLast(d.Code)),
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

func hostileDevicePages(d authztest.Device) []blackbox.Hostile {
	evil := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Origin": {"https://evil.example"}}
	decide := url.Values{"user_code": {d.UserCode}, "decision": {"allow"}}
	return []blackbox.Hostile{
		{Name: "device/from another site", Path: "/device", Body: decide.Encode(), Header: evil, Status: 403, Code: "cross_site_request"},
		{Name: "device/code from another site", Path: "/device", Body: "user_code=" + d.UserCode, Header: evil, Status: 403, Code: "cross_site_request"},
		{Name: "device/forged flow", Path: "/device", Query: "flow=AAAA", Status: 400, Code: "sign_in_expired"},
		{Name: "device/decided in the query", Path: "/device", Query: decide.Encode(), Status: 200},
		{Name: "device/NUL", Path: "/device", Query: "user_code=%00", Status: 400, Code: "invalid_request"},
		{Name: "device/repeated", Path: "/device", Query: "user_code=A&user_code=B", Status: 400, Code: "invalid_request"},
		{Name: "device/too long", Path: "/device", Query: "user_code=" + strings.Repeat("B", 17_000), Status: 400, Code: "invalid_request"},
		{Name: "device/long", Path: "/device", Query: "user_code=" + strings.Repeat("B", 9_000), Status: 200},
		{Name: "device/PUT", Method: http.MethodPut, Path: "/device", Status: 405, Code: "method_not_allowed"},
	}
}
