package tokenendpoint_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/resource"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

const (
	accessTokenType = "urn:ietf:params:oauth:token-type:access_token"
	vaultAPI        = "https://vault.example.com"
)

// startExchange runs a server with three APIs that call one another: the orders API calls the archive
// in the user's name, and that calls the vault. Each is a client under its resource identifier. The
// client web exchanges its own tokens.
func startExchange(t testing.TB, c authz.Config, adjust func(*client.Metadata)) *authztest.Server {
	t.Helper()
	if c.Resources == nil {
		c.Resources = []resource.Resource{
			{URI: authztest.API, Name: "Orders API", Scopes: []string{"orders.read", "orders.write"}},
			{URI: blackbox.ArchiveAPI, Name: "Archive", Scopes: []string{"archive.read", "archive.write"}},
			{URI: vaultAPI, Name: "Vault", Scopes: []string{"vault.open"}, TokenType: resource.TokenTypeOpaque},
		}
	}
	return authztest.Start(t, c, func(m *client.Metadata) {
		calls := func(id, resource string, scopes ...string) {
			m.ID, m.ExchangeResources, m.Scopes, m.Resources = id, []string{resource}, scopes, nil
			m.GrantTypes = []string{client.GrantTokenExchange, client.GrantClientCredentials}
			m.AuthMethod, m.Secret, m.JWKS, m.RedirectURIs = client.AuthBasic, authztest.Secret, nil, nil
		}
		switch m.ID {
		case authztest.Worker:
			calls(authztest.API, blackbox.ArchiveAPI, "archive.read", "groups")
		case authztest.TV:
			calls(blackbox.ArchiveAPI, vaultAPI, "vault.open")
		case authztest.Web:
			m.GrantTypes = append(m.GrantTypes, client.GrantTokenExchange)
		}
		if adjust != nil {
			adjust(m)
		}
	})
}

// exchangeForm is a token request that exchanges a token, with more parameters.
func exchangeForm(subjectToken string, more url.Values) url.Values {
	form := url.Values{"grant_type": {client.GrantTokenExchange}, "subject_token": {subjectToken}, "subject_token_type": {accessTokenType}}
	maps.Copy(form, more)
	return form
}

func exchangeToken(t *testing.T, s *authztest.Server, clientID, subjectToken string, more url.Values) authztest.Tokens {
	t.Helper()
	return s.Token(t, clientID, authztest.Secret, exchangeForm(subjectToken, more))
}

// RFC 8693 sections 2.2.1 and 4.1: an API calls another in the user's name, and is named beside the
// user.
func TestRFC8693Section2_2_1_OnBehalfOf(t *testing.T) {
	t.Parallel()
	s := startExchange(t, authz.Config{}, nil)
	users := s.SignIn(t, authztest.SPA, "", nil)
	answer := blackbox.TokenAnswer(t, s, authztest.API, authztest.Secret, exchangeForm(users.AccessToken, nil))
	if answer["issued_token_type"] != accessTokenType || answer["token_type"] != "Bearer" || answer["scope"] != "archive.read" ||
		answer["refresh_token"] != nil || answer["id_token"] != nil || answer["expires_in"] == nil {
		t.Fatalf("answer %v", answer)
	}
	token := fmt.Sprint(answer["access_token"])
	old, claims := blackbox.Claims(t, users.AccessToken), blackbox.Claims(t, token)
	for name, want := range map[string]any{
		"sub": old["sub"], "client_id": authztest.API, "gid": old["gid"], "scope": "archive.read", "roles": old["roles"], "auth_time": old["auth_time"], "acr": old["acr"],
		"aud": []any{blackbox.ArchiveAPI}, "act": map[string]any{"sub": authztest.API, "client_id": authztest.API}, "sid": nil, "may_act": nil,
	} {
		if !reflect.DeepEqual(claims[name], want) {
			t.Errorf("%s = %v, want %v", name, claims[name], want)
		}
	}
	if claims["jti"] == old["jti"] {
		t.Error("the jti is the old one")
	}
	if status := blackbox.UserinfoStatus(t, s, token); status != http.StatusForbidden {
		t.Errorf("userinfo with it: %d", status)
	}

	// The next API goes on: the chain has both, the last first, and an opaque token knows it too.
	next := exchangeToken(t, s, blackbox.ArchiveAPI, token, nil)
	_, about := introspectToken(t, s, blackbox.ArchiveAPI, next.AccessToken)
	want := map[string]any{"sub": blackbox.ArchiveAPI, "client_id": blackbox.ArchiveAPI, "act": claims["act"]}
	if !reflect.DeepEqual(about["act"], want) || about["sub"] != old["sub"] || about["scope"] != "vault.open" {
		t.Errorf("two hops: %v", about)
	}
}

