package dpop_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/dpop"
)

// newProof is what a client does for each request, with a key that it never gives away.
func newProof(key *ecdsa.PrivateKey, jti, method, url string) string {
	claims, err := json.Marshal(map[string]any{"jti": jti, "htm": method, "htu": url, "iat": time.Now().Unix()})
	if err != nil {
		log.Fatal(err)
	}
	opts := (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, opts)
	if err != nil {
		log.Fatal(err)
	}
	jws, err := signer.Sign(claims)
	if err != nil {
		log.Fatal(err)
	}
	proof, err := jws.CompactSerialize()
	if err != nil {
		log.Fatal(err)
	}
	return proof
}

func ExampleVerify() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	here := dpop.Request{Method: "POST", URL: "https://id.example.com/token"}

	proof, err := dpop.Verify(newProof(key, "1", "POST", "https://id.example.com/token"), here)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("proof", proof.ID, "of a key with a thumbprint of", len(proof.Thumbprint), "characters")

	_, err = dpop.Verify(newProof(key, "2", "POST", "https://evil.example/token"), here)
	fmt.Println(err)
	// Output:
	// proof 1 of a key with a thumbprint of 43 characters
	// invalid DPoP proof: the proof's htu is not this request's URL
}
