package config

import (
	"time"

	"github.com/authzd/authzd/authz/bff"
	"github.com/authzd/authzd/authz/bff/provider"
)

// check applies the rules that go beyond the form of one value. authz/bff and the packages below it say what a
// frontend, a route and a host may be; this file says where that stands in bff.yaml.
func (l *bffLoader) check() {
	c := &l.cfg
	if c.Issuer == "" {
		l.report("issuer", nil, problemf("set it to the URL of the OpenID provider, such as https://id.example.com, or AUTHZD_BFF_ISSUER", "is required"))
	}
	l.report("listen", c.Listen, checkListen(c.Listen))
	l.checkTime("shutdown_delay", c.ShutdownDelay, 0, 5*time.Minute)
	l.checkTLS(c.TLS, "tls", "")
	l.checkAdminListen(c.Admin.Listen, c.Listen)
	l.checkClient()
	l.checkStorage()
	l.checkKMS(c.KMS)
	l.checkSecretFiles(c.SecretFile)
	if name := c.Outbound.CAFile; name != "" {
		l.report("outbound.ca_file", name, checkCertificates(name))
	}
	l.reportAll("", c.CookieMode().Problems())
	for i := range c.Frontends {
		if folder := c.Frontends[i].App.Folder; folder != "" {
			l.report(element("frontends", i)+".app.folder", folder, checkFolder(folder))
		}
	}
	l.checkMeeting(l.places())
	if c.Socket != "" {
		l.checkSocketLength("socket", c.Socket)
		l.report("socket", c.Socket, checkSocket(c.Socket))
	}
}

// CookieMode is what authz/bff has to know of the file. The caller adds what no file has.
func (c *BFF) CookieMode() *bff.Config {
	return &bff.Config{
		Issuer:         c.Issuer,
		ClientID:       c.ClientID,
		Authentication: provider.Authentication{Method: c.ClientAuthentication.Method, ClientSecret: c.ClientAuthentication.ClientSecret},
		Sessions:       c.Sessions,
		Revocations:    c.Revocations,
		Frontends:      c.Frontends,
		Gate:           c.Gate,
		Sealed:         c.Storage.Sealed,
	}
}

// usesBolt reports whether sessions are in the embedded database.
func (s *BFFStorage) usesBolt() bool { return s.Postgres.URL == "" && !s.Sealed }

func (l *bffLoader) checkStorage() {
	s := &l.cfg.Storage
	l.checkPostgres(s.Postgres)
	bolt := l.given("storage.bolt.path")
	if s.usesBolt() || bolt {
		l.report("storage.bolt.path", s.Bolt.Path, checkNotFolder(s.Bolt.Path))
	}
	const hint = "remove one of the two; people sign in again after a change"
	switch {
	case s.Postgres.URL != "" && bolt:
		l.report("storage.postgres", nil, problemf(hint, "given beside storage.bolt.path"))
	case s.Sealed && bolt:
		l.report("storage.sealed", nil, problemf(hint, "given beside storage.bolt.path"))
	case s.Sealed && s.Postgres.URL != "":
		l.report("storage.sealed", nil, problemf(hint, "given beside storage.postgres"))
	}
}

// places are the paths of the configuration that a BFF makes or changes, and those beside them.
func (l *bffLoader) places() []place {
	c := &l.cfg
	var list placeList
	list.addFile(l.name)
	if c.Storage.usesBolt() {
		list.add(place{key: "storage.bolt.path", path: c.Storage.Bolt.Path, written: true})
	}
	list.addSecrets(c.SecretFile)
	list.add(place{key: "key_file", path: c.KeyFile, written: true})
	list.addRead(map[string]string{
		"tls.cert_file": c.TLS.CertFile, "tls.key_file": c.TLS.KeyFile, "outbound.ca_file": c.Outbound.CAFile,
		"client_authentication.cert_file": c.ClientAuthentication.CertFile, "client_authentication.key_file": c.ClientAuthentication.KeyFile,
	})
	list.addRead(l.secretFiles)
	list.add(place{key: "socket", path: c.Socket, written: true})
	return list
}
