package websession

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
)

const (
	idBytes      = 32       // of the value of a cookie: 256 bits
	maxCookies   = 32 << 10 // bytes of all cookies of a request
	maxSameNamed = 4        // cookies of our name that are looked up
)

// CookieName returns the name of a frontend's session cookie. Browsers that know the prefix __Host-Http- demand that
// such a cookie is Secure, HttpOnly, without Domain and was set over HTTP; others know its beginning, __Host-.
func CookieName(frontend string, insecure bool) string {
	if insecure {
		return frontend
	}
	return "__Host-Http-" + frontend
}

// CookieName returns the name of the session cookie.
func (s *Sessions) CookieName() string { return s.cookie }

// newValue returns a value for a cookie and the ID of its session.
func newValue() (value, id string) {
	raw := make([]byte, idBytes)
	rand.Read(raw) // never fails
	value = base64.RawURLEncoding.EncodeToString(raw)
	return value, Hash(value)
}

// Hash returns the SHA-256 of a random value, under which a store knows it, as unpadded base64url.
func Hash(value string) string {
	sum := sha256.Sum256([]byte(value))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// isValue reports whether a cookie has the form that newValue gives it.
func isValue(value string) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(value)
	return err == nil && len(raw) == idBytes
}

// values returns the values of the cookies that have our name. Two happen by themselves: another path or a parent
// domain can have set one where a browser does not know our prefix.
func (s *Sessions) values(r *http.Request) ([]string, error) {
	if err := CheckCookies(r); err != nil {
		return nil, err
	}
	var values []string
	for _, c := range r.CookiesNamed(s.cookie) {
		if len(values) < maxSameNamed {
			values = append(values, c.Value)
		}
	}
	return values, nil
}

// CheckCookies returns ErrCookies if a request has more cookies than any browser collects by itself.
func CheckCookies(r *http.Request) error {
	size := 0
	for _, line := range r.Header["Cookie"] {
		size += len(line)
	}
	if size > maxCookies {
		return ErrCookies
	}
	return nil
}

// HasCookie reports whether the request has a cookie of our name. The cookie may be worthless.
func (s *Sessions) HasCookie(r *http.Request) bool {
	return len(r.CookiesNamed(s.cookie)) > 0
}

// setCookie gives the browser the session. It has no Max-Age: the browser forgets it when it is closed.
func (s *Sessions) setCookie(w http.ResponseWriter, value string) {
	http.SetCookie(w, s.newCookie(value))
}

func (s *Sessions) newCookie(value string) *http.Cookie {
	return &http.Cookie{Name: s.cookie, Value: value, Path: "/", Secure: !s.Insecure, HttpOnly: true, SameSite: s.SameSite}
}

// DropCookie removes the session from the browser.
func (s *Sessions) DropCookie(w http.ResponseWriter) {
	c := s.newCookie("")
	c.MaxAge = -1
	http.SetCookie(w, c)
}
