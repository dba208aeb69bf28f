package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
	"github.com/authzd/authzd/storage/postgres"
)

// fill puts grants into an empty store, and returns refresh tokens of some of them. Each grant has a user and
// a refresh token; every second one is offline, the others have a session. The records of a batch are in the
// order of their keys, because millions of random inserts would take days; the keys are spread like random
// ones. One refresh token more for each hundred has expired, for the sweeper.
type fill struct {
	grants  int
	account account
	now     time.Time
}

const (
	fillBatch  = 100    // grants of one Apply
	maxSamples = 50_000 // refresh tokens that are kept
	expiredOf  = 100    // grants to one expired refresh token
)

// openStore opens the store of a server that does not run.
func openStore(ctx context.Context, path, url string) (storage.Store, error) {
	if url != "" {
		return postgres.Open(ctx, url, postgres.Options{SweepEvery: time.Hour})
	}
	return bolt.Open(path, bolt.Options{SweepEvery: time.Hour})
}

// into fills a store. tokens are a sample, spread evenly.
func (f fill) into(ctx context.Context, store storage.Store) (tokens []string, err error) {
	group, ctx := errgroup.WithContext(ctx)
	batches := make(chan []storage.Write, 8)
	for range 4 {
		group.Go(func() error {
			for writes := range batches {
				err := store.Apply(ctx, writes...)
				for errors.Is(err, storage.ErrUnavailable) && ctx.Err() == nil { // a checkpoint may take some time
					err = store.Apply(ctx, writes...)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	group.Go(func() error {
		defer close(batches)
		terminal := term.IsTerminal(int(os.Stderr.Fd()))
		var writes []storage.Write
		for i := range f.grants {
			token, records := f.grant(i)
			if token != "" {
				tokens = append(tokens, token)
			}
			writes = append(writes, records...)
			if (i+1)%fillBatch > 0 && i+1 < f.grants {
				continue
			}
			select {
			case batches <- writes:
			case <-ctx.Done():
				return ctx.Err()
			}
			if writes = nil; terminal && i%(500*fillBatch) == 0 {
				fmt.Fprintf(os.Stderr, "\r%d of %d grants ", i, f.grants)
			}
		}
		return nil
	})
	return tokens, group.Wait()
}

// grant returns the records of one grant, as authz writes them, and its refresh token if it is in the sample.
func (f fill) grant(i int) (token string, writes []storage.Write) {
	userID := fmt.Sprintf("0190%04x-%04x-7abc-9def-%012x", i>>16, i&0xffff, i)
	username := fmt.Sprintf("user-%08d", i)
	grantID, offline := f.spread(i, 16), i%2 == 0
	never, month, week := time.Time{}, f.now.Add(30*24*time.Hour), f.now.Add(7*24*time.Hour)
	grant := &storage.Grant{
		Authorization: storage.Authorization{
			ClientID: f.account.client, UserID: userID, Scopes: []string{"offline_access", "orders.read"},
			Resources: []string{"https://api.example.com"}, AuthTime: f.now, ACR: "1", AMR: []string{"pwd"},
		},
		Offline: offline, CreatedAt: f.now, ExpiresAt: month,
	}
	if !offline {
		sid := f.spread(i, 16)
		grant.SessionID = sid
		session := &storage.Session{
			UserID: userID, SecretHash: f.spread(i, 32), AuthTime: f.now, AMR: []string{"pwd"}, ACR: "1",
			CreatedAt: f.now, LastActive: f.now, Remember: true,
		}
		writes = append(writes,
			storage.Sessions.Put(sid, session, storage.Any, month),
			storage.UserSessions.Put(userID+"/"+sid, &storage.UserSession{}, storage.Any, month))
	}
	key := f.spread(i, 32)
	if every := max(1, f.grants/maxSamples); i%every == 0 {
		token = "azr_" + base64.RawURLEncoding.EncodeToString(random(32))
		sum := sha256.Sum256([]byte(token))
		key = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	refresh := &storage.RefreshToken{GrantID: grantID, RenewedAt: f.now}
	writes = append(writes,
		storage.Grants.Put(grantID, grant, storage.Any, month),
		storage.RefreshTokens.Put(key, refresh, storage.Any, week),
		storage.Usernames.Put(username, &storage.UserRef{UserID: userID}, storage.Any, never),
		storage.Users.Put(userID, &storage.User{
			ID: userID, Username: username, CreatedAt: f.now, UpdatedAt: f.now, Roles: []string{"member"},
			PasswordHash: "$argon2id$v=19$m=19456,t=2,p=1$" + f.spread(i, 16) + "$" + f.spread(i, 32),
			Profile:      storage.Profile{Name: "Alice Liddell", Email: username + "@example.com", EmailVerified: true},
		}, storage.Any, never))
	if i%expiredOf == 0 {
		writes = append(writes, storage.RefreshTokens.Put(f.spread(i, 32), refresh, storage.Any, f.now.Add(-time.Minute)))
	}
	return token, writes
}

// ordered is base64url with its characters in the order of their bytes.
var ordered = base64.NewEncoding("-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz").WithPadding(base64.NoPadding)

// spread returns a random key of so many bytes, greater than those of smaller i.
func (f fill) spread(i, bytes int) string {
	const bits = 48 // eight characters
	step := uint64(1<<bits) / uint64(f.grants)
	first := binary.BigEndian.AppendUint64(nil, (uint64(i)*step+binary.BigEndian.Uint64(random(8))%step)<<(64-bits))
	return ordered.EncodeToString(first[:bits/8]) + base64.RawURLEncoding.EncodeToString(random(bytes-bits/8))
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return b
}

// old is people whose grants were made long ago: each refresh takes the one that was not refreshed for the
// longest time.
type old struct{ tokens chan string }

func newOld(tokens []string) old {
	o := old{make(chan string, len(tokens))}
	for i := range tokens { // not in the order of the keys of their grants
		o.tokens <- tokens[i*7919%len(tokens)]
	}
	return o
}

// refresh presents a token of the sample, and puts its successor at the end.
func (o old) refresh(u *user) (operation, error) {
	return func() error {
		token := <-o.tokens
		r, err := u.do(u.post("/token", "grant_type=refresh_token&refresh_token="+token))
		if err := r.expect(200, err); err != nil {
			return err
		}
		successor, err := member(r.body, "refresh_token")
		if err == nil && successor == token {
			err = errors.New("the refresh token was not rotated")
		}
		o.tokens <- successor
		return err
	}, nil
}
