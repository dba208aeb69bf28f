package config

import (
	"strings"
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
	l.checkAudit(c.Audit)
	l.checkBackup(&c.Backup)
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
	for key, socket := range map[string]string{"socket": c.Socket, "admin.socket": c.Admin.Socket} {
		if socket != "" {
			l.checkSocketLength(key, socket)
			l.report(key, socket, checkSocket(socket))
		}
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
	l.checkShip(&s.Bolt.Ship)
	bolt := l.given("storage.bolt.path")
	if s.usesBolt() || bolt {
		l.report("storage.bolt.path", s.Bolt.Path, checkNotFolder(s.Bolt.Path))
	}
	const hint = `remove one of the two; "authzd bff migrate --to" moves what is in bolt`
	switch {
	case s.Postgres.URL != "" && bolt:
		l.report("storage.postgres", nil, problemf(hint, "given beside storage.bolt.path"))
	case s.Postgres.URL != "" && l.given("storage.bolt.ship.to"):
		l.report("storage.bolt.ship", nil, problemf("let PostgreSQL archive its WAL, or stream to a standby of its own; backup works for it too", "given beside storage.postgres"))
	}
	if !s.Sealed {
		return
	}
	for _, key := range []string{"storage.bolt.path", "storage.bolt.ship.to", "storage.postgres.url", "backup.dir", "admin.socket"} {
		if l.given(key) {
			l.report("storage.sealed", nil, problemf("remove one of the two; with sealed, nothing is stored here", "given beside %s", strings.TrimSuffix(key, ".url")))
			return
		}
	}
}

// places are the paths of the configuration that a BFF makes or changes, and those beside them.
func (l *bffLoader) places() []place {
	c := &l.cfg
	var list placeList
	list.addFile(l.name)
	if c.Storage.usesBolt() {
		list.addBolt(c.Storage.Bolt.Path)
	}
	list.addSecrets(c.SecretFile)
	list.add(place{key: "key_file", path: c.KeyFile, written: true})
	list.addRead(map[string]string{
		"tls.cert_file": c.TLS.CertFile, "tls.key_file": c.TLS.KeyFile, "outbound.ca_file": c.Outbound.CAFile,
		"client_authentication.cert_file": c.ClientAuthentication.CertFile, "client_authentication.key_file": c.ClientAuthentication.KeyFile,
	})
	list.addRead(l.secretFiles)
	engine := c.Storage.Engine()
	list.addUpkeep(&engine, &c.Backup)
	list.add(place{key: "admin.socket", path: c.Admin.Socket, written: true})
	list.add(place{key: "socket", path: c.Socket, written: true})
	return list
}
