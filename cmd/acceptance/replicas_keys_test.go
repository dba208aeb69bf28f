package acceptance

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// readJWT decodes a part of a JWT: 0 is the header, 1 the claims.
func readJWT(t *testing.T, token string, part int, v any) {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[part])
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func kidOf(t *testing.T, token string) string {
	t.Helper()
	var header struct {
		KeyID string `json:"kid"`
	}
	readJWT(t, token, 0, &header)
	return header.KeyID
}

// lazyVerifier is an API that keeps the JWKS of one replica as long as it may, even if it sees an unknown key.
type lazyVerifier struct {
	node  *server
	set   jose.JSONWebKeySet
	until time.Time
}

// fetch gets the JWKS if it has to, and returns the ids of its keys.
func (v *lazyVerifier) fetch(t *testing.T) (kids []string) {
	t.Helper()
	if time.Now().After(v.until) {
		resp, err := http.Get(v.node.issuer + "/jwks.json")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		v.set = jose.JSONWebKeySet{}
		if err := json.NewDecoder(resp.Body).Decode(&v.set); err != nil {
			t.Fatal(err)
		}
		age, err := time.ParseDuration(strings.TrimPrefix(resp.Header.Get("Cache-Control"), "public, max-age=") + "s")
		if err != nil {
			t.Fatal(err)
		}
		v.until = time.Now().Add(age)
	}
	for _, key := range v.set.Keys {
		kids = append(kids, key.KeyID)
	}
	slices.Sort(kids)
	return kids
}

func (v *lazyVerifier) verify(t *testing.T, token string) {
	t.Helper()
	v.fetch(t)
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := signed.Verify(v.set); err != nil {
		t.Errorf("a verifier that may keep its keys for another %v does not know %s: %v", time.Until(v.until), kidOf(t, token), err)
	}
}

// rotate announces a new key at one replica. Every other publishes it with the first answer that is a
// second and a half later, none signs with it before its time, and all do afterwards. Meanwhile an API that
// keeps the keys of any of them as long as it may verifies what any of them signs.
func (r *replicas) rotate(t *testing.T) {
	lazy := make([]*lazyVerifier, len(r.nodes))
	for i, node := range r.nodes {
		lazy[i] = &lazyVerifier{node: node}
		lazy[i].fetch(t)
	}
	var keys struct {
		Items []struct {
			KeyID    string    `json:"kid"`
			Status   string    `json:"status"`
			SignFrom time.Time `json:"sign_from"`
		} `json:"items"`
	}
	oldest := mustSignIn(t, &r.server)
	r.nodes[0].operate(t, "POST", "/v1/keys/rotate", map[string]any{}, &keys)
	rotated := time.Now()
	kid, signFrom := "", time.Time{}
	for _, key := range keys.Items {
		if key.Status == "announced" {
			kid, signFrom = key.KeyID, key.SignFrom
		}
	}
	if len(keys.Items) != 2 || kid == "" {
		t.Fatalf("keys: %+v", keys)
	}

	<-time.After(time.Until(rotated.Add(1500 * time.Millisecond))) // what the ring promises, and no less
	want := (&lazyVerifier{node: r.nodes[0]}).fetch(t)
	for _, node := range r.nodes {
		if kids := (&lazyVerifier{node: node}).fetch(t); !slices.Equal(kids, want) || !slices.Contains(kids, kid) {
			t.Errorf("one replica publishes %v, another %v; new is %s", want, kids, kid)
		}
	}
	by := map[bool]int{} // tokens that the new key signed
	for tokens := oldest; by[true] == 0 || time.Now().Before(signFrom.Add(2*time.Second)); {
		for _, node := range r.nodes {
			asked := time.Now()
			tokens = must(t)(node.refresh(tokens.RefreshToken))
			isNew := kidOf(t, tokens.AccessToken) == kid
			by[isNew]++
			if isNew && time.Now().Before(signFrom) || !isNew && asked.After(signFrom) {
				t.Errorf("signed by the new key: %v, %v before its time", isNew, time.Until(signFrom))
			}
			for i, v := range lazy {
				v.verify(t, tokens.AccessToken)
				v.verify(t, tokens.IDToken)
				if status := userinfo(t, r.nodes[i], tokens.AccessToken); status != http.StatusOK {
					t.Errorf("userinfo: status %d", status)
				}
			}
		}
	}
	for _, v := range lazy {
		v.verify(t, oldest.AccessToken)
	}
	if by[true] == 0 || by[false] == 0 {
		t.Errorf("tokens that the new key signed: %v", by)
	}
}
