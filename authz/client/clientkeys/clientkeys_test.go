package clientkeys

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/jwks"
	"github.com/authzd/authzd/authz/outbound"
)

func newKeys(t *testing.T) *Keys {
	t.Helper()
	var clients []*outbound.Client
	for range 2 {
		c, err := outbound.New(outbound.Config{AllowPrivateNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Timeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
	}
	return New(clients[0], clients[1])
}

// signed is a JWS with an ES256 key, and the set that the key is in.
func signed(t *testing.T, kid string) (*jose.JSONWebSignature, json.RawMessage) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: private, KeyID: kid}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	made, err := signer.Sign([]byte("payload"))
	if err != nil {
		t.Fatal(err)
	}
	compact, err := made.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	jws, err := jose.ParseSignedCompact(compact, jwks.Algorithms)
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &private.PublicKey, KeyID: kid}}})
	if err != nil {
		t.Fatal(err)
	}
	return jws, set
}

// RFC 7517 section 4: what a key says of itself is kept to.
func TestRFC7517Section4_Selection(t *testing.T) {
	jws, set := signed(t, "1")
	keys := newKeys(t)
	for name, row := range map[string]struct {
		members map[string]any
		ok      bool
	}{
		"as it is": {nil, true}, "for signatures": {map[string]any{"use": "sig"}, true}, "for encryption": {map[string]any{"use": "enc"}, false},
		"for its algorithm": {map[string]any{"alg": "ES256"}, true}, "for another": {map[string]any{"alg": "ES384"}, false}, "of another kid": {map[string]any{"kid": "2"}, false},
	} {
		var changed struct {
			Keys []map[string]any `json:"keys"`
		}
		if err := json.Unmarshal(set, &changed); err != nil {
			t.Fatal(err)
		}
		for member, value := range row.members {
			changed.Keys[0][member] = value
		}
		raw, err := json.Marshal(changed)
		if err != nil {
			t.Fatal(err)
		}
		c, err := client.New(client.Metadata{ID: "a", AuthMethod: client.AuthNone, JWKS: raw})
		if err != nil {
			t.Fatal(err)
		}
		payload, err := keys.Verify(t.Context(), c, jws)
		if row.ok && (err != nil || string(payload) != "payload") || !row.ok && !errors.Is(err, errSignature) {
			t.Errorf("%s: %q, %v", name, payload, err)
		}
	}
	if _, err := keys.Verify(t.Context(), nil, jws); !errors.Is(err, errSignature) {
		t.Errorf("nobody's key: %v", err)
	}
}

// Clients that registered themselves, with a server of theirs that does not answer, hold up each other
// and nobody whom the operator has configured.
func TestSlowKeysOfStrangers(t *testing.T) {
	jws, set := signed(t, "1")
	ctx, leave := context.WithCancel(t.Context())
	slow := make(chan struct{}, 100)
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/keys" {
			w.Write(set)
			return
		}
		slow <- struct{}{}
		select {
		case <-ctx.Done():
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(origin.Close)
	keys := newKeys(t)
	var strangers sync.WaitGroup
	for i := range 64 { // as many as may wait for one site
		stranger := &client.Client{Metadata: client.Metadata{ID: "stranger", Source: client.Document, JWKSURI: origin.URL + "/" + strconv.Itoa(i)}}
		strangers.Go(func() { keys.Verify(ctx, stranger, jws) })
	}
	for range 8 { // as many as run at once
		<-slow
	}
	configured := &client.Client{Metadata: client.Metadata{ID: "a", JWKSURI: origin.URL + "/keys"}}
	if payload, err := keys.Verify(t.Context(), configured, jws); err != nil || string(payload) != "payload" {
		t.Errorf("%q, %v", payload, err)
	}
	leave()
	strangers.Wait()
}