func introspectToken(t *testing.T, s *authztest.Server, clientID, token string) (int, map[string]any) {
	t.Helper()
	response := blackbox.Introspect(t, s, clientID, token, "application/json")
	answer := map[string]any{}
	response.JSON(t, &answer)
	return response.Status, answer
}

// RFC 8693 section 2.1: resource, audience and scope ask for less than there is.
func TestRFC8693Section2_1_Narrowing(t *testing.T) {
	t.Parallel()
	s := startExchange(t, authz.Config{}, func(m *client.Metadata) {
		if m.ID == authztest.Web {
			m.Resources = []string{authztest.API, blackbox.ArchiveAPI}
			m.Scopes = append(m.Scopes, "archive.read")
		}
	})
	mine := s.SignIn(t, authztest.Web, authztest.Secret, url.Values{
		"scope": {"openid offline_access groups orders.read orders.write archive.read"}, "resource": {authztest.API, blackbox.ArchiveAPI},
	})
	users := s.SignIn(t, authztest.SPA, "", nil)
	for name, row := range map[string]struct {
		client string
		more   url.Values
		scope  string
		aud    []any
	}{
		"own, everything":              {authztest.Web, nil, "openid groups orders.read orders.write archive.read", []any{authztest.API, blackbox.ArchiveAPI}},
		"own, one scope":               {authztest.Web, url.Values{"scope": {"orders.read"}}, "orders.read", []any{authztest.API, blackbox.ArchiveAPI}},
		"own, one resource":            {authztest.Web, url.Values{"resource": {blackbox.ArchiveAPI}}, "openid groups archive.read", []any{blackbox.ArchiveAPI}},
		"own, audience":                {authztest.Web, url.Values{"audience": {blackbox.ArchiveAPI}, "scope": {"archive.read"}}, "archive.read", []any{blackbox.ArchiveAPI}},
		"own, resource and audience":   {authztest.Web, url.Values{"resource": {authztest.API}, "audience": {blackbox.ArchiveAPI}, "scope": {"orders.read"}}, "orders.read", []any{authztest.API, blackbox.ArchiveAPI}},
		"API, default":                 {authztest.API, nil, "archive.read", []any{blackbox.ArchiveAPI}},
		"API, for itself":              {authztest.API, url.Values{"resource": {authztest.API}}, "orders.read", []any{authztest.API}},
		"API, for both":                {authztest.API, url.Values{"resource": {authztest.API, blackbox.ArchiveAPI}}, "orders.read archive.read", []any{authztest.API, blackbox.ArchiveAPI}},
		"API, for both, less of scope": {authztest.API, url.Values{"resource": {authztest.API, blackbox.ArchiveAPI}, "scope": {"archive.read"}}, "archive.read", []any{authztest.API, blackbox.ArchiveAPI}},
	} {
		subject := users.AccessToken
		if row.client == authztest.Web {
			subject = mine.AccessToken
		}
		got := exchangeToken(t, s, row.client, subject, row.more)
		if got.Status != 200 || got.Scope != row.scope || got.IDToken != "" || got.RefreshToken != "" {
			t.Errorf("%s: %+v", name, got)
			continue
		}
		claims := blackbox.Claims(t, got.AccessToken)
		if !reflect.DeepEqual(claims["aud"], row.aud) {
			t.Errorf("%s: aud %v", name, claims["aud"])
		}
		if hasActor := claims["act"] != nil; hasActor != (row.client == authztest.API) {
			t.Errorf("%s: act %v", name, claims["act"])
		}
	}
	if got := blackbox.Claims(t, exchangeToken(t, s, authztest.Web, mine.AccessToken, nil).AccessToken); got["sid"] == nil || got["groups"] == nil {
		t.Errorf("own token: %v", got)
	}
}

