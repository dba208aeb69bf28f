package clientauth_test

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
	"github.com/authzd/authzd/authz/internal/blackbox"
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
	var log blackbox.Logbook
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

	var rows []blackbox.Hostile
	form := func(v url.Values) string {
		v.Set("client_id", authztest.SPA)
		return v.Encode()
	}
	header := func(proofs []string) http.Header {
		h := blackbox.FormHeader()
		h["Dpop"] = proofs
		return h
	}
	for name, proofs := range badProofs(t, key, other, "POST", s.URL+"/token", "") {
		rows = append(rows,
			blackbox.Hostile{Name: "code/" + name, Path: "/token", Body: form(authztest.CodeForm(code, verifier)), Header: header(proofs), Status: 400, Code: "invalid_dpop_proof"},
			blackbox.Hostile{Name: "refresh/" + name, Path: "/token", Body: form(authztest.RefreshForm(tokens.RefreshToken)), Header: header(proofs), Status: 400, Code: "invalid_dpop_proof"})
	}
	for name, proofs := range badProofs(t, key, other, "POST", s.URL+"/par", "") {
		rows = append(rows, blackbox.Hostile{Name: "par/" + name, Path: "/par", Body: authztest.Request(authztest.SPA, nil).Encode(), Header: header(proofs), Status: 400, Code: "invalid_dpop_proof"})
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
			rows = append(rows, blackbox.Hostile{Name: path[1:] + "/" + name, Path: path, Header: h, Status: 401, Code: "invalid_dpop_proof"})
		}
	}
	good := func(k *authztest.Key, token string) []string {
		return []string{k.Proof(t, "GET", s.URL+"/userinfo", token, "")}
	}
	userinfo := func(name, scheme, token string, proofs []string) {
		rows = append(rows, blackbox.Hostile{Name: "userinfo/" + name, Path: "/userinfo", Header: http.Header{"Authorization": {scheme + " " + token}, "Dpop": proofs}, Status: 401, Code: "invalid_token"})
	}
	userinfo("downgrade", "Bearer", token, nil)
	userinfo("downgrade with a proof", "Bearer", token, good(key, token))
	userinfo("a thief's key", "DPoP", token, good(other, token))
	userinfo("a token that is not bound", "DPoP", plain, good(key, plain))
	userinfo("a token that is none", "DPoP", "x", good(key, "x"))
	userinfo("a refresh token", "DPoP", tokens.RefreshToken, good(key, tokens.RefreshToken))
	userinfo("an ID token", "DPoP", tokens.IDToken, good(key, tokens.IDToken))
	rows = append(rows,
		blackbox.Hostile{Name: "userinfo/downgrade in a form", Path: "/userinfo", Method: "POST", Body: url.Values{"access_token": {token}}.Encode(), Header: blackbox.FormHeader(), Status: 401, Code: "invalid_token"},
		blackbox.Hostile{Name: "userinfo/two credentials", Path: "/userinfo", Header: http.Header{"Authorization": {"DPoP " + token, "Bearer " + token}, "Dpop": good(key, token)}, Status: 400, Code: "invalid_request"},
		blackbox.Hostile{Name: "userinfo/two tokens", Path: "/userinfo", Header: http.Header{"Authorization": {"DPoP " + token + " " + token}, "Dpop": good(key, token)}, Status: 400, Code: "invalid_request"})
	for name, jkt := range map[string]string{"short": "abc", "padded": key.Thumbprint(t) + "=", "no base64url": strings.Repeat("+", 43)} {
		rows = append(rows, blackbox.Hostile{Name: "authorize/dpop_jkt " + name, Path: "/authorize", Query: authztest.Request(authztest.SPA, url.Values{"dpop_jkt": {jkt}}).Encode(), Status: 303, Code: "invalid_request"})
	}
	blackbox.Attack(t, s, browser, rows)
	for _, row := range rows {
		for _, proof := range row.Header["Dpop"] {
			if len(proof) > 100 && strings.Contains(log.String(), proof[len(proof)-40:]) {
				t.Errorf("%s: the log holds the proof", row.Name)
			}
		}
	}
	for name, form := range map[string]url.Values{"code": authztest.CodeForm(code, verifier), "refresh token": authztest.RefreshForm(tokens.RefreshToken)} {
		if got := provenToken(t, s, authztest.SPA, "", form, tokenProof(t, s, key)); got.Status != http.StatusOK {
			t.Errorf("the %s no longer works: %+v", name, got)
		}
	}
}
