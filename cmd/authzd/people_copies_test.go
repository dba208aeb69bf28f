package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/config"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
	"github.com/authzd/authzd/storage/postgres"
	"github.com/authzd/authzd/storage/postgres/pgtest"
)

// TestCopiesForPeople: whichever way a store is copied, and after its secret was rotated, what people hold works: the app,
// a recovery code, the passkey, the remembered device, the session, the link of a mail. A mail that waits is sent once.
// What was used up stays so.
func TestCopiesForPeople(t *testing.T) {
	t.Parallel()
	url, folder := pgtest.Database(t), t.TempDir()
	in := func(name string) string { return filepath.Join(folder, name) }
	if err := keys.NewSecretFile(in("secret"), nil); err != nil {
		t.Fatal(err)
	}
	if err := keys.NewSecretFile(in("secret2"), nil); err != nil {
		t.Fatal(err)
	}
	for name, stored := range map[string]string{
		"made": "bolt: {path: made.db, ship: {to: shipped}}", "restored": "bolt: {path: restored.db}", "shipped": "bolt: {path: from.db}",
		"moved": "postgres: {url: \"" + url + "\"}",
	} {
		text := fmt.Sprintf("issuer: http://localhost:9010\nsecret_file: secret\nstorage: {%s}\n", stored)
		if err := os.WriteFile(in(name+".yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	secret := func(names ...string) *keys.Secret {
		t.Helper()
		for i := range names {
			names[i] = in(names[i])
		}
		s, err := keys.ReadSecret(nil, names...)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	var held belongings
	t.Run("made", func(t *testing.T) {
		store := openBolt(t, in("made.db"))
		shipAll(t, in("made.yaml"), store, secret("secret"))
		held = getTogether(t, store, secret("secret"))
	})
	if t.Failed() {
		return
	}
	wake(t, in("made.db"))
	for _, command := range [][]string{
		{"check", "--config", in("made.yaml")},
		{"backup", "--config", in("made.yaml"), in("backup")}, {"check", "--config", in("made.yaml"), in("backup")},
		{"check", "--config", in("made.yaml"), in("shipped")},
		{"restore", "--config", in("restored.yaml"), in("backup")}, {"check", "--config", in("restored.yaml")},
		{"migrate", "--config", in("made.yaml"), "--to", url}, {"check", "--config", in("moved.yaml")},
		{"migrate", "--config", in("moved.yaml"), "--to", "bolt:" + in("back.db")}, {"check", in("back.db")},
		{"restore", "--config", in("shipped.yaml"), "--from", in("shipped")}, {"check", "--config", in("shipped.yaml")},
	} {
		succeed(t, command...)
	}
	wake(t, in("from.db")) // it was shipped before the other one was woken

	t.Run("restored from a backup", func(t *testing.T) { held.work(t, openBolt(t, in("restored.db")), secret("secret")) })
	t.Run("restored from what was shipped", func(t *testing.T) { held.work(t, openBolt(t, in("from.db")), secret("secret")) })
	t.Run("moved to PostgreSQL", func(t *testing.T) {
		store, err := postgres.Open(t.Context(), url, postgres.Options{MaxConnections: 4})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { store.Close() })
		held.work(t, store, secret("secret"))
	})
	t.Run("moved back to bolt", func(t *testing.T) { held.work(t, openBolt(t, in("back.db")), secret("secret")) })
	t.Run("with another secret", func(t *testing.T) {
		store := openBolt(t, in("made.db"))
		sealing, err := keys.OpenSealing(t.Context(), keys.SealingConfig{Store: store, Secret: secret("secret2", "secret")})
		if err == nil {
			err = sealing.Reseal(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		held.work(t, store, secret("secret2"))
	})
}

func openBolt(t *testing.T, path string) *bolt.Store {
	t.Helper()
	store, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

// shipAll ships the commits of a store until the test ends.
func shipAll(t *testing.T, file string, store storage.Store, secret *keys.Secret) {
	t.Helper()
	cfg, err := config.Load(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	stop, err := startShipping(t.Context(), cfg.Keeping(), store, secret, false, prometheus.NewRegistry(), slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// succeed runs a command, which must succeed.
func succeed(t *testing.T, args ...string) {
	t.Helper()
	if err := try(t, args...); err != nil {
		t.Fatal(err)
	}
}

// try runs a command. The error has what it said.
func try(t *testing.T, args ...string) error {
	t.Helper()
	var started bool
	var said bytes.Buffer
	root := newRootCommand(&started)
	root.SetOut(&said)
	root.SetErr(&said)
	root.SetArgs(args)
	if err := root.ExecuteContext(t.Context()); err != nil {
		return fmt.Errorf("authzd %v: %w\n%s", args, err, said.String())
	}
	return nil
}

// wake lets the mails that wait in a database be due now.
func wake(t *testing.T, path string) {
	t.Helper()
	store, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	waiting, err := storage.Deliveries.Scan(t.Context(), store, "", "", 10)
	if err != nil || len(waiting) != 1 || waiting[0].Value.Mail == nil {
		t.Fatalf("%d deliveries wait, %v", len(waiting), err)
	}
	_, id, _ := strings.Cut(waiting[0].Key, "/")
	if err := store.Apply(t.Context(), storage.Deliveries.Delete(waiting[0].Key, storage.Any),
		storage.Deliveries.Put(storage.DueKey(time.Now(), id), waiting[0].Value, storage.Any, time.Time{})); err != nil {
		t.Fatal(err)
	}
}
