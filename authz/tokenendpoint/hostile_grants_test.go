package tokenendpoint_test

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
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/tokenendpoint"
)

// TestHostileGrants has requests for exchanged and asserted tokens, details, claims and classes that
// must be refused without a trace.
func TestHostileGrants(t *testing.T) {
	t.Parallel()
	issuerKey, log := authztest.NewKey(t, jose.ES256), &blackbox.Logbook{}
	logger := slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s := startExchange(t, authz.Config{Logger: logger, TrustedIssuers: []tokenendpoint.TrustedIssuer{{
		Issuer: hrIssuer, JWKS: authztest.JWKS(t, issuerKey), Subject: tokenendpoint.SubjectUsername, Clients: []string{authztest.API}, Scopes: []string{"archive.read"},
	}}}, func(m *client.Metadata) {
		if m.ID == authztest.API {
			m.GrantTypes = append(m.GrantTypes, client.GrantJWTBearer)
		}
	})
	b := s.NewBrowser(t)
	code, verifier := b.Code(t, authztest.SPA, nil)
	users := s.Token(t, authztest.SPA, "", authztest.CodeForm(code, verifier))
	web := s.SignIn(t, authztest.Web, authztest.Secret, nil)
	archive := exchangeToken(t, s, authztest.API, users.AccessToken, nil)
	app := s.Token(t, blackbox.ArchiveAPI, authztest.Secret, url.Values{"grant_type": {"client_credentials"}})
	secrets := []string{users.AccessToken, users.IDToken, users.RefreshToken, web.AccessToken, archive.AccessToken, app.AccessToken}

	rows := hostileExchanges(t, s, users, archive, app)
	rows = append(rows, hostileVouchers(t, s, issuerKey, users)...)
	rows = append(rows, hostileWishes()...)
	blackbox.Attack(t, s, b, rows, append(secrets, "jose")...)
	for _, row := range rows {
		form, _ := url.ParseQuery(row.Body)
		for _, name := range []string{"subject_token", "actor_token", "assertion"} {
			if secret := form.Get(name); len(secret) > 24 && strings.Contains(log.String(), secret[len(secret)-20:]) {
				t.Errorf("%s: the log holds the %s", row.Name, name)
			}
		}
	}
	if got := exchangeToken(t, s, authztest.API, users.AccessToken, nil); got.Status != 200 {
		t.Errorf("what was attacked no longer works: %+v", got)
	}
}

