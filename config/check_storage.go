package config

import (
	"crypto/tls"
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

func (l *loader) checkStorage() {
	s := &l.cfg.Storage
	if s.Postgres.URL == "" {
		l.report("storage.bolt.path", s.Bolt.Path, checkNotFolder(s.Bolt.Path))
		l.checkShip()
		return
	}
	if l.given("storage.bolt.ship.to") {
		l.report("storage.bolt.ship", nil, problemf("let PostgreSQL archive its WAL, or stream to a standby of its own; backup works for it too", "given beside storage.postgres"))
	}
	if l.given("storage.bolt.path") {
		l.report("storage.postgres", nil, problemf("remove one of the two; \"authzd migrate --to\" moves what is in bolt", "given beside storage.bolt.path"))
	}
	l.report("storage.postgres.url", nil, checkDatabaseURL(string(s.Postgres.URL)))
	l.checkTime("storage.postgres.start_timeout", s.Postgres.StartTimeout, 0, time.Hour)
	if n := *s.Postgres.MaxConnections; n < 2 || n > 10_000 {
		l.report("storage.postgres.max_connections", n, problemf("20 is enough for thousands of requests a second", "not between 2 and 10000"))
	}
}

// checkDatabaseURL reads the URL as the driver does. It tells no part of it, because of the password.
func checkDatabaseURL(url string) *problem {
	if !strings.HasPrefix(url, "postgres://") && !strings.HasPrefix(url, "postgresql://") {
		return problemf("write postgres://role:password@host/database?sslmode=verify-full", "not the URL of a PostgreSQL database")
	}
	c, err := pgconn.ParseConfig(url)
	if err != nil {
		// The driver's text repeats the URL, without the password that it could find.
		reason := "not a URL that PostgreSQL's programs would take"
		if cause := errors.Unwrap(err); cause != nil {
			reason = cause.Error()
		}
		return &problem{reason: reason, hint: "escape special characters of role and password: @ is %40, / is %2F"}
	}
	if c.Database == "" {
		return problemf("add it: postgres://role:password@host/database", "no database is named")
	}
	// Modes prefer (which is the default) and allow try both, and an attacker chooses.
	with, without := false, false
	note := func(host string, t *tls.Config) {
		if !isLocal(host) {
			with, without = with || t != nil, without || t == nil
		}
	}
	note(c.Host, c.TLSConfig)
	for _, f := range c.Fallbacks {
		note(f.Host, f.TLSConfig)
	}
	if with && without {
		return problemf("add sslmode=verify-full to it, or sslmode=disable if nobody else can reach that network", "the connection would be encrypted only if the server, or whoever is between, wants it")
	}
	return nil
}

// isLocal tells whether a host is this machine: a loopback address or the folder of a socket.
func isLocal(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") || err == nil && addr.IsLoopback()
}