// RFC 8693 section 2.2.1: issued_token_type.
func TestRFC8693Section2_2_1_IssuedTokenType(t *testing.T) {
	t.Parallel()
	s := startExchange(t, authz.Config{}, nil)
	users := s.SignIn(t, authztest.SPA, "", nil)
	const jwtType = "urn:ietf:params:oauth:token-type:jwt"
	if got := blackbox.TokenAnswer(t, s, authztest.API, authztest.Secret, exchangeForm(users.AccessToken, url.Values{"requested_token_type": {jwtType}})); got["issued_token_type"] != jwtType {
		t.Errorf("a JWT: %v", got)
	}
	archive := exchangeToken(t, s, authztest.API, users.AccessToken, nil)
	if got := exchangeToken(t, s, blackbox.ArchiveAPI, archive.AccessToken, url.Values{"requested_token_type": {jwtType}}); got.Error != "invalid_request" {
		t.Errorf("a JWT, where tokens are opaque: %+v", got)
	}
}

// RFC 8693 section 1.1: an actor_token says who acts for the user.
func TestRFC8693Section1_1_ActorToken(t *testing.T) {
	t.Parallel()
	s := startExchange(t, authz.Config{Users: []users.User{
		{Username: authztest.Username, Password: authztest.Password}, {Username: "support", Password: authztest.Password},
	}}, nil)
	users := s.SignIn(t, authztest.SPA, "", nil)
	app := s.Token(t, authztest.API, authztest.Secret, url.Values{"grant_type": {"client_credentials"}, "scope": {}})
	support := s.NewBrowser(t)
	support.Username = "support"
	code, verifier := support.Code(t, authztest.SPA, nil)
	staff := s.Token(t, authztest.SPA, "", authztest.CodeForm(code, verifier))
	for name, row := range map[string]struct {
		actor string
		want  map[string]any
	}{
		"the client itself": {app.AccessToken, map[string]any{"sub": authztest.API, "client_id": authztest.API}},
		"another user":      {staff.AccessToken, map[string]any{"sub": blackbox.Claims(t, staff.AccessToken)["sub"], "client_id": authztest.SPA}},
	} {
		got := exchangeToken(t, s, authztest.API, users.AccessToken, url.Values{"actor_token": {row.actor}, "actor_token_type": {accessTokenType}})
		claims := blackbox.Claims(t, got.AccessToken)
		if !reflect.DeepEqual(claims["act"], row.want) || claims["sub"] != blackbox.Claims(t, users.AccessToken)["sub"] {
			t.Errorf("%s: %v", name, claims)
		}
	}
}

