package acceptance

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/bearer"
	"github.com/authzd/authzd/storage/postgres/pgtest"
)

// longTokens lets an access token of a server whose clock is an hour behind be good.
const longTokens = "lifetimes: {access_token: 2h}"

// A store that was put back, promoted or moved begins an epoch of the revocation feed. The server may have forgotten
// ends. An API that follows the feed has forgotten none, and hears of new ones.
func TestFollowerOutlivesStore(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		skew   time.Duration                                         // of the first server's clock
		save   func(t *testing.T, s *server)                         // before the ends
		back   func(t *testing.T, s *server, dir string) *server     // after the ends
		forgot bool                                                  // the server honours what has ended
		config func(t *testing.T, dir string) (storage, more string) // nil: bolt
	}{
		"restored": {save: backUp, back: restoreBackup, forgot: true},
		"restored, of an hour ago": {
			skew: -time.Hour, save: backUp, back: restoreBackup, forgot: true,
		},
		"shipped": {
			config: shipping,
			save:   func(t *testing.T, s *server) { waitForSegments(t, filepath.Join(s.dir, "shipped"), 2) },
			back: func(t *testing.T, s *server, dir string) *server {
				if err := s.kill(); err != nil {
					t.Fatal(err)
				}
				other, _ := restoreShipped(t, s, filepath.Join(dir, "shipped"))
				s.proc = nil
				t.Cleanup(func() { other.finish(t) })
				return other
			},
		},
		"promoted": {config: shipping, save: func(*testing.T, *server) {}, back: promoteStandby},
		"migrated": {save: func(*testing.T, *server) {}, back: moveToPostgres},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := shortDir(t)
			storage, more := boltIn(dir), ""
			if test.config != nil {
				storage, more = test.config(t, dir)
			}
			s := startServerOn(t, storage, dir, "", "", more+longTokens)
			if test.skew != 0 {
				restartAt(t, s, test.skew)
			}
			api := newFollowingAPI(t, s.issuer)
			before, after, kept := mustSignIn(t, s), mustSignIn(t, s), mustSignIn(t, s)
			revoke(t, s, before)
			api.until(t, before)
			test.save(t, s)
			revoke(t, s, after)
			api.until(t, after)
			was := epochOf(t, s)

			s = test.back(t, s, dir)
			if epoch := epochOf(t, s); epoch == was {
				t.Errorf("the epoch is still %s", epoch)
			}
			if status := userinfo(t, s, after.AccessToken); test.forgot && status != http.StatusOK {
				t.Errorf("the server remembers what ended after the backup: status %d", status)
			}
			next := mustSignIn(t, s)
			revoke(t, s, next)
			api.until(t, next)
			for when, token := range map[string]answer{"before": before, "after": after, "later": next} {
				if !api.refuses(t, token) {
					t.Errorf("a token that ended %s the store was saved counts again", when)
				}
			}
			if api.refuses(t, kept) {
				t.Error("a token that did not end is refused")
			}
		})
	}
}

// shipping is a configuration whose store is shipped.
func shipping(_ *testing.T, dir string) (storage, more string) {
	return shippedIn(dir, dir), "secret_file: " + dir + "/secret\n"
}

// shippedIn is a store in one folder that is shipped into another.
func shippedIn(dir, to string) string {
	return "bolt: {path: " + dir + "/authzd.db, ship: {to: " + to + "/shipped}}"
}

