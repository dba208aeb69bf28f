package config

import (
	"time"

	"github.com/authzd/authzd/authz/bff/provider"
	"github.com/authzd/authzd/authz/member"
)

// checkClient demands that the client has what its way of proving itself needs, and nothing else: a client that can't
// prove itself is public.
func (l *bffLoader) checkClient() {
	c := &l.cfg
	a := &c.ClientAuthentication
	const path = "client_authentication"
	l.explainPublic(path + ".method")
	if l.broken(path) {
		return
	}
	method := provider.Authentication{Method: a.Method}
	switch {
	case method.UsesSecret() && a.ClientSecret == "":
		l.report(path, nil, problemf("set client_secret_file, or use private_key_jwt, which needs no secret", "%s without client_secret: %s", a.Method, public))
	case method.UsesCertificate() && (a.CertFile == "" || a.KeyFile == ""):
		l.report(path, nil, problemf("set cert_file and key_file, or use private_key_jwt, which needs no certificate", "%s without a certificate: %s", a.Method, public))
	case method.UsesCertificate():
		l.checkKeyPair(path, a.CertFile, a.KeyFile)
	case method.UsesKey():
		l.report("key_file", c.KeyFile, checkNotFolder(c.KeyFile))
	}
	if a.RotateEvery != 0 {
		l.checkTime(path+".rotate_every", a.RotateEvery, 48*time.Hour, member.Years)
		if !c.Storage.usesBolt() {
			l.report(path+".rotate_every", short(a.RotateEvery), problemf("run \"authzd bff key rotate\" for one file, and copy it to each replica", "without storage.bolt, replicas would make different keys"))
		}
	}
	for _, one := range []struct {
		key  string
		used bool
	}{
		{path + ".client_secret", method.UsesSecret()},
		{path + ".cert_file", method.UsesCertificate()},
		{path + ".key_file", method.UsesCertificate()},
		{"key_file", method.UsesKey()},
		{path + ".rotate_every", method.UsesKey()},
	} {
		if !one.used && l.given(one.key) {
			l.report(one.key, nil, problemf("remove it, or choose the method that needs it", "is of no use for %s", a.Method))
		}
	}
}

const public = "the client would be public, and a BFF must be a confidential one (RFC 10017 section 6.1.3.1)"

// explainPublic says why there is no method "none", and not only that it is unknown.
func (l *bffLoader) explainPublic(path string) {
	for _, e := range l.errs {
		if e.Key == path && l.cfg.ClientAuthentication.Method == "none" {
			e.Reason = public
			e.Hint = "remove the line for private_key_jwt, which needs no secret; register what \"authzd bff jwks\" prints at the issuer"
		}
	}
}