// RFC 8693 section 4.4: may_act names who alone may act.
func TestRFC8693Section4_4_MayAct(t *testing.T) {
	t.Parallel()
	s := startExchange(t, authz.Config{}, nil)
	claims := blackbox.Claims(t, s.SignIn(t, authztest.SPA, "", nil).AccessToken)
	ring, err := keys.Open(t.Context(), s.Store, s.Secret, keys.Policy{
		Algs: []jose.SignatureAlgorithm{jose.ES256}, RotateEvery: time.Hour, Announce: time.Minute, Retain: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		mayAct map[string]any
		status int
	}{
		{map[string]any{"sub": authztest.API}, 200},
		{map[string]any{"sub": authztest.API, "iss": s.URL, "client_id": authztest.API}, 200},
		{map[string]any{"sub": blackbox.ArchiveAPI}, 400},
		{map[string]any{"sub": authztest.API, "iss": "https://other.example"}, 400},
		{map[string]any{"sub": authztest.API, "client_id": blackbox.ArchiveAPI}, 400},
		{map[string]any{}, 400},
	} {
		claims["may_act"] = row.mayAct
		token, err := ring.Sign(jose.ES256, keys.TypeAccessToken, claims)
		if err != nil {
			t.Fatal(err)
		}
		if got := exchangeToken(t, s, authztest.API, token, nil); got.Status != row.status {
			t.Errorf("may_act %v: %+v", row.mayAct, got)
		}
	}
}

// RFC 8693 section 4.1: the chain of actors has an end.
func TestRFC8693Section4_1_ChainIsBounded(t *testing.T) {
	t.Parallel()
	s := startExchange(t, authz.Config{}, nil)
	token, hops := s.SignIn(t, authztest.SPA, "", nil).AccessToken, 0
	for ; hops < 20; hops++ { // to itself, with an actor each time
		app := s.Token(t, authztest.API, authztest.Secret, url.Values{"grant_type": {"client_credentials"}})
		next := exchangeToken(t, s, authztest.API, token, url.Values{"resource": {authztest.API}, "actor_token": {app.AccessToken}, "actor_token_type": {accessTokenType}})
		if next.Status != 200 {
			if next.Error != "invalid_request" {
				t.Errorf("%+v", next)
			}
			break
		}
		token = next.AccessToken
	}
	if hops != 8 {
		t.Errorf("%d hops", hops)
	}
}

// RFC 8693 section 5: the new token ends with the old one's grant, session, user and time.
func TestRFC8693Section5_EndsWithTheGrant(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, s *authztest.Server, users authztest.Tokens){
		"the grant is revoked": func(t *testing.T, s *authztest.Server, users authztest.Tokens) {
			if r := s.PostForm(t, "/revoke", url.Values{"client_id": {authztest.SPA}, "token": {users.RefreshToken}}, nil); r.Status != 200 {
				t.Fatal(r)
			}
		},
		"the user is disabled": func(t *testing.T, s *authztest.Server, _ authztest.Tokens) {
			user, version, err := storage.Users.Get(t.Context(), s.Store, blackbox.AliceID(t, s))
			if err != nil {
				t.Fatal(err)
			}
			user.Disabled = true
			if err := s.Store.Apply(t.Context(), storage.Users.Put(user.ID, user, storage.At(version), time.Time{})); err != nil {
				t.Fatal(err)
			}
		},
		"the session ends": func(t *testing.T, s *authztest.Server, _ authztest.Tokens) {
			sessions, err := storage.Sessions.Scan(t.Context(), s.Store, "", "", 10)
			if err != nil {
				t.Fatal(err)
			}
			for _, entry := range sessions {
				if err := s.Store.Apply(t.Context(), storage.Sessions.Delete(entry.Key, storage.Any)); err != nil {
					t.Fatal(err)
				}
			}
		},
	} {
		s := startExchange(t, authz.Config{}, nil)
		users := s.SignIn(t, authztest.SPA, "", url.Values{"scope": {"openid orders.read"}})
		got := exchangeToken(t, s, authztest.API, users.AccessToken, nil)
		if _, about := introspectToken(t, s, authztest.API, got.AccessToken); about["active"] != true {
			t.Fatalf("%s: before: %v", name, about)
		}
		end(t, s, users)
		if _, about := introspectToken(t, s, authztest.API, got.AccessToken); about["active"] != false {
			t.Errorf("%s: afterwards: %v", name, about)
		}
		if again := exchangeToken(t, s, authztest.API, users.AccessToken, nil); again.Error != "invalid_request" {
			t.Errorf("%s: exchanged again: %+v", name, again)
		}
	}
}

