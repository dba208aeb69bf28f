package tokenendpoint_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/tokenendpoint"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

const hrIssuer = "https://hr.example.com"

// vouched is a server that believes an issuer, and that issuer's key.
type vouched struct {
	*authztest.Server
	key *authztest.Key
}

// startVouched runs a server whose client Worker may show assertions. change, if not nil, changes what
// is believed of the issuer.
func startVouched(t testing.TB, change func(*tokenendpoint.TrustedIssuer)) vouched {
	t.Helper()
	key := authztest.NewKey(t, jose.ES256)
	key.ID = "hr-1"
	issuer := tokenendpoint.TrustedIssuer{
		Issuer: hrIssuer, JWKS: authztest.JWKS(t, key), Subject: tokenendpoint.SubjectUsername,
		Clients: []string{authztest.Worker}, Scopes: []string{"openid", "orders.read", "offline_access"},
	}
	if change != nil {
		change(&issuer)
	}
	s := authztest.Start(t, authz.Config{
		TrustedIssuers: []tokenendpoint.TrustedIssuer{issuer, {Issuer: "https://other.example.com", JWKS: authztest.JWKS(t, key), Subject: tokenendpoint.SubjectUsername, Clients: []string{authztest.Worker, authztest.Web}}},
		Outbound:       blackbox.Loopback(),
		Users: []users.User{
			{Username: authztest.Username, Password: authztest.Password, Roles: []string{"admin"}}, {Username: "dinah", Disabled: true},
		},
	}, func(m *client.Metadata) {
		switch m.ID {
		case authztest.Worker:
			m.GrantTypes = append(m.GrantTypes, client.GrantJWTBearer)
			m.Scopes = []string{"openid", "offline_access", "orders.read", "orders.write"}
		case authztest.Web:
			m.GrantTypes = append(m.GrantTypes, client.GrantJWTBearer, client.GrantRefreshToken)
		}
	})
	return vouched{s, key}
}

