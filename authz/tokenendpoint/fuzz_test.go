package tokenendpoint

import (
	"testing"
	"time"

	josejson "github.com/go-jose/go-jose/v4/json"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/clientauth"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/token"
)

// No assertion counts without an end, a name and a jti.
func FuzzGrantAssertion(f *testing.F) {
	for _, seed := range []string{
		`{"iss":"https://hr.example","sub":"alice","aud":"https://id.example","exp":2000000000,"jti":"x"}`, `{"aud":["https://id.example","x"],"exp":1e9}`,
		`{"aud":1}`, `{}`, `null`, `[]`, `{"exp":"soon"}`, `{"exp":1e400}`, `{"iss":"a","iss":"b"}`, `{"SUB":"alice"}`, `{"nbf":-1,"iat":99999999999999999999}`,
	} {
		f.Add(seed, "eyJhbGciOiJFUzI1NiJ9."+seed+".AAAA")
	}
	s := &Endpoint{Config: Config{Issuer: oauth.Issuer{ID: "https://id.example"}}}
	issuer := &assertionIssuer{TrustedIssuer: TrustedIssuer{MaxLifetime: time.Minute}}
	x := &exchange{Authorization: token.Authorization{Client: &client.Client{Metadata: client.Metadata{ID: "batch"}}}}
	f.Fuzz(func(t *testing.T, payload, raw string) {
		if _, _, err := s.verifyAssertion(t.Context(), x, raw); oauth.AsError(err).Code != oauth.InvalidGrant {
			t.Errorf("%q: %v", raw, err)
		}
		claims, now := new(clientauth.AssertionClaims), time.Now()
		if josejson.Unmarshal([]byte(payload), claims) != nil || s.checkGrantClaims(issuer, claims, now) != nil {
			return
		}
		if claims.Subject == "" || claims.ID == "" || claims.Expires == nil || claims.Expires.Time().After(now.Add(time.Minute+clientauth.MaxAssertionAhead)) || len(claims.Audience.Values) == 0 {
			t.Errorf("%q passes", payload)
		}
	})
}

func FuzzCheckVerifier(f *testing.F) {
	f.Add("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") // RFC 7636 appendix B
	f.Add("", "")
	f.Add("abc", "abc") // plain
	f.Fuzz(func(t *testing.T, challenge, verifier string) {
		if checkVerifier(challenge, verifier) == nil && (challenge == "") != (verifier == "") {
			t.Errorf("challenge %q, verifier %q", challenge, verifier)
		}
		if challenge == verifier && challenge != "" && checkVerifier(challenge, verifier) == nil {
			t.Errorf("plain: %q", verifier)
		}
	})
}