// RFC 8693 section 5: a short token gives no long one.
func TestRFC8693Section5_Lifetime(t *testing.T) {
	t.Parallel()
	s := startExchange(t, authz.Config{}, func(m *client.Metadata) {
		if m.ID == authztest.SPA {
			m.AccessTokenLifetime = member.Duration(40 * time.Second)
		}
	})
	users := s.SignIn(t, authztest.SPA, "", nil)
	got := exchangeToken(t, s, authztest.API, users.AccessToken, nil)
	if exp := blackbox.Claims(t, got.AccessToken)["exp"]; exp != blackbox.Claims(t, users.AccessToken)["exp"] || got.ExpiresIn > 40 || got.ExpiresIn < 1 {
		t.Errorf("exp %v, expires_in %d, of a token that ends at %v", exp, got.ExpiresIn, blackbox.Claims(t, users.AccessToken)["exp"])
	}
	s = startExchange(t, authz.Config{}, func(m *client.Metadata) {
		if m.ID == authztest.API {
			m.AccessTokenLifetime = member.Duration(30 * time.Second)
		}
	})
	if got := exchangeToken(t, s, authztest.API, s.SignIn(t, authztest.SPA, "", nil).AccessToken, nil); got.ExpiresIn != 30 {
		t.Errorf("the client's own lifetime: %d", got.ExpiresIn)
	}
}

// RFC 7009 section 2.1: who acts for the user ends its own token, and not the user's grant.
func TestRFC7009Section2_1_ExchangedTokenEndsAlone(t *testing.T) {
	t.Parallel()
	s := startExchange(t, authz.Config{}, nil)
	users := s.SignIn(t, authztest.SPA, "", nil)
	first, second := exchangeToken(t, s, authztest.API, users.AccessToken, nil), exchangeToken(t, s, authztest.API, users.AccessToken, nil)
	if r := s.PostForm(t, "/revoke", url.Values{"client_id": {authztest.SPA}, "token": {first.AccessToken}}, nil); r.Status != 200 {
		t.Fatal(r)
	}
	if _, about := introspectToken(t, s, authztest.API, first.AccessToken); about["active"] != true {
		t.Errorf("revoked by another client: %v", about)
	}
	if r := postAs(t, s, "/revoke", authztest.API, url.Values{"token": {first.AccessToken}}); r.Status != 200 {
		t.Fatal(r)
	}
	for name, row := range map[string]struct {
		token  string
		active bool
	}{"revoked": {first.AccessToken, false}, "its twin": {second.AccessToken, true}} {
		if _, about := introspectToken(t, s, authztest.API, row.token); about["active"] != row.active {
			t.Errorf("%s: %v", name, about)
		}
	}
	if got := s.Token(t, authztest.SPA, "", authztest.RefreshForm(users.RefreshToken)); got.Status != 200 {
		t.Errorf("the user's grant: %+v", got)
	}
	// The archive was handed the revoked token: it can't go on with it.
	if got := exchangeToken(t, s, blackbox.ArchiveAPI, first.AccessToken, nil); got.Error != "invalid_request" {
		t.Errorf("a revoked token was exchanged: %+v", got)
	}
}

// OpenID Connect Core section 8: each client of the chain meets the sub that is its own.
func TestRFC8693_PairwiseSubjects(t *testing.T) {
	t.Parallel()
	s := startExchange(t, authz.Config{}, func(m *client.Metadata) { m.SubjectType = client.SubjectPairwise })
	users := s.SignIn(t, authztest.SPA, "", nil)
	got := exchangeToken(t, s, authztest.API, users.AccessToken, nil)
	before, after := blackbox.Claims(t, users.AccessToken), blackbox.Claims(t, got.AccessToken)
	if before["sub"] == after["sub"] || after["sub"] == blackbox.AliceID(t, s) {
		t.Errorf("sub %v, then %v", before["sub"], after["sub"])
	}
	if again := blackbox.Claims(t, exchangeToken(t, s, authztest.API, users.AccessToken, nil).AccessToken); again["sub"] != after["sub"] {
		t.Errorf("sub %v, then %v", after["sub"], again["sub"])
	}
}

