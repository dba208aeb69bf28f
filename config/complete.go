package config

import (
	"path/filepath"
	"slices"
	"time"

	"github.com/authzd/authzd/authz/member"
)

// complete gives every key that was not given its default. All defaults stand here.
func (l *loader) complete() {
	c := &l.cfg
	fill(l, "listen", &c.Listen, ":9010")

	folder := "./authzd-data"
	if c.Storage.Postgres.URL == "" {
		fill(l, "storage.bolt.path", &c.Storage.Bolt.Path, folder+"/authzd.db")
		folder = filepath.Dir(c.Storage.Bolt.Path)
	}
	connections := 20
	fill(l, "storage.postgres.max_connections", &c.Storage.Postgres.MaxConnections, &connections)
	fill(l, "storage.postgres.start_timeout", &c.Storage.Postgres.StartTimeout, 30*time.Second)
	completeUpkeep(l, &c.Storage.Bolt.Ship, &c.Audit, &c.Backup)
	fill(l, "secret_file", &c.SecretFile, PathList{beside(folder, "secret")})
	fill(l, "admin.socket", &c.Admin.Socket, beside(folder, "admin.sock"))

	fill(l, "log.level", &c.Log.Level, "info")
	fill(l, "log.format", &c.Log.Format, "json")

	t := &c.Lifetimes
	fill(l, "lifetimes.access_token", &t.AccessToken, 15*time.Minute)
	fill(l, "lifetimes.id_token", &t.IDToken, time.Hour)
	fill(l, "lifetimes.code", &t.Code, time.Minute)
	fill(l, "lifetimes.par", &t.PAR, 90*time.Second)
	fill(l, "lifetimes.device_code", &t.DeviceCode, 10*time.Minute)
	fill(l, "lifetimes.refresh_token", &t.RefreshToken, 720*time.Hour)
	fill(l, "lifetimes.refresh_idle", &t.RefreshIdle, min(168*time.Hour, t.RefreshToken))
	fill(l, "lifetimes.refresh_grace", &t.RefreshGrace, time.Minute)

	s := &c.Sessions
	fill(l, "sessions.max", &s.Max, 168*time.Hour)
	fill(l, "sessions.idle", &s.Idle, min(12*time.Hour, s.Max))
	fill(l, "sessions.remember_me", &s.RememberMe, 720*time.Hour)
	fill(l, "sessions.activity", &s.Activity, "refresh")

	fill(l, "revocations.access", &c.Revocations.Access, "public")

	fill(l, "signing.alg", &c.Signing.Alg, "RS256")
	fill(l, "signing.rotate_every", &c.Signing.RotateEvery, 2160*time.Hour)
	fill(l, "signing.announce", &c.Signing.Announce, min(24*time.Hour, c.Signing.RotateEvery/2))

	fill(l, "cors.allowed_headers", &c.CORS.AllowedHeaders, []string{"traceparent", "tracestate"})
	l.completeRegistration(&c.Registration)
	l.completeAccounts(&c.Accounts)
	l.completeMail(&c.Mail)
	fill(l, "branding.name", &c.Branding.Name, "authzd")

	l.addAdminResource()
	for i := range c.Resources {
		l.completeResource(&c.Resources[i], element("resources", i))
	}
	server := l.clientServer()
	for i := range c.Clients {
		l.description(i).Complete(server)
	}
	for i := range c.TrustedIssuers {
		at := element("trusted_issuers", i)
		fill(l, at+".subject", &c.TrustedIssuers[i].Subject, "identity")
		fill(l, at+".max_lifetime", &c.TrustedIssuers[i].MaxLifetime, 5*time.Minute)
	}
	for i := range c.Connectors {
		l.completeConnector(&c.Connectors[i], element("connectors", i))
	}
}

// completeUpkeep is for what looks after a store.
func completeUpkeep(l given, ship *Ship, audit *Audit, backup *Backup) {
	spool, backups := 1024, 14
	fill(l, "storage.bolt.ship.every", &ship.Every, time.Second)
	fill(l, "storage.bolt.ship.snapshot_every", &ship.SnapshotEvery, 24*time.Hour)
	fill(l, "storage.bolt.ship.keep", &ship.Keep, 168*time.Hour)
	fill(l, "storage.bolt.ship.spool_mib", &ship.SpoolMiB, &spool)
	fill(l, "storage.bolt.ship.s3.region", &ship.S3.Region, "us-east-1")
	fill(l, "audit.keep", &audit.Keep, 8760*time.Hour)
	fill(l, "backup.every", &backup.Every, 24*time.Hour)
	fill(l, "backup.keep", &backup.Keep, &backups)
}

// beside is a file in the folder of the database.
func beside(folder, name string) string {
	path := filepath.Join(folder, name)
	if filepath.IsAbs(path) {
		return path
	}
	return "./" + path
}

// given knows which keys a file or a variable has set.
type given interface{ given(path string) bool }

// fill sets *v unless its key was given.
func fill[T any](d given, path string, v *T, value T) {
	if !d.given(path) {
		*v = value
	}
}

func (l *loader) completeRegistration(r *Registration) {
	fill(l, "registration.mode", &r.Mode, "off")
	r.Resources = l.clientServer().NameResources(r.Resources)
	scope := member.Scopes{"openid", "profile", "email", "address", "phone", "offline_access"}
	for _, resource := range l.cfg.Resources {
		if slices.Contains(r.Resources, resource.Resource) {
			scope = append(scope, slices.DeleteFunc(slices.Clone(resource.Scopes), isOurs)...)
		}
	}
	fill(l, "registration.scope", &r.Scope, scope)
	fill(l, "registration.unused_after", &r.UnusedAfter, 720*time.Hour)
	hourly, clients := 30, 10_000
	fill(l, "registration.per_address_per_hour", &r.PerAddressPerHour, &hourly)
	fill(l, "registration.max_clients", &r.MaxClients, &clients)
}

func (l *loader) completeResource(r *Resource, path string) {
	fill(l, path+".name", &r.Name, r.Resource)
	fill(l, path+".token_type", &r.TokenType, "at+jwt")
	fill(l, path+".alg", &r.Alg, l.cfg.Signing.Alg)
	for i := range r.AuthorizationDetailsTypes {
		t := &r.AuthorizationDetailsTypes[i]
		fill(l, element(path+".authorization_details_types", i)+".name", &t.Name, t.Type)
	}
}

// addAdminResource declares the API that clients need to administer the server at admin.listen.
func (l *loader) addAdminResource() {
	c := &l.cfg
	declared := slices.ContainsFunc(c.Resources, func(r Resource) bool { return r.Resource == c.AdminResource() })
	if c.Admin.Listen == "" || c.Issuer == "" || declared {
		return
	}
	l.origins[element("resources", len(c.Resources))+".resource"] = origin{}
	c.Resources = append(c.Resources, Resource{Resource: c.AdminResource(), Name: "authzd: administration", Scopes: []string{AdminScope}})
}

const googleIssuer = "https://accounts.google.com"

func (l *loader) completeConnector(c *Connector, path string) {
	name := c.ID
	if c.Type == "google" {
		name = "Google"
		fill(l, path+".issuer", &c.Issuer, googleIssuer)
	}
	fill(l, path+".name", &c.Name, name)
	fill(l, path+".scopes", &c.Scopes, []string{"openid", "profile", "email"})
	if !slices.Contains(c.Scopes, "openid") {
		c.Scopes = append([]string{"openid"}, c.Scopes...)
	}
}
