package authz_test

import (
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
)

// badProofs are proofs for a request that must be refused everywhere; made with the key that a good
// one would have.
func badProofs(t *testing.T, key, other *authztest.Key, method, target, token string) map[string][]string {
	claims := func(change func(map[string]any)) map[string]any {
		c := authztest.ProofClaims(method, target, token, "")
		change(c)
		return c
	}
	sign := func(change func(map[string]any)) []string { return []string{key.SignProof(t, nil, claims(change))} }
	set := func(name string, value any) []string {
		return sign(func(c map[string]any) { c[name] = value })
	}
	del := func(name string) []string { return sign(func(c map[string]any) { delete(c, name) }) }
	header := func(h map[string]any) []string {
		return []string{key.SignProof(t, h, authztest.ProofClaims(method, target, token, ""))}
	}
	good := func() string { return key.Proof(t, method, target, token, "") }
	whole := jose.JSONWebKey{Key: key.Private}
	now := time.Now().Unix()
	unsigned := strings.Split(good(), ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"dpop+jwt","alg":"none"}`)) + "." + unsigned[1] + "."
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]string{
		"two headers":              {good(), good()},
		"two in one header":        {good() + ", " + good()},
		"an empty header":          {""},
		"no JWT":                   {"proof"},
		"two parts":                {unsigned[0] + "." + unsigned[1]},
		"unsigned":                 {unsigned[0] + "." + unsigned[1] + "."},
		"alg none":                 {none},
		"too long":                 {good() + strings.Repeat("A", 9000)},
		"signature of another key": {unsigned[0] + "." + unsigned[1] + "." + strings.Split(other.Proof(t, method, target, token, ""), ".")[2]},
		"typ JWT":                  header(map[string]any{"typ": "JWT"}),
		"typ at+jwt":               header(map[string]any{"typ": "at+jwt"}),
		"typ with a suffix":        header(map[string]any{"typ": "dpop+jwt+x"}),
		"jwk with the private key": header(map[string]any{"jwk": whole}),
		"jwk of another":           header(map[string]any{"jwk": other.Public()}),
		"jwk symmetric":            header(map[string]any{"jwk": map[string]any{"kty": "oct", "k": "c2VjcmV0"}}),
		"no jwk":                   header(map[string]any{"jwk": nil}),
		"crit":                     header(map[string]any{"crit": []string{"x"}, "x": 1}),
		"no jti":                   del("jti"),
		"no htm":                   del("htm"),
		"no htu":                   del("htu"),
		"no iat":                   del("iat"),
		"jti empty":                set("jti", ""),
		"jti too long":             set("jti", strings.Repeat("j", 300)),
		"jti a number":             set("jti", 1),
		"another method":           set("htm", "PUT"),
		"method in another case":   set("htm", strings.ToLower(method)),
		"another path":             set("htu", target+"x"),
		"a path with a slash":      set("htu", target+"/"),
		"another host":             set("htu", "https://evil.example"+u.Path),
		"another scheme":           set("htu", "https://"+u.Host+u.Path),
		"with a login":             set("htu", "http://x@"+u.Host+u.Path),
		"a relative URL":           set("htu", u.Path),
		"an hour old":              set("iat", now-3600),
		"an hour ahead":            set("iat", now+3600),
		"expired":                  set("exp", now-120),
		"not valid yet":            set("nbf", now+120),
		"iat a string":             set("iat", "now"),
		"iat huge":                 set("iat", 1e300),
	}
}

func TestHostileProofs(t *testing.T) {
	t.Parallel()
	var log logbook
	s := authztest.Start(t, authz.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, nil)
	key, other := authztest.NewKey(t, jose.ES256), authztest.NewKey(t, jose.ES256)
	browser := s.NewBrowser(t)
	code, verifier := browser.Code(t, authztest.SPA, nil)
	tokens := boundSignIn(t, s, authztest.SPA, "", key)
	token := tokens.AccessToken
	plain := s.SignIn(t, authztest.SPA, "", nil).AccessToken
	used := key.Proof(t, "GET", s.URL+"/userinfo", token, "")
	if got := useToken(t, s, "GET", "/userinfo", "DPoP", token, used); got.Status != http.StatusOK {
		t.Fatalf("%d %s", got.Status, got.Body)
	}

	var rows []hostile
	form := func(v url.Values) string {
		v.Set("client_id", authztest.SPA)
		return v.Encode()
	}
	header := func(proofs []string) http.Header {
		h := formHeader()
		h["Dpop"] = proofs
		return h
	}
	for name, proofs := range badProofs(t, key, other, "POST", s.URL+"/token", "") {
		rows = append(rows,
			hostile{name: "code/" + name, path: "/token", body: form(authztest.CodeForm(code, verifier)), header: header(proofs), status: 400, code: "invalid_dpop_proof"},
			hostile{name: "refresh/" + name, path: "/token", body: form(authztest.RefreshForm(tokens.RefreshToken)), header: header(proofs), status: 400, code: "invalid_dpop_proof"})
	}
	for name, proofs := range badProofs(t, key, other, "POST", s.URL+"/par", "") {
		rows = append(rows, hostile{name: "par/" + name, path: "/par", body: authztest.Request(authztest.SPA, nil).Encode(), header: header(proofs), status: 400, code: "invalid_dpop_proof"})
	}
	for _, path := range []string{"/userinfo", "/session"} {
		bad := badProofs(t, key, other, "GET", s.URL+path, token)
		bad["none"] = nil
		bad["no ath"] = []string{key.Proof(t, "GET", s.URL+path, "", "")}
		bad["ath of another token"] = []string{key.Proof(t, "GET", s.URL+path, plain, "")}
		bad["for the token endpoint"] = []string{tokenProof(t, s, key)}
		bad["used before"] = []string{used} // at /session it is for another URL besides
		for name, proofs := range bad {
			h := http.Header{"Authorization": {"DPoP " + token}, "Dpop": proofs}
			rows = append(rows, hostile{name: path[1:] + "/" + name, path: path, header: h, status: 401, code: "invalid_dpop_proof"})
		}
	}
	good := func(k *authztest.Key, token string) []string {
		return []string{k.Proof(t, "GET", s.URL+"/userinfo", token, "")}
	}
	userinfo := func(name, scheme, token string, proofs []string) {
		rows = append(rows, hostile{name: "userinfo/" + name, path: "/userinfo", header: http.Header{"Authorization": {scheme + " " + token}, "Dpop": proofs}, status: 401, code: "invalid_token"})
	}
	userinfo("downgrade", "Bearer", token, nil)
	userinfo("downgrade with a proof", "Bearer", token, good(key, token))
	userinfo("a thief's key", "DPoP", token, good(other, token))
	userinfo("a token that is not bound", "DPoP", plain, good(key, plain))
	userinfo("a token that is none", "DPoP", "x", good(key, "x"))
	userinfo("a refresh token", "DPoP", tokens.RefreshToken, good(key, tokens.RefreshToken))
	userinfo("an ID token", "DPoP", tokens.IDToken, good(key, tokens.IDToken))
	rows = append(rows,
		hostile{name: "userinfo/downgrade in a form", path: "/userinfo", method: "POST", body: url.Values{"access_token": {token}}.Encode(), header: formHeader(), status: 401, code: "invalid_token"},
		hostile{name: "userinfo/two credentials", path: "/userinfo", header: http.Header{"Authorization": {"DPoP " + token, "Bearer " + token}, "Dpop": good(key, token)}, status: 400, code: "invalid_request"},
		hostile{name: "userinfo/two tokens", path: "/userinfo", header: http.Header{"Authorization": {"DPoP " + token + " " + token}, "Dpop": good(key, token)}, status: 400, code: "invalid_request"})
	for name, jkt := range map[string]string{"short": "abc", "padded": key.Thumbprint(t) + "=", "no base64url": strings.Repeat("+", 43)} {
		rows = append(rows, hostile{name: "authorize/dpop_jkt " + name, path: "/authorize", query: authztest.Request(authztest.SPA, url.Values{"dpop_jkt": {jkt}}).Encode(), status: 303, code: "invalid_request"})
	}
	attack(t, s, browser, rows)
	for _, row := range rows {
		for _, proof := range row.header["Dpop"] {
			if len(proof) > 100 && strings.Contains(log.String(), proof[len(proof)-40:]) {
				t.Errorf("%s: the log holds the proof", row.name)
			}
		}
	}
	for name, form := range map[string]url.Values{"code": authztest.CodeForm(code, verifier), "refresh token": authztest.RefreshForm(tokens.RefreshToken)} {
		if got := provenToken(t, s, authztest.SPA, "", form, tokenProof(t, s, key)); got.Status != http.StatusOK {
			t.Errorf("the %s no longer works: %+v", name, got)
		}
	}
}
