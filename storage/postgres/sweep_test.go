package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/postgres/pgtest"
)

// TestSweep removes what has expired, in more than one batch, and neither what lives nor what somebody
// else holds, for whom it does not wait.
func TestSweep(t *testing.T) {
	url := pgtest.Database(t)
	s, err := open(t.Context(), url, Options{Logger: slog.New(slog.DiscardHandler)}) // without a sweeper
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var writes []storage.Write
	for i := range sweepBatch + 10 {
		writes = append(writes, storage.Write{Table: storage.Codes.Table, Key: fmt.Sprint("old ", i), Value: []byte("v"), Expires: time.Unix(int64(i), 0)})
	}
	live := storage.Write{Table: storage.Codes.Table, Key: "live", Value: []byte("v"), Expires: time.Now().Add(time.Hour)}
	if err := s.Apply(t.Context(), append(writes, live)...); err != nil {
		t.Fatal(err)
	}
	count := func() (rows int) {
		if err := s.read(t.Context(), func(ctx context.Context, conn *pgx.Conn) error {
			return conn.QueryRow(ctx, "SELECT count(*) FROM codes").Scan(&rows)
		}); err != nil {
			t.Fatal(err)
		}
		return rows
	}

	other, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(context.Background())
	if _, err := other.Exec(t.Context(), "BEGIN; SELECT * FROM codes WHERE key = 'old 3' FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	s.sweepTable(storage.Codes.Table)
	if rows := count(); rows != 2 {
		t.Errorf("%d rows are left, want the live one and the one that is locked", rows)
	}
	if _, err := other.Exec(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	s.sweepTable(storage.Codes.Table)
	if rows := count(); rows != 1 || s.Stats().Swept != sweepBatch+10 {
		t.Errorf("%d rows are left, %d were swept", rows, s.Stats().Swept)
	}
	if _, err := s.Get(t.Context(), live.Table, live.Key); err != nil {
		t.Error(err)
	}
}
