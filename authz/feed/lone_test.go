package feed_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/feed"
	"github.com/authzd/authzd/authz/revocation"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/postgres/pgtest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	pgtest.Stop()
	os.Exit(code)
}

// many is how often a test repeats itself: TEST_FULL=1 asks for the long run.
func many(short, full int) int {
	if on, _ := strconv.ParseBool(os.Getenv("TEST_FULL")); on {
		return full
	}
	return short
}

const issuer = "https://id.example.com"

var key = func() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}()

// sign signs as a server does.
func sign(claims []byte) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "feed"}},
		(&jose.SignerOptions{}).WithType(revocation.Type))
	if err != nil {
		return "", err
	}
	jws, err := signer.Sign(claims)
	if err != nil {
		return "", err
	}
	return jws.CompactSerialize()
}

// newFeed opens a feed without a server, whose tokens live for 15 minutes. change, if not nil, may change its
// configuration.
func newFeed(t testing.TB, store storage.Store, change func(*feed.Config)) *feed.Feed {
	t.Helper()
	c := feed.Config{
		Store: store, Issuer: issuer, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Sign: sign,
		Longest: func(context.Context) (time.Duration, error) { return 15 * time.Minute, nil },
		Entries: func(_ context.Context, r *storage.Revocation) ([]revocation.Entry, error) {
			kind := map[string]revocation.Kind{storage.RevokedJTI: revocation.Token, storage.RevokedGrant: revocation.Grant, storage.RevokedUser: revocation.Subject}[r.Kind]
			return []revocation.Entry{{Kind: kind, ID: revocation.Hash(kind, issuer, r.ID), Before: r.Before}}, nil
		},
	}
	if change != nil {
		change(&c)
	}
	f := feed.New(c)
	if err := f.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f
}

// end ends a token.
func end(t testing.TB, f *feed.Feed, store storage.Store, jti string) {
	t.Helper()
	if err := store.Apply(t.Context(), f.Put("test", feed.Token(jti))); err != nil {
		t.Error(err)
	}
}

// ask asks a feed, and returns the answer.
func ask(f *feed.Feed, query url.Values) (*httptest.ResponseRecorder, error) {
	recorder := httptest.NewRecorder()
	return recorder, f.Serve(recorder, httptest.NewRequest("GET", "/revocations?"+query.Encode(), nil))
}

// read asks a feed, and reads the document.
func read(t testing.TB, f *feed.Feed, query url.Values) *revocation.Document {
	t.Helper()
	recorder, err := ask(f, query)
	if err != nil {
		t.Fatal(err)
	}
	d, err := revocation.Open(t.Context(), recorder.Body.String(), issuer, func(context.Context, string, string) (any, error) { return key.Public(), nil })
	if err != nil {
		t.Fatalf("%v: %.200s", err, recorder.Body)
	}
	return d
}

// listen merges what a feed has now into a list.
func listen(t testing.TB, f *feed.Feed, list *revocation.List, wait string) {
	t.Helper()
	query := url.Values{"wait": {wait}}
	if c := list.Cursor(); c != (revocation.Cursor{}) {
		query.Set("after", c.String())
	}
	if err := list.Merge(read(t, f, query), time.Now()); err != nil {
		t.Fatal(err)
	}
}

func knows(list *revocation.List, jti string) bool {
	_, ended := list.Ended(&revocation.Claims{Token: jti, IssuedAt: time.Now().Unix()})
	return ended
}