// claims are those of a good assertion about Alice, with some changed; nil deletes.
func (v vouched) claims(change map[string]any) map[string]any {
	now := time.Now().Unix()
	claims := map[string]any{"iss": hrIssuer, "sub": authztest.Username, "aud": v.URL, "exp": now + 60, "iat": now, "jti": rand.Text()}
	for name, value := range change {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	return claims
}

func (v vouched) form(t testing.TB, change map[string]any) url.Values {
	return bearerForm(v.key.Sign(t, nil, v.claims(change)))
}

func bearerForm(assertion string) url.Values {
	return url.Values{"grant_type": {client.GrantJWTBearer}, "assertion": {assertion}}
}

// RFC 7523 section 2.1: an assertion about a user gives a token in that user's name.
func TestRFC7523Section2_1_Grant(t *testing.T) {
	t.Parallel()
	v := startVouched(t, nil)
	form := v.form(t, nil)
	form.Set("scope", "openid orders.read")
	tokens := v.Token(t, authztest.Worker, authztest.Secret, form)
	if tokens.Status != 200 || tokens.Scope != "openid orders.read" || tokens.RefreshToken != "" || tokens.IDToken != "" {
		t.Fatalf("%+v", tokens)
	}
	claims := blackbox.Claims(t, tokens.AccessToken)
	if claims["sub"] != blackbox.AliceID(t, v.Server) || claims["client_id"] != authztest.Worker || claims["gid"] == nil {
		t.Errorf("%v", claims)
	}
	for _, name := range []string{"sid", "auth_time", "acr", "amr", "act"} {
		if claims[name] != nil {
			t.Errorf("%s %v, of which nobody knows", name, claims[name])
		}
	}
	if roles := claims["roles"]; roles == nil {
		t.Error("no roles")
	}
	if status := blackbox.UserinfoStatus(t, v.Server, tokens.AccessToken); status != 200 {
		t.Errorf("userinfo: %d", status)
	}
	if _, about := introspectToken(t, v.Server, authztest.Worker, tokens.AccessToken); about["active"] != true || about["username"] != authztest.Username {
		t.Errorf("introspection: %v", about)
	}
	// Without a scope parameter it is all that both the client and the issuer have, but no refresh token.
	if got := v.Token(t, authztest.Worker, authztest.Secret, v.form(t, nil)); got.Scope != "openid orders.read" {
		t.Errorf("scope %q", got.Scope)
	}
	for _, scope := range []string{"orders.write", "offline_access", "profile"} {
		form := v.form(t, nil)
		form.Set("scope", scope)
		if got := v.Token(t, authztest.Worker, authztest.Secret, form); got.Error != "invalid_scope" {
			t.Errorf("scope %s: %+v", scope, got)
		}
		form.Set("scope", "orders.read") // what was refused is not used up
		if got := v.Token(t, authztest.Worker, authztest.Secret, form); got.Status != 200 {
			t.Errorf("the same assertion afterwards: %+v", got)
		}
	}
}

// RFC 7523 section 3: what an assertion must say.
func TestRFC7523Section3_GrantClaims(t *testing.T) {
	t.Parallel()
	v := startVouched(t, nil)
	now := time.Now().Unix()
	before := blackbox.Dump(t, v.Store)
	for name, change := range map[string]map[string]any{
		"no iss":                 {"iss": nil},
		"iss of nobody":          {"iss": "https://evil.example"},
		"iss with a slash":       {"iss": hrIssuer + "/"},
		"iss is this server":     {"iss": v.URL},
		"iss is the client":      {"iss": authztest.Worker},
		"iss a list":             {"iss": []string{hrIssuer}},
		"no sub":                 {"sub": nil},
		"empty sub":              {"sub": ""},
		"sub a number":           {"sub": 1},
		"sub with a NUL":         {"sub": "alice\x00"},
		"sub in capitals":        {"sub": "ALICE"},
		"sub with spaces":        {"sub": " alice "},
		"sub in full width":      {"sub": "ａｌｉｃｅ"},
		"sub too long":           {"sub": strings.Repeat("a", 5000)},
		"unknown sub":            {"sub": "nobody"},
		"sub of a disabled user": {"sub": "dinah"},
		"sub is a user id":       {"sub": blackbox.AliceID(t, v.Server)},
		"no aud":                 {"aud": nil},
		"aud another":            {"aud": "https://other.example"},
		"aud an empty list":      {"aud": []string{}},
		"aud of other endpoints": {"aud": []string{v.URL + "/authorize", v.URL + "/"}},
		"aud is the client":      {"aud": authztest.Worker},
		"no exp":                 {"exp": nil},
		"exp a string":           {"exp": "soon"},
		"exp 0":                  {"exp": 0},
		"expired":                {"exp": now - 1},
		"expired long ago":       {"exp": now - 3600, "iat": now - 7200},
		"valid for an hour":      {"exp": now + 3600},
		"valid for ever":         {"exp": now + 1<<40},
		"not valid yet":          {"nbf": now + 120},
		"from the future":        {"iat": now + 120},
		"no jti":                 {"jti": nil},
		"empty jti":              {"jti": ""},
		"jti too long":           {"jti": strings.Repeat("j", 2000)},
		"jti a number":           {"jti": 7},
	} {
		if got := v.Token(t, authztest.Worker, authztest.Secret, v.form(t, change)); got.Status != 400 || got.Error != "invalid_grant" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if after := blackbox.Dump(t, v.Store); after != before {
		t.Errorf("the store has changed:\nbefore %s\nafter  %s", before, after)
	}
	for name, change := range map[string]map[string]any{
		"token endpoint":      {"aud": v.URL + "/token"},
		"one of several":      {"aud": []string{"https://other.example", v.URL}},
		"without iat":         {"iat": nil},
		"a clock 10 s ahead":  {"iat": now + 10, "nbf": now + 10},
		"with other claims":   {"azp": "x", "nonce": "y", "act": map[string]any{"sub": "z"}},
		"an exp of fractions": {"exp": float64(now) + 30.5},
	} {
		if got := v.Token(t, authztest.Worker, authztest.Secret, v.form(t, change)); got.Status != 200 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	first := v.Token(t, authztest.Worker, authztest.Secret, v.form(t, map[string]any{"sub": "nobody"}))
	second := v.Token(t, authztest.Worker, authztest.Secret, v.form(t, map[string]any{"sub": "dinah"}))
	if first.Description != second.Description {
		t.Errorf("the answers tell which accounts exist: %q, %q", first.Description, second.Description)
	}
}

// RFC 7523 section 3.1, RFC 8725 section 3.1: it must be a JWT that the issuer has signed, with an
// algorithm that it signs with.
func TestRFC7523Section3_GrantSignature(t *testing.T) {
	t.Parallel()
	v := startVouched(t, func(i *tokenendpoint.TrustedIssuer) { i.Algs = []jose.SignatureAlgorithm{jose.ES256} })
	good := v.key.Sign(t, nil, v.claims(nil))
	parts := strings.Split(good, ".")
	stranger := authztest.NewKey(t, jose.ES256)
	stranger.ID = v.key.ID
	rsa := authztest.NewKey(t, jose.RS256)
	encode := func(header string) string { return base64.RawURLEncoding.EncodeToString([]byte(header)) }
	tokens := v.SignIn(t, authztest.SPA, "", nil)
	twice := strings.Replace(string(mustJSON(t, v.claims(nil))), `{`, `{"sub":"nobody",`, 1)
	before := blackbox.Dump(t, v.Store)
	for name, assertion := range map[string]string{
		"garbage":                 "garbage",
		"two parts":               parts[0] + "." + parts[1],
		"five parts":              good + ".x.y",
		"alg none":                encode(`{"alg":"none"}`) + "." + parts[1] + ".",
		"HS256":                   encode(`{"alg":"HS256"}`) + "." + parts[1] + "." + parts[2],
		"a stranger's key":        stranger.Sign(t, nil, v.claims(nil)),
		"a key in the header":     stranger.Sign(t, map[string]any{"jwk": stranger.Public()}, v.claims(nil)),
		"another algorithm":       rsa.Sign(t, nil, v.claims(nil)),
		"another payload":         parts[0] + "." + encode(string(mustJSON(t, v.claims(map[string]any{"sub": "dinah"})))) + "." + parts[2],
		"another signature":       parts[0] + "." + parts[1] + "." + strings.Split(v.key.Sign(t, nil, v.claims(nil)), ".")[2],
		"typ of an access token":  v.key.Sign(t, map[string]any{"typ": "at+jwt"}, v.claims(nil)),
		"typ of a logout token":   v.key.Sign(t, map[string]any{"typ": "logout+jwt"}, v.claims(nil)),
		"typ of a client":         v.key.Sign(t, map[string]any{"typ": "client-authentication+jwt"}, v.claims(nil)),
		"a nested JWT":            v.key.Sign(t, map[string]any{"cty": "JWT"}, v.claims(nil)),
		"an unknown crit":         v.key.Sign(t, map[string]any{"crit": []string{"x"}, "x": 1}, v.claims(nil)),
		"claims in capitals":      v.key.Sign(t, nil, map[string]any{"ISS": hrIssuer, "SUB": "alice", "AUD": v.URL, "EXP": time.Now().Unix() + 60, "JTI": "x"}),
		"no claims":               v.key.Sign(t, nil, map[string]any{}),
		"ID token of this server": tokens.IDToken, "access token of this server": tokens.AccessToken,
		"sub twice": blackbox.SignWith(t, jose.SigningKey{Algorithm: v.key.Alg, Key: v.key.Private}, nil, twice),
	} {
		if got := v.Token(t, authztest.Worker, authztest.Secret, bearerForm(assertion)); got.Status != 400 || got.Error != "invalid_grant" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := v.Token(t, authztest.Worker, authztest.Secret, bearerForm("")); got.Error != "invalid_request" {
		t.Errorf("no assertion: %+v", got)
	}
	if after := blackbox.Dump(t, v.Store); after != before {
		t.Errorf("the store has changed:\nbefore %s\nafter  %s", before, after)
	}
	for _, typ := range []string{"JWT", "jwt", "authorization-grant+jwt"} {
		if got := v.Token(t, authztest.Worker, authztest.Secret, bearerForm(v.key.Sign(t, map[string]any{"typ": typ}, v.claims(nil)))); got.Status != 200 {
			t.Errorf("typ %s: %+v", typ, got)
		}
	}
}

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// RFC 7521 section 4.1: who shows an assertion must be known, registered and trusted with it.
func TestRFC7523Section2_1_Clients(t *testing.T) {
	t.Parallel()
	v := startVouched(t, nil)
	if got := v.Token(t, authztest.Web, authztest.Secret, v.form(t, nil)); got.Error != "invalid_grant" {
		t.Errorf("a client whom the issuer is not trusted for: %+v", got)
	}
	if got := v.Token(t, authztest.SPA, "", v.form(t, nil)); got.Error != "unauthorized_client" {
		t.Errorf("a client without this grant type: %+v", got)
	}
	if got := v.Token(t, authztest.Worker, "wrong", v.form(t, nil)); got.Error != "invalid_client" {
		t.Errorf("without proof: %+v", got)
	}
	form := v.form(t, map[string]any{"iss": "https://other.example.com"})
	form.Set("scope", "orders.read")
	if got := v.Token(t, authztest.Worker, authztest.Secret, form); got.Error != "invalid_scope" {
		t.Errorf("an issuer that gives no scope: %+v", got)
	}
}

// RFC 7523 section 3: a jti counts once for its issuer, and of many who show it at once one wins.
func TestRFC7523Section3_GrantReplay(t *testing.T) {
	t.Parallel()
	v := startVouched(t, nil)
	form := v.form(t, map[string]any{"jti": "once"})
	const racers = 64
	var won, lost atomic.Int32
	var wg sync.WaitGroup
	for range racers {
		wg.Go(func() {
			switch got := v.Token(t, authztest.Worker, authztest.Secret, form); {
			case got.Status == 200:
				won.Add(1)
			case got.Error == "invalid_grant":
				lost.Add(1)
			default:
				t.Errorf("%+v", got)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || lost.Load() != racers-1 {
		t.Errorf("%d won and %d lost", won.Load(), lost.Load())
	}
	if grants := blackbox.Count(t, v.Store, storage.Grants.Table); grants != 1 {
		t.Errorf("%d grants", grants)
	}
	marks, err := v.Store.Scan(t.Context(), storage.Marks.Table, "", "", 10)
	if err != nil || len(marks) != 1 || time.Until(marks[0].Expires) < 65*time.Second {
		t.Errorf("marks %+v, %v", marks, err) // longer than the assertion is good: clocks differ
	}
	if got := v.Token(t, authztest.Worker, authztest.Secret, v.form(t, map[string]any{"jti": "once", "iat": nil})); got.Error != "invalid_grant" {
		t.Errorf("the jti in another assertion: %+v", got)
	}
	if got := v.Token(t, authztest.Worker, authztest.Secret, v.form(t, map[string]any{"jti": "once", "iss": "https://other.example.com"})); got.Status != 200 {
		t.Errorf("the same jti of another issuer: %+v", got)
	}
}

// A sub can name an upstream identity, and then it is a user who has been there.
func TestRFC7523Section3_SubjectIsALinkedIdentity(t *testing.T) {
	t.Parallel()
	v := startVouched(t, func(i *tokenendpoint.TrustedIssuer) { i.Subject = tokenendpoint.SubjectIdentity })
	for _, sub := range []string{authztest.Username, "employee 7"} {
		if got := v.Token(t, authztest.Worker, authztest.Secret, v.form(t, map[string]any{"sub": sub})); got.Error != "invalid_grant" {
			t.Errorf("%s before the link: %+v", sub, got)
		}
	}
	identity := &storage.Identity{UserID: blackbox.AliceID(t, v.Server), Connector: "hr", LinkedAt: time.Now()}
	if err := v.Store.Apply(t.Context(), storage.Identities.Put(hrIssuer+" employee 7", identity, storage.Absent, time.Time{})); err != nil {
		t.Fatal(err)
	}
	got := v.Token(t, authztest.Worker, authztest.Secret, v.form(t, map[string]any{"sub": "employee 7"}))
	if got.Status != 200 || blackbox.Claims(t, got.AccessToken)["sub"] != blackbox.AliceID(t, v.Server) {
		t.Errorf("after it: %+v", got)
	}
}

// The grant behind the token can end: by revocation, by the user, by the operator.
func TestRFC7523Section2_1_GrantEnds(t *testing.T) {
	t.Parallel()
	v := startVouched(t, nil)
	for name, end := range map[string]func(token string){
		"revoked": func(token string) {
			if r := postAs(t, v.Server, "/revoke", authztest.Worker, url.Values{"token": {token}}); r.Status != 200 {
				t.Fatal(r)
			}
		},
		"signed out everywhere": func(string) {
			changeUser(t, v.Server, func(u *storage.User) { u.Epoch++ })
		},
		"disabled": func(string) { changeUser(t, v.Server, func(u *storage.User) { u.Disabled = true }) },
	} {
		changeUser(t, v.Server, func(u *storage.User) { u.Disabled = false })
		token := v.Token(t, authztest.Worker, authztest.Secret, v.form(t, nil)).AccessToken
		if status := blackbox.UserinfoStatus(t, v.Server, token); status != 200 {
			t.Fatalf("%s: before: %d", name, status)
		}
		end(token)
		if status := blackbox.UserinfoStatus(t, v.Server, token); status != 401 {
			t.Errorf("%s: %d", name, status)
		}
	}
}

func changeUser(t *testing.T, s *authztest.Server, change func(*storage.User)) {
	t.Helper()
	user, version, err := storage.Users.Get(t.Context(), s.Store, blackbox.AliceID(t, s))
	if err != nil {
		t.Fatal(err)
	}
	change(user)
	if err := s.Store.Apply(t.Context(), storage.Users.Put(user.ID, user, storage.At(version), time.Time{})); err != nil {
		t.Fatal(err)
	}
}

// The keys of an issuer are where it says, and may change.
func TestRFC7523Section3_KeysOfTheIssuer(t *testing.T) {
	t.Parallel()
	var set atomic.Pointer[[]byte]
	published := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		body := set.Load()
		if body == nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(*body)
	}))
	t.Cleanup(published.Close)
	v := startVouched(t, func(i *tokenendpoint.TrustedIssuer) { i.JWKS, i.JWKSURI = nil, published.URL })
	if got := v.Token(t, authztest.Worker, authztest.Secret, v.form(t, nil)); got.Status != 503 || got.Error != "temporarily_unavailable" {
		t.Errorf("keys that can't be had: %+v", got)
	}
	for generation := range 2 {
		v.key = authztest.NewKey(t, jose.ES256)
		v.key.ID = "hr-" + string(rune('a'+generation))
		keys := []byte(authztest.JWKS(t, v.key))
		set.Store(&keys)
		if got := v.Token(t, authztest.Worker, authztest.Secret, v.form(t, nil)); got.Status != 200 {
			t.Errorf("generation %d: %+v", generation, got)
		}
	}
}
