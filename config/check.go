package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/weburl"
	"github.com/authzd/authzd/templates/brand"
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

func (l *loader) checkBranding() {
	b := l.cfg.Branding
	l.checkLabel("branding.name", b.Name)
	if b.LogoFile != "" {
		l.report("branding.logo_file", b.LogoFile, checkLogo(b.LogoFile))
	}
	for key, name := range map[string]string{"logo_dark_file": b.LogoDarkFile, "backdrop_file": b.BackdropFile} {
		if name != "" {
			l.report("branding."+key, name, checkLogo(name))
		}
	}
	for key, link := range map[string]string{"help_url": b.HelpURL, "imprint_url": b.ImprintURL, "privacy_url": b.PrivacyURL} {
		if u, err := url.Parse(link); link != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
			l.report("branding."+key, link, problemf("write an address such as https://example.com/help", "not an http or https URL"))
		}
	}
	for key, text := range b.Texts {
		path := child("branding.texts", key)
		if !textKey.MatchString(key) {
			l.report(path, nil, problemf("write a key such as sign_in.heading or sign_in.heading#de", "not the key of a text"))
		}
		l.report(path, text, checkNotEmpty(text))
	}
	for name, value := range b.CSS {
		path := child("branding.css", name)
		if !cssName.MatchString(name) {
			l.report(path, nil, problemf("write lower-case letters, digits and hyphens, such as accent", "not the name of a variable"))
		}
		l.report(path, value, checkCSS(value))
	}
	l.checkTheme(b.CSS)
}

var textKey = regexp.MustCompile(`^[a-z0-9_.]+(#[a-z]+)?(#[A-Za-z-]+)?$`)

func checkLogo(name string) *member.Flaw {
	_, err := brand.ReadLogo(name)
	var missing *fs.PathError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &missing):
		return unreadable(err)
	}
	return problemf("name a picture of one of these kinds: svg, png, jpeg, webp, gif", "%v", err)
}

// checkTheme reports variables that do not exist, values that they can't have, and colours that can't be read on
// each other. All that is wrong with one variable is one error.
func (l *loader) checkTheme(css map[string]string) {
	reasons := map[string][]string{}
	hints := map[string]string{}
	for _, p := range brand.CSSProblems(css) {
		reason := p.Reason
		if p.Mode != "" {
			reason = "in " + p.Mode + " mode, " + reason
		}
		reasons[p.Variable], hints[p.Variable] = append(reasons[p.Variable], reason), p.Hint
	}
	for name, said := range reasons {
		l.report(child("branding.css", name), css[name], problemf(hints[name], "%s", strings.Join(said, "; ")))
	}
}

var (
	cssName  = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)
	cssValue = regexp.MustCompile(`^[A-Za-z0-9#%.,"' _-]{1,500}$`)
)

// checkCSS admits what colours, lengths and font names are written with: nothing that could end the
// declaration, open a comment or fetch something.
func checkCSS(value string) *member.Flaw {
	hint := "use a colour, a length or font names"
	switch {
	case !cssValue.MatchString(value):
		return problemf(hint, "has a character that is not allowed here, or is too long")
	case strings.Count(value, `"`)%2 != 0 || strings.Count(value, "'")%2 != 0:
		return problemf("close what was opened", "quotes don't match")
	}
	return nil
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
