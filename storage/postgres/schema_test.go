package postgres

import (
	"strings"
	"testing"

	"github.com/authzd/authzd/storage"
)

// TestEveryKindHasItsTable needs no server, so that it also fails on a machine without PostgreSQL.
func TestEveryKindHasItsTable(t *testing.T) {
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		sql, err := migrations.ReadFile("migrations/" + file.Name())
		if err != nil {
			t.Fatal(err)
		}
		all.Write(sql)
	}
	for _, table := range storage.Tables {
		for _, line := range []string{
			"CREATE TABLE " + string(table) + " (key bytea PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL, expires_at timestamptz);\n",
			"CREATE INDEX " + string(table) + "_expiry ON " + string(table) + " (expires_at) WHERE expires_at IS NOT NULL;\n",
		} {
			if !strings.Contains(all.String(), line) {
				t.Errorf("no file in migrations has: %s", line)
			}
		}
	}
}
