package websession_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// sickStore fails the next writes of a session. late: it has made them all the same.
type sickStore struct {
	storage.Store
	fails atomic.Int64
	late  bool
}

func (s *sickStore) Apply(ctx context.Context, writes ...storage.Write) error {
	if writes[0].Table != storage.BFFSessions.Table || s.fails.Add(-1) < 0 {
		return s.Store.Apply(ctx, writes...)
	}
	if s.late {
		_ = s.Store.Apply(ctx, writes...)
	}
	return storage.ErrUnavailable
}

// TestNewTokensAreStoredAgain: the store fails right after a refresh. The new tokens are stored once it is back, and the
// lease is free, whether it came back in time or not. So nobody is signed out because the old refresh token was used.
func TestNewTokensAreStoredAgain(t *testing.T) {
	for name, test := range map[string]struct {
		fails int64
		late  bool
		want  bool
	}{
		"for a moment": {3, false, true},
		"unknown fate": {1, true, true},
		"for ever":     {1 << 30, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				inner, err := bolt.Open(filepath.Join(t.TempDir(), "bff.db"), bolt.Options{SweepEvery: 1000 * time.Hour})
				if err != nil {
					t.Fatal(err)
				}
				defer inner.Close()
				p := &tokenEndpoint{rotate: true}
				store := &sickStore{Store: inner, late: test.late}
				s := replicas(t, p, [2]storage.Store{store, inner})
				session, r := start(t, s[0], p.signIn("alice"))
				store.fails.Store(test.fails)
				began := time.Now()
				token, err := s[0].AccessToken(t.Context(), session, "second", "")
				took := time.Since(began)
				if _, err := inner.Get(t.Context(), storage.Leases.Table, "bff_refresh/"+session.ID); !errors.Is(err, storage.ErrNotFound) {
					t.Errorf("the lease is held: %v", err)
				}
				if !test.want {
					if !errors.As(err, new(*websession.UnavailableError)) || took > 40*time.Second {
						t.Errorf("after %s: %v", took, err)
					}
					return
				}
				if err != nil || token != "access token 1 for second" || took > 2*time.Second {
					t.Errorf("after %s: %q, %v", took, token, err)
				}
				if _, err := s[1].AccessToken(t.Context(), session, "third", ""); err != nil {
					t.Errorf("the next refresh: %v", err)
				}
				if _, err := s[1].Find(r); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