// promoteStandby lets a standby take over from a server that is killed.
func promoteStandby(t *testing.T, s *server, dir string) *server {
	t.Helper()
	other := &server{issuer: s.issuer, addr: s.addr, dir: shortDir(t)}
	text := fmt.Sprintf(configuration, s.addr, shippedIn(other.dir, dir), longTokens+"\nsecret_file: "+dir+"/secret", "", "")
	if err := os.WriteFile(other.configFile(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	standby := exec.Command(path, "standby", "--config", other.configFile())
	standby.Dir = other.dir
	if other.proc, err = startProcess(standby, other.logFile(), s.issuer+"/readyz"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.finish(t) })
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	for _, err := os.Stat(other.dir + "/authzd.db"); err != nil; _, err = os.Stat(other.dir + "/authzd.db") {
		if wait(ctx, 20*time.Millisecond); ctx.Err() != nil {
			t.Fatalf("the standby has no copy\n%s", other.log(t))
		}
	}
	if err := s.kill(); err != nil {
		t.Fatal(err)
	}
	s.proc = nil
	promote := exec.Command(path, "promote", "--config", other.configFile())
	promote.Dir = other.dir
	if out, err := promote.CombinedOutput(); err != nil {
		t.Fatalf("promote: %v\n%s\n%s", err, out, other.log(t))
	}
	if err := other.waitReady(ctx); err != nil {
		t.Fatalf("%v\n%s", err, other.log(t))
	}
	return other
}

// restartAt starts a server again, with a clock that is ahead.
func restartAt(t *testing.T, s *server, skew time.Duration) {
	t.Helper()
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	s.skew = skew
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
}

func backUp(t *testing.T, s *server) { authzd(t, s, "backup", "saved") }

// restoreBackup puts the store of a server back, and its clock right.
func restoreBackup(t *testing.T, s *server, _ string) *server {
	t.Helper()
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	authzd(t, s, "restore", "--replace", "saved")
	s.skew = 0
	if err := s.start(); err != nil {
		t.Fatalf("%v\n%s", err, s.log(t))
	}
	return s
}

// moveToPostgres moves the store of a server, and starts it there.
func moveToPostgres(t *testing.T, s *server, _ string) *server {
	t.Helper()
	database := pgtest.Database(t)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(path, "migrate", "--config", s.configFile(), "--to", database).CombinedOutput(); err != nil {
		t.Fatalf("migrate: %v\n%s", err, out)
	}
	text := fmt.Sprintf(configuration, s.addr, `postgres: {url: "`+database+`"}`, longTokens+"\nsecret_file: "+s.dir+"/secret", "", "")
	if err := os.WriteFile(s.configFile(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.start(); err != nil {
		t.Fatalf("%v\n%s", err, s.log(t))
	}
	return s
}

// revoke ends the grant of some tokens.
func revoke(t *testing.T, s *server, tokens answer) {
	t.Helper()
	resp, err := tokenClient.PostForm(s.issuer+"/revoke", url.Values{"client_id": {"spa"}, "token": {tokens.RefreshToken}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("revocation: status %d", resp.StatusCode)
	}
}

// epochOf is that of the revocation feed now.
func epochOf(t *testing.T, s *server) string {
	t.Helper()
	resp, err := http.Get(s.issuer + "/revocations")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	compact, err := io.ReadAll(resp.Body)
	parts := strings.Split(string(compact), ".")
	if err != nil || len(parts) != 3 {
		t.Fatalf("%d, %v: %.200s", resp.StatusCode, err, compact)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	var document struct{ Epoch string }
	if err = errors.Join(err, json.Unmarshal(payload, &document)); err != nil || document.Epoch == "" {
		t.Fatalf("%v: %s", err, payload)
	}
	return document.Epoch
}

// followingAPI checks tokens as an API does that asks nobody, and follows the feed.
type followingAPI struct{ verifier *bearer.Verifier }

func newFollowingAPI(t *testing.T, issuer string) followingAPI {
	t.Helper()
	logger := slog.New(slog.NewTextHandler(t.Output(), nil))
	f, err := bearer.NewFollower(bearer.FollowerConfig{Issuer: issuer, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = f.Run(t.Context())
		close(ended)
	}()
	t.Cleanup(func() { <-ended })
	v, err := bearer.New(bearer.Config{Issuer: issuer, Audience: apiResource, Revocations: f, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	return followingAPI{v}
}

// refuses reports whether a token has been revoked, as far as the API knows.
func (api followingAPI) refuses(t *testing.T, tokens answer) bool {
	t.Helper()
	_, err := api.verifier.Verify(t.Context(), tokens.AccessToken)
	if err != nil && !strings.Contains(err.Error(), "revoked") {
		t.Fatal(err)
	}
	return err != nil
}

// until waits until a token is refused. A follower whose server was away asks again within its longest pause.
func (api followingAPI) until(t *testing.T, tokens answer) {
	t.Helper()
	for began := time.Now(); !api.refuses(t, tokens); {
		if time.Since(began) > 5*time.Minute {
			t.Fatal("the API does not hear of the end")
		}
		wait(t.Context(), 10*time.Millisecond)
	}
}