func hostileExchanges(t *testing.T, s *authztest.Server, users, archive, app authztest.Tokens) []blackbox.Hostile {
	row := func(name string, status int, code string, change url.Values) blackbox.Hostile {
		form := exchangeForm(users.AccessToken, change)
		for parameter, values := range form {
			if len(values) == 0 {
				form.Del(parameter)
			}
		}
		header := blackbox.FormHeader()
		header.Set("Authorization", blackbox.Basic(authztest.API))
		return blackbox.Hostile{Name: "exchange/" + name, Path: "/token", Header: header, Body: form.Encode(), Status: status, Code: code}
	}
	by := func(h blackbox.Hostile, clientID, secret string) blackbox.Hostile {
		h.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(clientID)+":"+url.QueryEscape(secret))))
		return h
	}
	inQuery := func(name, query string) blackbox.Hostile {
		h := row(name, 400, "invalid_request", nil)
		h.Query = query
		return h
	}
	set := func(pairs ...string) url.Values {
		values := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			values.Add(pairs[i], pairs[i+1])
		}
		return values
	}
	actor := func(token string) url.Values { return set("actor_token", token, "actor_token_type", accessTokenType) }
	const other = "urn:ietf:params:oauth:token-type:"
	parts := strings.Split(users.AccessToken, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"at+jwt"}`)) + "." + parts[1] + "."
	twice := row("two subject tokens", 400, "invalid_request", nil)
	twice.Body += "&subject_token=x"
	public := row("a public client", 400, "unauthorized_client", set("client_id", authztest.SPA))
	public.Header.Del("Authorization")
	nobody := row("nobody", 401, "invalid_client", nil)
	nobody.Header.Del("Authorization")
	return []blackbox.Hostile{
		row("no subject token", 400, "invalid_request", url.Values{"subject_token": nil}),
		row("no subject token type", 400, "invalid_request", url.Values{"subject_token_type": nil}),
		row("type unknown", 400, "invalid_request", set("subject_token_type", other+"x")),
		row("ID token", 400, "invalid_request", set("subject_token", users.IDToken, "subject_token_type", other+"id_token")),
		row("refresh token", 400, "invalid_request", set("subject_token", users.RefreshToken, "subject_token_type", other+"refresh_token")),
		row("SAML", 400, "invalid_request", set("subject_token", "PHNhbWw+", "subject_token_type", other+"saml2")),
		row("garbage", 400, "invalid_request", set("subject_token", "garbage")),
		row("ID token as an access token", 400, "invalid_request", set("subject_token", users.IDToken)),
		row("refresh token as an access token", 400, "invalid_request", set("subject_token", users.RefreshToken)),
		row("altered", 400, "invalid_request", set("subject_token", blackbox.ChangeLast(users.AccessToken))),
		row("alg none", 400, "invalid_request", set("subject_token", none)),
		row("expired", 400, "invalid_request", set("subject_token", ringToken(t, s, users.AccessToken, "exp", time.Now().Unix()-1))),
		row("of another issuer", 400, "invalid_request", set("subject_token", ringToken(t, s, users.AccessToken, "iss", "https://other.example"))),
		row("of an unknown grant", 400, "invalid_request", set("subject_token", ringToken(t, s, users.AccessToken, "gid", "x"))),
		row("of an unknown client", 400, "invalid_request", set("subject_token", ringToken(t, s, users.AccessToken, "client_id", "x"))),
		row("for another API", 400, "invalid_request", set("subject_token", ringToken(t, s, users.AccessToken, "aud", []string{vaultAPI}))),
		row("for a look-alike API", 400, "invalid_request", set("subject_token", ringToken(t, s, users.AccessToken, "aud", []string{authztest.API + "/x"}))),
		row("about an app", 400, "invalid_request", set("subject_token", ringToken(t, s, app.AccessToken, "aud", []string{authztest.API}))),
		by(row("handed on to another", 400, "invalid_request", set("subject_token", archive.AccessToken)), authztest.Web, authztest.Secret),
		by(row("for another's API", 400, "invalid_request", nil), blackbox.ArchiveAPI, authztest.Secret),
		row("actor without type", 400, "invalid_request", set("actor_token", users.AccessToken)),
		row("actor type without token", 400, "invalid_request", set("actor_token_type", accessTokenType)),
		row("actor an ID token", 400, "invalid_request", set("actor_token", users.IDToken, "actor_token_type", other+"id_token")),
		row("actor garbage", 400, "invalid_request", actor("garbage")),
		row("actor of another client", 400, "invalid_request", actor(app.AccessToken)),
		row("a refresh token wanted", 400, "invalid_request", set("requested_token_type", other+"refresh_token")),
		row("an ID token wanted", 400, "invalid_request", set("requested_token_type", other+"id_token")),
		row("unknown target", 400, "invalid_target", set("resource", "https://evil.example")),
		row("relative target", 400, "invalid_target", set("resource", "/orders")),
		row("target not allowed", 400, "invalid_target", set("resource", vaultAPI)),
		row("audience not allowed", 400, "invalid_target", set("audience", vaultAPI)),
		row("one of two not allowed", 400, "invalid_target", set("resource", blackbox.ArchiveAPI, "resource", vaultAPI)),
		row("resource allowed, audience not", 400, "invalid_target", set("resource", blackbox.ArchiveAPI, "audience", vaultAPI)),
		row("userinfo as a target", 400, "invalid_target", set("resource", s.URL+"/userinfo")),
		row("scope that it lacks", 400, "invalid_scope", set("scope", "archive.write")),
		row("scope of the user at another API", 400, "invalid_scope", set("scope", "orders.read")),
		row("scope that the user did not grant", 400, "invalid_scope", set("resource", authztest.API, "scope", "orders.write")),
		row("userinfo in another's name", 400, "invalid_scope", set("scope", "openid")),
		row("refresh tokens", 400, "invalid_scope", set("scope", "archive.read offline_access")),
		row("details that there are none of", 400, "invalid_authorization_details", set("authorization_details", `[{"type":"payment"}]`)),
		row("details garbage", 400, "invalid_authorization_details", set("authorization_details", `{`)),
		by(row("wrong secret", 401, "invalid_client", nil), authztest.API, "wrong"),
		public, nobody, twice,
		inQuery("subject token in the query", "subject_token=x"), inQuery("actor token in the query", "actor_token=x"), inQuery("assertion in the query", "assertion=x"),
		{Name: "exchange/GET", Path: "/token", Query: "grant_type=" + url.QueryEscape(client.GrantTokenExchange), Status: 405, Code: "method_not_allowed"},
	}
}

// ringToken is an access token that the server itself could have signed, with another claim.
func ringToken(t *testing.T, s *authztest.Server, token, name string, value any) string {
	t.Helper()
	ring, err := keys.Open(t.Context(), s.Store, s.Secret, keys.Policy{
		Algs: []jose.SignatureAlgorithm{jose.ES256}, RotateEvery: time.Hour, Announce: time.Minute, Retain: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	claims := blackbox.Claims(t, token)
	claims[name] = value
	signed, err := ring.Sign(jose.ES256, keys.TypeAccessToken, claims)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func hostileVouchers(t *testing.T, s *authztest.Server, key *authztest.Key, users authztest.Tokens) []blackbox.Hostile {
	v := vouched{s, key}
	row := func(name string, status int, code string, form url.Values) blackbox.Hostile {
		header := blackbox.FormHeader()
		header.Set("Authorization", blackbox.Basic(authztest.API))
		return blackbox.Hostile{Name: "assertion/" + name, Path: "/token", Header: header, Body: form.Encode(), Status: status, Code: code}
	}
	with := func(form url.Values, name, value string) url.Values {
		form.Set(name, value)
		return form
	}
	return []blackbox.Hostile{
		row("missing", 400, "invalid_request", url.Values{"grant_type": {client.GrantJWTBearer}}),
		row("garbage", 400, "invalid_grant", bearerForm("garbage")),
		row("the user's token", 400, "invalid_grant", bearerForm(users.AccessToken)),
		row("of itself", 400, "invalid_grant", v.form(t, map[string]any{"iss": authztest.API})),
		row("about nobody", 400, "invalid_grant", v.form(t, map[string]any{"sub": "nobody"})),
		row("without an end", 400, "invalid_grant", v.form(t, map[string]any{"exp": nil})),
		row("for another server", 400, "invalid_grant", v.form(t, map[string]any{"aud": "https://other.example"})),
		row("more scope", 400, "invalid_scope", with(v.form(t, nil), "scope", "groups")),
		row("another resource", 400, "invalid_target", with(v.form(t, nil), "resource", vaultAPI)),
		row("details", 400, "invalid_authorization_details", with(with(v.form(t, nil), "scope", ""), "authorization_details", `[{"type":"payment"}]`)),
	}
}

// hostileWishes are authorization requests of a browser that is signed in.
func hostileWishes() []blackbox.Hostile {
	_, challenge := authztest.PKCE()
	row := func(name, code, parameter, value string) blackbox.Hostile {
		params := authztest.AuthorizationParams(authztest.SPA, challenge)
		params.Set(parameter, value)
		return blackbox.Hostile{Name: "authorize/" + name, Method: http.MethodGet, Path: "/authorize", Query: params.Encode(), Status: 303, Code: code}
	}
	return []blackbox.Hostile{
		row("claim given twice", "invalid_request", "claims", `{"id_token":{"acr":null,"acr":{"essential":true}}}`),
		row("claim of a string", "invalid_request", "claims", `{"userinfo":{"email":"x"}}`),
		row("claims nested too deep", "invalid_request", "claims", `{"userinfo":{"email":`+strings.Repeat("[", 1000)+`}}`),
		row("impossible class", "unmet_authentication_requirements", "claims", `{"id_token":{"acr":{"essential":true,"value":"x"}}}`),
		row("two users", "login_required", "claims", `{"id_token":{"sub":{"value":"a"}},"userinfo":{"sub":{"value":"b"}}}`),
		row("details of no type", "invalid_authorization_details", "authorization_details", `[{"type":"payment"}]`),
		row("details nested too deep", "invalid_authorization_details", "authorization_details", strings.Repeat("[", 1000)),
	}
}
