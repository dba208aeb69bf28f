package config

import (
	"time"
)

func (l *loader) checkStorage() {
	s := &l.cfg.Storage
	if s.Postgres.URL == "" || l.given("storage.bolt.path") {
		l.report("storage.bolt.path", s.Bolt.Path, checkNotFolder(s.Bolt.Path))
	}
	l.checkShip(&s.Bolt.Ship)
	l.checkPostgres(s.Postgres)
	if s.Postgres.URL == "" {
		return
	}
	if l.given("storage.bolt.ship.to") {
		l.report("storage.bolt.ship", nil, problemf("let PostgreSQL archive its WAL, or stream to a standby of its own; backup works for it too", "given beside storage.postgres"))
	}
	if l.given("storage.bolt.path") {
		l.report("storage.postgres", nil, problemf("remove one of the two; \"authzd migrate --to\" moves what is in bolt", "given beside storage.bolt.path"))
	}
}

func (d *document) checkPostgres(p Postgres) {
	d.checkTime("storage.postgres.start_timeout", p.StartTimeout, 0, time.Hour)
	if n := *p.MaxConnections; n < 2 || n > 10_000 {
		d.report("storage.postgres.max_connections", n, problemf("20 is enough for thousands of requests a second", "not between 2 and 10000"))
	}
	if p.URL != "" {
		d.report("storage.postgres.url", nil, checkDatabaseURL(string(p.URL)))
	}
}
