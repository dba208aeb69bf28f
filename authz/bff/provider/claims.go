package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/authzd/authzd/authz/strictjson"
)

const (
	maxText   = 255     // bytes of a claim that is a name: OpenID Connect Core section 2 limits sub
	maxList   = 200     // members of roles, groups, amr, aud
	maxClaims = 8 << 10 // bytes of the claims that are kept
)

// claims are those of an ID token or of userinfo, by exact name: encoding/json would take "SUB" for "sub".
type claims map[string]json.RawMessage

// text returns a string claim; empty: it is absent, no string, too long or not clean.
func (c claims) text(name string) string {
	var s string
	if json.Unmarshal(c[name], &s) != nil || len(s) > maxText || !isClean(s) {
		return ""
	}
	return s
}

// texts returns a claim that is a list of strings, or one string; nil: it is not.
func (c claims) texts(name string) []string {
	if one := c.text(name); one != "" {
		return []string{one}
	}
	var list []string
	if json.Unmarshal(c[name], &list) != nil || len(list) > maxList {
		return nil
	}
	if slices.ContainsFunc(list, func(s string) bool { return len(s) > maxText || !isClean(s) }) {
		return nil
	}
	return list
}

// time returns a NumericDate (RFC 7519 section 2), or the zero time.
func (c claims) time(name string) time.Time {
	var seconds *float64
	const most = 1 << 40 // beyond any year that can be written
	if json.Unmarshal(c[name], &seconds) != nil || seconds == nil || *seconds <= 0 || *seconds > most {
		return time.Time{}
	}
	return time.Unix(int64(*seconds), 0).UTC()
}

// isClean accepts valid text without control characters. The JSON decoder replaces invalid text by U+FFFD, which could
// make two subjects equal.
func isClean(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r == utf8.RuneError || unicode.IsControl(r) })
}

// protocol are claims that are about the token, or that User has a field for.
var protocol = []string{
	"iss", "sub", "aud", "exp", "iat", "nbf", "nonce", "azp", "jti", "at_hash", "c_hash", "s_hash", "sid", "gid",
	"acr", "amr", "auth_time", "roles", "groups", "events", "cnf",
}

// user returns what the claims say.
func (c claims) user() (*User, error) {
	u := &User{
		Subject: c.text("sub"), SID: c.text("sid"), ACR: c.text("acr"), AMR: c.texts("amr"),
		Roles: c.texts("roles"), Groups: c.texts("groups"), AuthTime: c.time("auth_time"),
	}
	if u.Subject == "" {
		return nil, untrusted("the provider names no user, or one that cannot be")
	}
	others := claims{}
	for name, value := range c {
		if !slices.Contains(protocol, name) && string(value) != "null" {
			others[name] = value
		}
	}
	if len(others) == 0 {
		return u, nil
	}
	text, err := json.Marshal(others)
	if err == nil && len(text) > maxClaims {
		err = fmt.Errorf("%d bytes of claims about the user, and %d are the most: ask for fewer scopes", len(text), maxClaims)
	}
	if err != nil {
		return nil, &ResponseError{err}
	}
	u.Claims = text
	return u, nil
}

// fill takes what the ID token does not say from userinfo (OpenID Connect Core section 5.3), if there is one.
func (p *Provider) fill(ctx context.Context, m *metadata, c claims, accessToken string) error {
	if m.UserinfoEndpoint == "" {
		return nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.UserinfoEndpoint, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+accessToken)
	req.Header.Set("Accept", "application/json")
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusForbidden { // the scope openid does not come with this resource's token
		return nil
	}
	if resp.StatusCode != http.StatusOK {
		return &Refusal{Status: resp.StatusCode, Code: "userinfo"}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, bodyLimit))
	if err != nil {
		return err
	}
	about, err := strictjson.Object(body)
	if err != nil {
		return &ResponseError{errors.New("userinfo is no JSON object")}
	}
	if claims(about).text("sub") != c.text("sub") { // OpenID Connect Core section 5.3.2
		return untrusted("userinfo is about another user than the ID token")
	}
	for name, value := range about {
		if c[name] == nil {
			c[name] = value
		}
	}
	return nil
}