// RFC 9396 section 7: details go along where they were granted, if the client is registered for them.
func TestRFC8693_AuthorizationDetails(t *testing.T) {
	t.Parallel()
	file := []resource.DetailType{{Type: "file", Fields: []string{"path"}}}
	s := startExchange(t, authz.Config{Resources: []resource.Resource{
		{URI: authztest.API, Scopes: []string{"orders.read"}, DetailTypes: file}, {URI: blackbox.ArchiveAPI, Scopes: []string{"archive.read", "archive.write"}, DetailTypes: file},
		{URI: vaultAPI, Scopes: []string{"vault.open", "orders.write"}},
	}}, func(m *client.Metadata) { m.DetailTypes = []string{"file"} })
	users := s.SignIn(t, authztest.SPA, "", url.Values{"scope": {"openid orders.read"}, "authorization_details": {`[{"type":"file","path":"/a"},{"type":"file","path":"/b"}]`}})
	for name, row := range map[string]struct {
		more url.Values
		want string
	}{
		"granted at the API":     {url.Values{"resource": {authztest.API}}, `[{"type":"file","path":"/a"},{"type":"file","path":"/b"}]`},
		"one of them":            {url.Values{"resource": {authztest.API}, "authorization_details": {`[{"type":"file","path":"/b"}]`}}, `[{"type":"file","path":"/b"}]`},
		"not granted at archive": {url.Values{"resource": {blackbox.ArchiveAPI}}, `null`},
		"archive could be meant": {url.Values{"resource": {authztest.API, blackbox.ArchiveAPI}}, `null`},
	} {
		got := exchangeToken(t, s, authztest.API, users.AccessToken, row.more)
		blackbox.WantDetails(t, name, blackbox.Claims(t, got.AccessToken)["authorization_details"], row.want)
	}
	if got := exchangeToken(t, s, authztest.API, users.AccessToken, url.Values{"resource": {authztest.API}, "authorization_details": {`[{"type":"file","path":"/c"}]`}}); got.Error != "invalid_authorization_details" {
		t.Errorf("more than there was: %+v", got)
	}
}

