package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/weburl"
)

// check applies the rules that go beyond the form of one value.
func (l *loader) check() {
	l.checkServer()
	l.checkTimes()
	l.checkBackup(&l.cfg.Backup)
	l.checkPlaces()
	l.checkBranding()
	l.checkRequired(reflect.ValueOf(l.cfg.Resources), "resources")
	l.checkRequired(reflect.ValueOf(l.cfg.Users), "users")
	l.checkRequired(reflect.ValueOf(l.cfg.Connectors), "connectors")
	l.checkRequired(reflect.ValueOf(l.cfg.TrustedIssuers), "trusted_issuers")
	l.checkEach("cors.allowed_headers", l.cfg.CORS.AllowedHeaders, checkHeader)
	for i := range l.cfg.Resources {
		l.checkSameResource(i)
		l.checkResourceEntry(&l.cfg.Resources[i], element("resources", i))
	}
	l.checkClients()
	l.checkRegistration()
	l.checkAccounts()
	l.checkMail()
	l.checkUsers()
	l.checkPasskeys()
	l.checkPasskeyDemands()
	for i := range l.cfg.Connectors {
		l.checkConnector(&l.cfg.Connectors[i], element("connectors", i))
	}
	for i := range l.cfg.TrustedIssuers {
		l.checkTrustedIssuer(&l.cfg.TrustedIssuers[i], element("trusted_issuers", i))
	}
}

func (l *loader) checkServer() {
	c := &l.cfg
	if c.Issuer == "" {
		l.report("issuer", nil, problemf("set it to the public URL of this server, such as https://id.example.com, or AUTHZD_ISSUER", "is required"))
	}
	l.report("issuer", c.Issuer, checkIssuer(c.Issuer))
	l.report("listen", c.Listen, checkListen(c.Listen))
	l.checkTime("shutdown_delay", c.ShutdownDelay, 0, 5*time.Minute)
	l.checkTLS(c.TLS, "issuer", c.Issuer)
	l.checkMTLS()
	l.checkSocketLength("admin.socket", c.Admin.Socket)
	l.checkAdminListen(c.Admin.Listen, c.Listen)

	l.checkStorage()
	l.checkKMS(c.KMS)
	l.checkSecretFiles(c.SecretFile)

	if name := c.Outbound.CAFile; name != "" {
		l.report("outbound.ca_file", name, checkCertificates(name))
	}
}

func (l *loader) checkTimes() {
	const years = member.Years
	t, s, k := l.cfg.Lifetimes, l.cfg.Sessions, l.cfg.Signing
	l.checkTime("lifetimes.access_token", t.AccessToken, time.Second, years)
	l.checkTime("lifetimes.id_token", t.IDToken, time.Second, years)
	l.checkTime("lifetimes.code", t.Code, time.Second, 10*time.Minute)
	l.checkTime("lifetimes.par", t.PAR, 5*time.Second, 10*time.Minute)
	l.checkTime("lifetimes.device_code", t.DeviceCode, 30*time.Second, time.Hour)
	l.checkTime("lifetimes.refresh_token", t.RefreshToken, time.Second, years)
	l.checkTime("lifetimes.refresh_idle", t.RefreshIdle, time.Second, years)
	l.checkTime("lifetimes.refresh_grace", t.RefreshGrace, 0, 10*time.Minute)
	l.checkTime("sessions.idle", s.Idle, time.Second, years)
	l.checkTime("sessions.max", s.Max, time.Second, years)
	l.checkTime("sessions.remember_me", s.RememberMe, 0, years)
	l.checkTime("signing.rotate_every", k.RotateEvery, time.Second, years)
	l.checkTime("signing.announce", k.Announce, 0, years)
	l.checkAudit(l.cfg.Audit)

	l.checkOrder("lifetimes.refresh_idle", t.RefreshIdle, "lifetimes.refresh_token", t.RefreshToken)
	l.checkOrder("sessions.idle", s.Idle, "sessions.max", s.Max)
	if k.Announce >= k.RotateEvery {
		l.report("signing.announce", short(k.Announce), problemf("a key is announced before the one in use ends",
			"must be shorter than signing.rotate_every (%s)", short(k.RotateEvery)))
	}
}

func checkNotEmpty(s string) *member.Flaw {
	if strings.TrimSpace(s) == "" {
		return problemf("remove it", "is empty")
	}
	return nil
}

var scopeToken = regexp.MustCompile(`^[\x21\x23-\x5b\x5d-\x7e]+$`)

// checkScope applies the syntax of RFC 6749 section 3.3.
func checkScope(s string) *member.Flaw {
	if !scopeToken.MatchString(s) {
		return problemf("use printable ASCII without spaces, quotes and backslashes", "not a scope")
	}
	return nil
}

// checkHeader is for request headers that a browser's preflight may ask for.
func checkHeader(s string) *member.Flaw {
	switch {
	case s == "*":
		return problemf("list each header", "stands for any header")
	case !headerName.MatchString(s):
		return problemf("write a name such as traceparent", "not the name of a header")
	}
	return nil
}

// checkSameResource refuses two resources that differ by the slash of an empty path alone: requests
// may name either of them both ways.
func (l *loader) checkSameResource(i int) {
	resource := l.cfg.Resources[i].Resource
	for j, r := range l.cfg.Resources[:i] {
		if r.Resource != resource && weburl.SameResource(r.Resource, resource) {
			l.report(element("resources", i)+".resource", resource, problemf("remove one of the two; requests may write it both ways",
				"the same resource as on line %d", l.originOf(element("resources", j)+".resource").line))
		}
	}
}

func (l *loader) checkResourceEntry(r *Resource, path string) {
	if r.Resource != "" {
		l.report(path+".resource", r.Resource, checkResource(r.Resource))
	}
	l.checkLabel(path+".name", r.Name)
	l.checkEach(path+".scopes", r.Scopes, func(s string) *member.Flaw {
		if slices.Contains(client.UserScopes, s) {
			return problemf(fmt.Sprintf("name it after the API, such as orders.%s", s), "means something else already (OpenID Connect)")
		}
		return checkScope(s)
	})
	l.checkTexts(path+".scope_descriptions", r.ScopeDescriptions, r.Scopes, "list it under scopes too")
	l.checkEach(path+".changing_scopes", r.ChangingScopes, func(s string) *member.Flaw {
		if !slices.Contains(r.Scopes, s) {
			return problemf("list it under scopes too", "%s is not known", s)
		}
		return nil
	})
	types := path + ".authorization_details_types"
	l.checkRequired(reflect.ValueOf(r.AuthorizationDetailsTypes), types)
	for i := range r.AuthorizationDetailsTypes {
		l.checkDetailType(&r.AuthorizationDetailsTypes[i], element(types, i))
	}
}
