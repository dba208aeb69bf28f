package config

import (
	"slices"
	"strings"
	"testing"
)

// TestDatabaseURLs are those that are taken: of this machine, or of one that says what it wants.
func TestDatabaseURLs(t *testing.T) {
	for _, url := range []string{
		"postgres://localhost/d", "postgresql://u:p@127.0.0.1:5433/d", "postgres:///d?host=/run/postgresql",
		"postgres://u:p@db/d?sslmode=disable", "postgres://u:p@db/d?sslmode=require",
		"postgres://u:p@a:1,b:2/d?sslmode=verify-full&target_session_attrs=read-write",
	} {
		c, err := Parse("f", []byte("issuer: https://id.example.com\nstorage: {postgres: {url: \""+url+"\"}}"), nil)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if c.Storage.Bolt.Path != "" || !slices.Equal(c.SecretFile, PathList{"./authzd-data/secret"}) {
			t.Errorf("%s: bolt path %q, secret %q", url, c.Storage.Bolt.Path, c.SecretFile)
		}
	}
}

func TestDatabaseURLIsNotTold(t *testing.T) {
	for _, url := range []string{
		"postgres://u:hunter2%zz@h/d", "postgres://u:hunter2@h:port/d", "postgres://u:hunter2 x@h/d", "hunter2",
		"postgres://u:hunter2@h/d?sslmode=foo", "postgres://u:hunter2@h/d", "postgres://h/d?password=hunter2%zz", "postgres://[::1/hunter2",
	} {
		for _, line := range errorsOf(t, "issuer: https://id.example.com\nstorage: {postgres: {url: \""+url+"\"}}") {
			if strings.Contains(line, "hunter2") {
				t.Errorf("%s: %s", url, line)
			}
		}
	}
}

// TestDevWithDatabase: the demo brings its own store only where none is named.
func TestDevWithDatabase(t *testing.T) {
	c, err := LoadDev("", t.TempDir(), []string{"AUTHZD_STORAGE_POSTGRES_URL=postgres://localhost/d"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Storage.Bolt.Path != "" || c.Storage.Postgres.URL != "postgres://localhost/d" {
		t.Errorf("storage is %+v", c.Storage)
	}
}