// RFC 8693 section 5, RFC 9449 section 5: a stolen token that is bound to a key can't be washed here;
// the API that it was sent to, with proof, may go on.
func TestRFC8693Section5_BoundTokens(t *testing.T) {
	t.Parallel()
	s := startExchange(t, authz.Config{}, func(m *client.Metadata) {
		if m.ID == authztest.FAPI {
			m.Profile, m.AuthMethod, m.JWKS, m.Secret = "", client.AuthBasic, nil, authztest.Secret
			m.RequirePAR = false
			m.GrantTypes = append(m.GrantTypes, client.GrantTokenExchange)
		}
	})
	key, other := authztest.NewKey(t, jose.ES256), authztest.NewKey(t, jose.ES256)
	send := func(clientID string, with *authztest.Key, form url.Values) map[string]any {
		header := http.Header{"Authorization": {blackbox.Basic(clientID)}}
		if with != nil {
			header.Set("DPoP", with.Proof(t, http.MethodPost, s.URL+"/token", "", ""))
		}
		answer := map[string]any{}
		s.PostForm(t, "/token", form, header).JSON(t, &answer)
		return answer
	}
	code, verifier := s.NewBrowser(t).Code(t, authztest.FAPI, nil)
	token := fmt.Sprint(send(authztest.FAPI, key, authztest.CodeForm(code, verifier))["access_token"])
	if blackbox.Claims(t, token)["cnf"] == nil {
		t.Fatal("the token is not bound")
	}
	for name, with := range map[string]*authztest.Key{"no proof": nil, "another key": other} {
		if got := send(authztest.FAPI, with, exchangeForm(token, nil)); got["error"] != "invalid_request" {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := send(authztest.FAPI, key, exchangeForm(token, nil)); got["token_type"] != "DPoP" || !reflect.DeepEqual(blackbox.Claims(t, fmt.Sprint(got["access_token"]))["cnf"], blackbox.Claims(t, token)["cnf"]) {
		t.Errorf("with its key: %v", got)
	}
	if got := send(authztest.API, nil, exchangeForm(token, nil)); got["token_type"] != "Bearer" {
		t.Errorf("the API that it is for: %v", got)
	}
	if got := send(authztest.API, other, exchangeForm(token, nil)); got["token_type"] != "DPoP" {
		t.Errorf("the API, with a key of its own: %v", got)
	}
}

// postAs sends a form as a confidential client.
func postAs(t *testing.T, s *authztest.Server, path, clientID string, form url.Values) authztest.Response {
	t.Helper()
	return s.PostForm(t, path, form, http.Header{"Authorization": {blackbox.Basic(clientID)}})
}

// RFC 8693 section 5: a scope that several APIs know by the same name is had at each of them, or not at
// all. A token for two would else carry to one what was granted, or is registered, for the other.
func TestRFC8693Section5_SameScopeElsewhere(t *testing.T) {
	t.Parallel()
	s := startExchange(t, authz.Config{Resources: []resource.Resource{
		{URI: authztest.API, Name: "Orders API", Scopes: []string{"orders.read", "orders.write", "delete"}},
		{URI: blackbox.ArchiveAPI, Name: "Archive", Scopes: []string{"archive.read", "orders.write", "delete"}},
	}}, func(m *client.Metadata) {
		switch m.ID {
		case authztest.Web:
			m.ExchangeResources, m.Scopes = []string{blackbox.ArchiveAPI}, append(m.Scopes, "delete", "archive.read")
		case authztest.Worker: // the orders API itself
			m.Scopes = []string{"archive.read"}
		}
	})
	both := []string{authztest.API, blackbox.ArchiveAPI}
	read := s.SignIn(t, authztest.Web, authztest.Secret, url.Values{"scope": {"openid orders.read"}})
	write := s.SignIn(t, authztest.SPA, "", url.Values{"scope": {"openid orders.write"}})
	for name, row := range map[string]struct{ client, token, scope string }{
		"registered for the one, not granted at the other": {authztest.Web, read.AccessToken, "delete"},
		"granted at the one, not registered for the other": {authztest.API, write.AccessToken, "orders.write"},
	} {
		if got := exchangeToken(t, s, row.client, row.token, url.Values{"resource": both, "scope": {row.scope}}); got.Error != "invalid_scope" {
			t.Errorf("%s: %+v", name, got)
		}
		got := exchangeToken(t, s, row.client, row.token, url.Values{"resource": both})
		if slices.Contains(strings.Fields(got.Scope), row.scope) || got.Status != 200 {
			t.Errorf("%s, without scope: %+v", name, got)
		}
	}
	for name, row := range map[string]struct{ client, token, resource, scope string }{
		"where it is registered": {authztest.Web, read.AccessToken, blackbox.ArchiveAPI, "delete"},
		"where it was granted":   {authztest.API, write.AccessToken, authztest.API, "orders.write"},
	} {
		if got := exchangeToken(t, s, row.client, row.token, url.Values{"resource": {row.resource}, "scope": {row.scope}}); got.Scope != row.scope {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// A token that another client got in exchange for one of the deleted client ends too.
func TestRFC7592Section2_3_DeleteAfterExchange(t *testing.T) {
	t.Parallel()
	s := startExchange(t, blackbox.OpenRegistration(), nil)
	created := blackbox.Register(t, s, blackbox.WebClient(nil))
	tokens := s.SignIn(t, created.Text("client_id"), "", url.Values{"scope": {"openid orders.read"}, "resource": {authztest.API}})
	exchanged := exchangeToken(t, s, authztest.API, tokens.AccessToken, nil)
	active := func() string {
		return blackbox.PostTo(s, "/introspect", blackbox.ArchiveAPI, authztest.Secret, url.Values{"token": {exchanged.AccessToken}}).Body.String()
	}
	if !strings.Contains(active(), `"active":true`) {
		t.Fatalf("%+v: %s", exchanged, active())
	}
	if got := blackbox.CallJSON(t, http.MethodDelete, created.Text("registration_client_uri"), created.Text("registration_access_token"), nil); got.Status != http.StatusNoContent {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	if got := active(); got != `{"active":false}` {
		t.Error(got)
	}
}
