package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strconv"
)

// scenario is something that clients do often.
type scenario struct {
	name       string
	share      float64                          // of the bare handler's rate, to be reached with 64 connections
	signatures int                              // of one operation; if there are any, the share is for ES256
	prepare    func(u *user) (operation, error) // everything that need not be measured
}

// operation does it once. It is called by one goroutine at a time.
type operation func() error

var scenarios = []scenario{
	{"jwks", 0.75, 0, (*user).jwks},
	{"discovery", 0.75, 0, (*user).discovery},
	{"userinfo", 0.30, 0, (*user).userinfo},
	{"introspect", 0.30, 0, (*user).introspect},
	{"client_credentials", 0.15, 1, (*user).clientCredentials},
	{"refresh", 0.05, 1, (*user).refresh},
	{"code", 0.03, 2, (*user).code},
}

// target is the server that is measured.
type target struct {
	url  string // the issuer, without a path
	addr string
	account
}

// user is a person at one connection.
type user struct {
	*target
	conn
	cookies string // empty: not signed in yet
}

func (u *user) jwks() (operation, error) { return u.static(u.get("/jwks.json", "")), nil }

func (u *user) discovery() (operation, error) {
	return u.static(u.get("/.well-known/openid-configuration", "")), nil
}

// userinfo sends the same token again and again, as an app does until the token expires.
func (u *user) userinfo() (operation, error) {
	tokens, err := u.exchange(u.scope)
	return u.static(u.get("/userinfo", "Authorization: Bearer "+tokens.access+"\r\n")), err
}

// introspect asks about the same token again and again, as an API does.
func (u *user) introspect() (operation, error) {
	tokens, err := u.exchange(u.scope)
	return u.static(u.post("/introspect", "token="+tokens.access)), err
}

func (u *user) clientCredentials() (operation, error) {
	return u.static(u.post("/token", "grant_type=client_credentials")), nil
}

// refresh sends the refresh token of the last answer.
func (u *user) refresh() (operation, error) {
	tokens, err := u.exchange(u.refreshScope)
	token := tokens.refresh
	return func() error {
		r, err := u.do(u.post("/token", "grant_type=refresh_token&refresh_token="+token))
		if err := r.expect(200, err); err != nil {
			return err
		}
		successor, err := member(r.body, "refresh_token")
		if err == nil && successor == token {
			err = errors.New("the refresh token was not rotated")
		}
		token = successor
		return err
	}, err
}

// code gets an authorization code with the browser's session, and tokens for it.
func (u *user) code() (operation, error) {
	op := func() error {
		_, err := u.exchange(u.scope)
		return err
	}
	return op, op() // the first signs in
}

// static repeats one request.
func (u *user) static(request []byte) operation {
	return func() error { return u.do200(request) }
}

func (u *user) do200(request []byte) error {
	r, err := u.do(request)
	return r.expect(200, err)
}

type tokens struct{ access, refresh string }

// exchange is a whole code flow (RFC 6749 section 4.1) with PKCE, for a user who is signed in.
func (u *user) exchange(scope string) (t tokens, err error) {
	if u.cookies == "" {
		if u.cookies, err = u.signIn(); err != nil {
			return t, fmt.Errorf("sign in: %w", err)
		}
	}
	verifier, challenge := pkce()
	query := u.authorizeQuery(scope, challenge)
	r, err := u.do(u.get("/authorize?"+query, "Cookie: "+u.cookies+"\r\n"))
	if err := r.expect(303, err); err != nil {
		return t, fmt.Errorf("authorize: %w", err)
	}
	code, err := parameter(r.location, "code")
	if err != nil {
		return t, fmt.Errorf("authorize: %w", err)
	}
	r, err = u.do(u.post("/token", "grant_type=authorization_code&code="+code+
		"&redirect_uri="+url.QueryEscape(u.redirectURI)+"&code_verifier="+verifier))
	if err := r.expect(200, err); err != nil {
		return t, fmt.Errorf("token: %w", err)
	}
	if t.access, err = member(r.body, "access_token"); err != nil {
		return t, err
	}
	t.refresh, err = member(r.body, "refresh_token")
	return t, err
}

func (t *target) authorizeQuery(scope, challenge string) string {
	return "response_type=code&client_id=" + url.QueryEscape(t.client) +
		"&redirect_uri=" + url.QueryEscape(t.redirectURI) + "&scope=" + url.QueryEscape(scope) +
		"&state=state-of-the-app&nonce=nonce-of-the-app" +
		"&code_challenge=" + challenge + "&code_challenge_method=S256"
}

// get is a GET request; headers end with CRLF.
func (t *target) get(path, headers string) []byte {
	return []byte("GET " + path + " HTTP/1.1\r\nHost: " + t.addr + "\r\n" + headers + "\r\n")
}

// post is a form, sent by the client with its secret.
func (t *target) post(path, form string) []byte {
	credentials := base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(t.client) + ":" + url.QueryEscape(t.secret)))
	return []byte("POST " + path + " HTTP/1.1\r\nHost: " + t.addr +
		"\r\nAuthorization: Basic " + credentials +
		"\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: " + strconv.Itoa(len(form)) +
		"\r\n\r\n" + form)
}

// pkce returns a verifier and its S256 challenge (RFC 7636 section 4).
func pkce() (verifier, challenge string) {
	var b [32]byte
	rand.Read(b[:]) // never fails
	verifier = base64.RawURLEncoding.EncodeToString(b[:])
	sum := sha256.Sum256([]byte(verifier))
	return verifier, base64.RawURLEncoding.EncodeToString(sum[:])
}

// parameter returns a parameter of the redirect to the client.
func parameter(location, name string) (string, error) {
	u, err := url.Parse(location)
	if err != nil {
		return "", err
	}
	value := u.Query().Get(name)
	if value == "" {
		return "", fmt.Errorf("no %s in the redirect to %.300s", name, location)
	}
	return value, nil
}
