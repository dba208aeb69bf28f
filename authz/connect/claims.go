package connect

import (
	"encoding/json"
	"net/mail"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The most bytes that are accepted of a claim.
const (
	maxText  = 255 // as OpenID Connect Core section 2 limits sub
	maxEmail = 254 // RFC 5321
	maxURL   = 2048
	maxList  = 16 // members
)

// claims are those of an ID token or of userinfo, by exact name: encoding/json would take "Email" for
// "email", and users can often choose the former.
type claims map[string]json.RawMessage

func (c claims) has(name string) bool { return c[name] != nil && string(c[name]) != "null" }

// text returns a string claim, or "" if it is absent, not a string, longer than most bytes, or not clean.
func (c claims) text(name string, most int) string {
	var s string
	if json.Unmarshal(c[name], &s) != nil || len(s) > most || !isClean(s) {
		return ""
	}
	return s
}

// texts returns a claim that is a list of strings, or nil.
func (c claims) texts(name string) []string {
	var list []string
	if json.Unmarshal(c[name], &list) != nil || len(list) > maxList {
		return nil
	}
	for _, s := range list {
		if len(s) > maxText || !isClean(s) {
			return nil
		}
	}
	return list
}

// audience returns aud, which may be one string or a list (RFC 7519 section 4.1.3).
func (c claims) audience() []string {
	if one := c.text("aud", maxText); one != "" {
		return []string{one}
	}
	return c.texts("aud")
}

// time returns a NumericDate (RFC 7519 section 2), or the zero time if it is absent, not a number, or out of
// range.
func (c claims) time(name string) time.Time {
	var seconds *float64
	const most = 1 << 40 // beyond any year that can be written
	if json.Unmarshal(c[name], &seconds) != nil || seconds == nil || *seconds <= 0 || *seconds > most {
		return time.Time{}
	}
	return time.Unix(int64(*seconds), 0)
}

// isTrue accepts the string "true" too, which some upstreams send for email_verified.
func (c claims) isTrue(name string) bool {
	return string(c[name]) == `true` || string(c[name]) == `"true"`
}

// email returns a bare address.
func (c claims) email() string {
	s := c.text("email", maxEmail)
	address, err := mail.ParseAddress(s)
	if err != nil || address.Address != s {
		return ""
	}
	return s
}

// picture returns an https URL.
func (c claims) picture() string {
	s := c.text("picture", maxURL)
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return ""
	}
	return s
}

// isClean accepts valid text without control characters, line breaks and marks that change the direction of
// the following text. The JSON decoder replaces invalid text by U+FFFD, which could make two subjects equal.
func isClean(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return r == utf8.RuneError || unicode.IsControl(r) ||
			unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
	})
}

// ValidSubject reports whether a value is a possible subject of an upstream (OpenID Connect Core section 2).
func ValidSubject(s string) bool { return s != "" && len(s) <= maxText && isClean(s) }

// fill takes missing claims of the ID token from userinfo. An e-mail address and its verification belong
// together. Nothing else is taken: other claims count only if they are signed.
func (c claims) fill(userinfo claims) {
	if c.email() == "" {
		c["email"], c["email_verified"] = userinfo["email"], userinfo["email_verified"]
	}
	for _, name := range []string{"name", "given_name", "family_name", "preferred_username", "picture", "locale"} {
		if !c.has(name) {
			c[name] = userinfo[name]
		}
	}
}

// identity returns what the claims say, for any upstream. The subject has been checked.
func (o *openID) identity(c claims, a Attempt) Identity {
	email := c.email()
	authTime := c.time("auth_time")
	now := time.Now()
	stale := checkAge(c, a, now) != nil
	switch {
	case o.cfg.TrustFreshLogin && (authTime.IsZero() || stale):
		authTime, stale = now, false
	case stale:
		authTime = time.Time{}
	}
	verified := c.isTrue("email_verified") && o.cfg.EmailVerified != EmailNever || o.cfg.EmailVerified == EmailAlways
	return Identity{
		Connector:         o.cfg.ID,
		Issuer:            o.cfg.Issuer,
		Subject:           c.text("sub", maxText),
		Email:             email,
		EmailVerified:     email != "" && verified,
		Name:              c.text("name", maxText),
		GivenName:         c.text("given_name", maxText),
		FamilyName:        c.text("family_name", maxText),
		PreferredUsername: c.text("preferred_username", maxText),
		Picture:           c.picture(),
		Locale:            c.text("locale", maxText),
		AuthTime:          authTime,
		AMR:               c.texts("amr"),
		ACR:               c.text("acr", maxText),
		Unproven:          stale,
	}
}
