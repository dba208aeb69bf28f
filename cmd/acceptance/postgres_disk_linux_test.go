package acceptance

import (
	"os"
	"testing"
	"time"

	"github.com/authzd/authzd/storage/postgres/pgtest"
	"github.com/authzd/authzd/storage/storagetest"
)

// A database whose disk is full takes no writes, or ends altogether. When there is room again and it
// runs, service is back, and what was promised before holds.
func TestPostgresFullDisk(t *testing.T) {
	folder := storagetest.SmallDisk(t, "size=256m")
	db := pgtest.New(t, pgtest.Options{Folder: folder, Settings: []string{"max_wal_size = 64MB", "min_wal_size = 32MB"}})
	s := startOnPostgres(t, db.Database(t))
	outages(t, s, many(1, 5), func(int) {
		filler := storagetest.FillDisk(t, folder)
		// Its log may still go on in what it has reserved; a table that grows finds the end.
		full := false
		for range 50 {
			if err := db.Exec("CREATE TABLE full_" + time.Now().Format("150405000000000") + " AS SELECT repeat('x', 1000) FROM generate_series(1, 10000)"); err != nil {
				full = true
				break
			}
		}
		if !full {
			t.Error("the disk did not get full")
		}
		<-time.After(time.Second)
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
		if !db.Running() {
			if err := db.Start(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
