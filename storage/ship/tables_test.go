package ship

import (
	"bytes"
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/archive"
	"github.com/authzd/authzd/storage/bolt"
	"github.com/authzd/authzd/storage/transfer"
)

// TestEveryTableIsCarried: a kind of record that a backup, a restore or migration, shipping or a check does not
// know would be lost, or be damaged, in silence.
func TestEveryTableIsCarried(t *testing.T) {
	to := directory(t.TempDir())
	path := filepath.Join(t.TempDir(), "store.db")
	p := startPrimary(t, path, config(to, path))
	sample := func(table storage.Table) []byte {
		switch table {
		case storage.Users.Table:
			return []byte(`{"id":"sample"}`)
		case storage.Usernames.Table, storage.Emails.Table, storage.Identities.Table:
			return []byte(`{"user_id":"sample"}`)
		}
		return []byte(`{}`)
	}
	for _, table := range storage.Tables {
		if err := p.store.Apply(t.Context(), storage.Write{Table: table, Key: "sample", Value: sample(table), If: storage.Any}); err != nil {
			t.Fatal(err)
		}
		if err := storage.CheckRecord(table, storage.Record{Key: "sample", Value: []byte(`{"cut`)}); err == nil {
			t.Errorf("a damaged record of %s is sound", table)
		}
	}
	has := func(what string, except map[storage.Table]bool, export func(fn func(storage.Table, storage.Record) error) error) {
		t.Helper()
		found := map[storage.Table]bool{}
		if err := export(func(table storage.Table, rec storage.Record) error {
			found[table] = found[table] || rec.Key == "sample"
			return nil
		}); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		for _, table := range storage.Tables {
			if found[table] == except[table] {
				t.Errorf("%s: %s is there: %t", what, table, found[table])
			}
		}
	}
	// Leases of the source, and its state of being filled, are not carried elsewhere.
	own := map[storage.Table]bool{storage.Leases.Table: true, storage.Transfers.Table: true}
	var file bytes.Buffer
	if _, err := archive.Write(t.Context(), &file, archive.Checked{Exporter: p.store}, archive.Header{}, func([]byte) []byte { return make([]byte, 32) }); err != nil {
		t.Fatal(err)
	}
	has("backup", nil, func(fn func(storage.Table, storage.Record) error) error {
		r, err := archive.Open(&file)
		if err == nil {
			_, err = r.Records(fn)
		}
		return err
	})
	target, err := bolt.Open(filepath.Join(t.TempDir(), "target.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	if _, err := (transfer.Job{Target: target, Source: func(ctx context.Context, fn func(storage.Table, storage.Record) error) error {
		return p.store.Export(ctx, fn)
	}, At: time.Now(), Progress: func(string, int64, int64) {}}).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	has("restore and migrate", own, func(fn func(storage.Table, storage.Record) error) error { return target.Export(t.Context(), fn) })
	p.waitShipped()
	p.stop()
	copied, _, err := restore(t, to, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for what, path := range map[string]string{"check": path, "shipped": copied} {
		checker := storage.NewChecker()
		has(what, nil, func(fn func(storage.Table, storage.Record) error) error {
			return bolt.Check(t.Context(), path, func(err error) { t.Error(err) }, func(table storage.Table, rec storage.Record) error {
				if err := checker.Check(table, rec); err != nil {
					return err
				}
				return fn(table, rec)
			})
		})
	}
}

// TestCheckDestination: what is sound is, and a damaged object is told, wherever it is.
func TestCheckDestination(t *testing.T) {
	whole, _, _ := threeGenerations(t)
	check := func(to directory) (all []Checked, problems []error) {
		t.Helper()
		all, err := Check(t.Context(), CheckConfig{From: to, Secret: testSecret, Folder: t.TempDir(),
			Found: func(err error) { problems = append(problems, err) },
			Records: func() func(storage.Table, storage.Record) error {
				return func(storage.Table, storage.Record) error { return nil }
			}})
		if err != nil {
			t.Fatal(err)
		}
		return all, problems
	}
	if all, problems := check(whole); len(all) != 3 || len(problems) > 0 {
		t.Errorf("%+v, %v", all, problems)
	}
	for _, name := range []string{partName(2, 1), segmentName(1, 1), manifestName(2), claimName(3), epochName(1)} {
		to := copyOf(t, whole)
		if err := flip(file(to, name)); err != nil {
			t.Fatal(err)
		}
		if _, problems := check(to); len(problems) == 0 {
			t.Errorf("%s is damaged, and all is sound", name)
		}
	}
}
