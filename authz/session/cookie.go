package session

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	sidBytes     = 16 // 128 bits
	secretBytes  = 32 // 256 bits
	browserBytes = 16

	sidLength     = 22 // characters of unpadded base64url
	secretLength  = 43
	browserLength = 22

	// maxCookies bounds the lookups of one request with many cookies of our name.
	maxCookies = 4
)

// ticket is the content of a session cookie.
type ticket struct{ sid, secret string }

func (t ticket) String() string { return t.sid + "." + t.secret }

// parseTicket reads a cookie's value. Every ticket has exactly one spelling.
func parseTicket(value string) (ticket, bool) {
	sid, secret, ok := strings.Cut(value, ".")
	if !ok || !wellFormed(sid, sidLength) || !wellFormed(secret, secretLength) {
		return ticket{}, false
	}
	return ticket{sid, secret}, true
}

// tickets returns the first few well-formed tickets of a request, by the place of their session.
func (m *Sessions) tickets(r *http.Request) (all [MaxAccounts][]ticket) {
	for _, c := range r.Cookies() {
		slot := slices.Index(m.slots[:], c.Name)
		if slot < 0 || len(all[slot]) == maxCookies {
			continue
		}
		if t, ok := parseTicket(c.Value); ok {
			all[slot] = append(all[slot], t)
		}
	}
	return all
}

// opens reports whether the ticket has the session's secret.
func (t ticket) opens(s *Session) bool {
	return subtle.ConstantTimeCompare([]byte(hash(t.secret)), []byte(s.SecretHash)) == 1
}

// Browser returns the name of this browser, which exists before anybody has signed in. A pending
// authorization is bound to it. If the browser has no cookie, it sets one, so call it once per request and
// before the response is written. The name is the hash of the cookie, so a reader of a record or a log can't
// pretend to be the browser.
//
// known is false if the cookie is new: this is the browser's first visit, or it keeps no cookies.
func (m *Sessions) Browser(w http.ResponseWriter, r *http.Request) (name string, known bool) {
	for _, c := range r.CookiesNamed(m.browserCookieName()) {
		if wellFormed(c.Value, browserLength) {
			return hash(c.Value), true
		}
	}
	value := random(browserBytes)
	m.SetCookie(w, m.browserCookieName(), value, 0)
	return hash(value), false
}

// deviceFor is how long a browser keeps the cookie by which users' devices are known: as long as browsers allow.
const deviceFor = 400 * 24 * time.Hour

// Device returns the device that a request comes from, as it is known to its users, or "". It is a hash of a cookie that
// outlives sessions.
func (m *Sessions) Device(r *http.Request) string {
	for _, c := range r.CookiesNamed(m.CookieName(deviceCookie)) {
		if wellFormed(c.Value, browserLength) {
			return hash(c.Value)
		}
	}
	return ""
}

// KeepDevice is Device for a user who has just signed in: it sets the cookie, or prolongs it.
func (m *Sessions) KeepDevice(w http.ResponseWriter, r *http.Request) string {
	value := random(browserBytes)
	for _, c := range r.CookiesNamed(m.CookieName(deviceCookie)) {
		if wellFormed(c.Value, browserLength) {
			value = c.Value
			break
		}
	}
	m.SetCookie(w, m.CookieName(deviceCookie), value, deviceFor)
	return hash(value)
}

const deviceCookie = "-device"

func (m *Sessions) browserCookieName() string { return m.CookieName("-browser") }

// pathTag is how many characters of the hash of an issuer's path are in its cookies' names.
const pathTag = 10

// CookieName returns the full name of one of our cookies. The prefix makes the browser refuse the cookie from
// subdomains and from plain http (RFC 6265bis section 4.1.3.2). It demands Path=/, so the browser sends the
// cookies of all issuers on a host to each of them, and the name tells them apart.
func (m *Sessions) CookieName(suffix string) string { return m.name + suffix }

// cookieName returns the beginning of all cookies' names.
func cookieName(config Config) string {
	name := "authzd"
	if config.Path != "" {
		name += "-" + hash(config.Path)[:pathTag]
	}
	if config.Secure {
		name = "__Host-" + name
	}
	return name
}

// SetCookie sets a cookie, by its CookieName, for lifetime: zero means until the browser closes, -1 s or less
// deletes it. It is SameSite=Lax because an upstream's callback is a cross-site top-level GET.
func (m *Sessions) SetCookie(w http.ResponseWriter, name, value string, lifetime time.Duration) {
	c := &http.Cookie{
		Name:     name,
		Value:    value,
		Path:     "/", // demanded by __Host-
		Secure:   m.config.Secure,
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode,
		MaxAge:   int(lifetime / time.Second),
	}
	http.SetCookie(w, c)
}

// random returns n random bytes as unpadded base64url.
func random(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// wellFormed reports whether s is n characters of canonical, unpadded base64url.
func wellFormed(s string, n int) bool {
	if len(s) != n {
		return false
	}
	_, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && !strings.ContainsAny(s, "\r\n") // which the decoder skips
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
