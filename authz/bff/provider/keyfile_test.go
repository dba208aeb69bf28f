package provider_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authzd/authzd/authz/bff/provider"
)

// kids are the ids of the keys in a JWKS, which has nothing private.
func kids(t *testing.T, jwks []byte) (ids []string) {
	t.Helper()
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal(jwks, &set); err != nil {
		t.Fatal(err)
	}
	for _, key := range set.Keys {
		if key["d"] != "" {
			t.Fatal("a private key is published")
		}
		ids = append(ids, key["kid"])
	}
	return ids
}

// TestKeyRotation: a new key is published before it signs, signs at its time in every process, and the older one is
// published for a while longer. No process is restarted.
func TestKeyRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "client.key")
	synctest.Test(t, func(t *testing.T) {
		key, err := provider.OpenKey(path)
		if err != nil {
			t.Fatal(err)
		}
		first, from := key.Newest()
		if !from.IsZero() {
			t.Errorf("the first key signs from %s", from)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		news := 0
		go key.Follow(ctx, func(err error) {
			if news++; err != nil {
				t.Error(err)
			}
		})
		second, err := provider.RotateKeyFile(path, time.Now().Add(24*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := provider.RotateKeyFile(path, time.Now().Add(time.Hour)); !errors.Is(err, provider.ErrRotating) {
			t.Errorf("a second rotation at once: %v", err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
		for _, step := range []struct {
			after     time.Duration
			published []string
			signs     string
		}{
			{0, []string{first}, first},
			{time.Minute, []string{first, second}, first},
			{23 * time.Hour, []string{first, second}, first},
			{time.Hour, []string{first, second}, second},
			{2 * time.Hour, []string{second}, second},
		} {
			time.Sleep(step.after)
			synctest.Wait()
			if got := kids(t, key.JWKS()); len(got) != len(step.published) || got[0] != step.published[0] || got[len(got)-1] != step.published[len(got)-1] {
				t.Errorf("%s later: %v are published, want %v", step.after, got, step.published)
			}
			if got := provider.SigningKey(key); got != step.signs {
				t.Errorf("%s later: %s signs, want %s", step.after, got, step.signs)
			}
		}
		if news != 1 {
			t.Errorf("%d changes were noticed", news)
		}
		// A process that starts now has the same, and the next rotation forgets the first key.
		if again, err := provider.OpenKey(path); err != nil || provider.SigningKey(again) != second {
			t.Errorf("%v", err)
		}
		if _, err := provider.RotateKeyFile(path, time.Now()); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if n := bytes.Count(text, []byte("BEGIN PRIVATE KEY")); err != nil || n != 2 {
			t.Errorf("%d keys are in the file, %v", n, err)
		}
	})
}

// TestUnusableKeyFile: a file that is replaced by nonsense changes nothing in a process that runs, is reported once, and
// is neither rotated nor quoted.
func TestUnusableKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "client.key")
	synctest.Test(t, func(t *testing.T) {
		key, err := provider.OpenKey(path)
		if err != nil {
			t.Fatal(err)
		}
		first, _ := key.Newest()
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var said []error
		go key.Follow(ctx, func(err error) { said = append(said, err) })
		for name, text := range map[string]string{
			"empty": "", "no PEM": "hunter2", "another block": "-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n",
			"a time that is none": string(bytes.Replace(good, []byte("KEY-----\n"), []byte("KEY-----\nSign-From: hunter2\n\n"), 1)),
			"too many":            string(bytes.Repeat(good, 9)),
		} {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := provider.OpenKey(path); err == nil || bytes.Contains([]byte(err.Error()), []byte("hunter2")) {
				t.Errorf("%s: %v", name, err)
			}
			if _, err := provider.RotateKeyFile(path, time.Now()); err == nil {
				t.Errorf("%s: rotated", name)
			}
			time.Sleep(5 * time.Minute)
			synctest.Wait()
		}
		if now, _ := key.Newest(); now != first || len(said) != 1 || said[0] == nil {
			t.Errorf("it is %s now, was %s; %v", now, first, said)
		}
	})
}

// TestKeyIsRotatedByAge: each key signs for the time that the operator wants, and is followed by another without a gap.
func TestKeyIsRotatedByAge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "client.key")
	synctest.Test(t, func(t *testing.T) {
		key, err := provider.OpenKey(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Now(), time.Now()); err != nil { // files have the time of the machine
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go key.RotateEvery(ctx, 30*24*time.Hour, func(err error) { t.Error(err) })
		signed := map[string]int{}
		for day := range 100 {
			time.Sleep(24 * time.Hour)
			synctest.Wait()
			now, err := provider.OpenKey(path) // Follow would read it 2,880 times a day
			if err != nil {
				t.Fatal(err)
			}
			signed[provider.SigningKey(now)]++
			if published := kids(t, now.JWKS()); len(published) > 2 {
				t.Errorf("day %d: %v are published", day, published)
			}
		}
		if len(signed) != 4 { // 30 days each
			t.Errorf("in 100 days, so many days each: %v", signed)
		}
	})
}
