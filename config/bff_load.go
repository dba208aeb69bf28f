package config

import (
	"path/filepath"
	"time"

	"github.com/authzd/authzd/authz/bearer"
	"github.com/authzd/authzd/authz/bff/provider"
	"github.com/authzd/authzd/authz/member"
)

// LoadBFF reads the configuration of a BFF as Load reads that of a server.
func LoadBFF(path string, environ []string) (*BFF, error) {
	var data []byte
	if path != "" {
		var err *Error
		if data, err = read(path, "docs/cookie-mode.md begins with one of ten lines"); err != nil {
			return nil, Errors{err}
		}
	}
	return ParseBFF(path, data, environ)
}

// ParseBFF is LoadBFF for a file that is in memory; errors call it by name.
func ParseBFF(name string, data []byte, environ []string) (*BFF, error) {
	l := &bffLoader{}
	l.document = newDocument(name, &l.cfg, variables(environ, bffEnvPrefix), bffEnvPrefix)
	if !l.fillFrom(data) {
		return nil, l.errs
	}
	l.rejectUnknownVars()
	l.complete()
	l.placeCertificates(&l.cfg.Storage.Postgres.URL)
	l.check()
	if len(l.errs) > 0 {
		return nil, l.errs.sorted(l.name)
	}
	l.warn()
	return &l.cfg, nil
}

// bffLoader gathers a configuration of a BFF and what is wrong with it.
type bffLoader struct {
	document
	cfg BFF
}

// complete gives every key that was not given its default.
func (l *bffLoader) complete() {
	c := &l.cfg
	fill(l, "listen", &c.Listen, ":9020")
	fill(l, "client_authentication.method", &c.ClientAuthentication.Method, provider.AuthPrivateKeyJWT)
	fill(l, "revocations.lost", &c.Revocations.Lost, string(bearer.GoOn))

	folder := "./bff-data"
	if c.Storage.usesBolt() {
		fill(l, "storage.bolt.path", &c.Storage.Bolt.Path, folder+"/bff.db")
		folder = filepath.Dir(c.Storage.Bolt.Path)
	}
	connections := 20
	fill(l, "storage.postgres.max_connections", &c.Storage.Postgres.MaxConnections, &connections)
	fill(l, "storage.postgres.start_timeout", &c.Storage.Postgres.StartTimeout, 30*time.Second)
	completeUpkeep(l, &c.Storage.Bolt.Ship, &c.Audit, &c.Backup)
	if !c.Storage.Sealed {
		fill(l, "admin.socket", &c.Admin.Socket, beside(folder, "admin.sock"))
	}
	fill(l, "secret_file", &c.SecretFile, PathList{beside(folder, "secret")})
	if c.ClientAuthentication.Method == provider.AuthPrivateKeyJWT {
		fill(l, "key_file", &c.KeyFile, beside(folder, "client.key"))
	}

	fill(l, "log.level", &c.Log.Level, "info")
	fill(l, "log.format", &c.Log.Format, "json")
	fill(l, "sessions.max", &c.Sessions.Max, member.Duration(168*time.Hour))
	fill(l, "sessions.idle", &c.Sessions.Idle, min(member.Duration(12*time.Hour), c.Sessions.Max))
}

// YAML writes the effective configuration with all defaults filled in and secrets masked.
func (c *BFF) YAML() ([]byte, error) { return marshal(c) }

// BFFSchema is a JSON Schema (2020-12) of bff.yaml. It knows names and forms; the rules that connect several keys are
// LoadBFF's.
func BFFSchema() ([]byte, error) {
	defaults := &bffLoader{}
	defaults.complete()
	return schemaOf(&defaults.cfg, "bff.yaml")
}

// warn notes what the configuration may have, and hardly should.
func (l *bffLoader) warn() {
	c := &l.cfg
	l.warnOfListener(&c.Warnings, c.Admin.Listen)
	l.warnOfProxies(&c.Warnings, "trusted_proxies", c.TrustedProxies)
	places := l.secretPlaces(c.TLS, c.SecretFile)
	for key, name := range map[string]string{"key_file": c.KeyFile, "client_authentication.key_file": c.ClientAuthentication.KeyFile} {
		places = append(places, place{key: key, path: name})
	}
	for _, p := range places {
		l.note(&c.Warnings, p.key, p.path, worldReadable(p.path))
	}
	if c.Storage.Sealed {
		l.note(&c.Warnings, "storage.sealed", true, problemf("keep the log, or use a store, whose audit log shows if somebody has changed it",
			"there is no audit log: the log of requests is the only record of sign-ins"))
	}
	for _, w := range c.CookieMode().Warnings() {
		l.note(&c.Warnings, w.Path, w.Value, w.Flaw)
	}
	c.Warnings = c.Warnings.sorted(l.name)
}
