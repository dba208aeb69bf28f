package dpop

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"math"
	"strconv"
	"time"

	josejson "github.com/go-jose/go-jose/v4/json"
)

// claims are those of section 4.2, and the two of RFC 7519 that limit any JWT.
type claims struct {
	ID              string      `json:"jti"`
	Method          string      `json:"htm"`
	URI             string      `json:"htu"`
	IssuedAt        NumericDate `json:"iat"`
	AccessTokenHash string      `json:"ath"`
	Nonce           string      `json:"nonce"`
	Expires         NumericDate `json:"exp"`
	NotBefore       NumericDate `json:"nbf"`
}

func parseClaims(payload []byte) (*claims, error) {
	c := new(claims)
	if err := josejson.Unmarshal(payload, c); err != nil {
		return nil, &Error{"the proof's claims are malformed"}
	}
	return c, nil
}

// checkRequest does checks 3, 8 and 9 of section 4.3, and returns the htu in its normal form.
func (c *claims) checkRequest(want Request) (uri string, err error) {
	switch {
	case c.ID == "":
		return "", &Error{"the proof has no jti"}
	case len(c.ID) > maxJTI:
		return "", &Error{"the proof's jti is too long"}
	case c.Method == "":
		return "", &Error{"the proof has no htm"}
	case c.URI == "":
		return "", &Error{"the proof has no htu"}
	case c.IssuedAt.IsZero():
		return "", &Error{"the proof has no iat"}
	case c.Method != want.Method:
		return "", &Error{"the proof's htm is not this request's method"}
	}
	if uri, err = normalURI(c.URI); err != nil {
		return "", &Error{"the proof's htu is not an http or https URL"}
	}
	for _, target := range []string{want.URL, want.Alias} {
		if target, err := normalURI(target); err == nil && uri == target {
			return uri, nil
		}
	}
	return "", &Error{"the proof's htu is not this request's URL"}
}

// checkTime does checks 10 and 11 of section 4.3, of which one is enough, and returns until when the proof is
// valid.
func (c *claims) checkTime(nonces *Nonces, now time.Time) (until time.Time, err error) {
	switch {
	case nonces != nil && nonces.Valid(c.Nonce):
		return now.Add(nonceLife), nil
	case nonces != nil:
		return until, ErrNonce
	case !now.Before(c.IssuedAt.Add(MaxAge)):
		return until, &Error{"the proof is too old: is the client's clock slow?"}
	case c.IssuedAt.After(now.Add(MaxAhead)):
		return until, &Error{"the proof is from the future: is the client's clock fast?"}
	case !c.Expires.IsZero() && !now.Before(c.Expires.Add(MaxAhead)):
		return until, &Error{"the proof has expired"}
	case c.NotBefore.After(now.Add(MaxAhead)):
		return until, &Error{"the proof is not valid yet"}
	}
	return c.IssuedAt.Add(MaxAge), nil
}

// checkToken does the first half of check 12 of section 4.3. The caller does the other half, because it knows
// which key the token is bound to.
func (c *claims) checkToken(accessToken string) error {
	switch {
	case accessToken == "":
		return nil
	case c.AccessTokenHash == "":
		return &Error{"the proof has no ath"}
	case c.AccessTokenHash != tokenHash(accessToken):
		return &Error{"the proof's ath is not the hash of this access token"}
	}
	return nil
}

// tokenHash is the ath of an access token (section 4.2).
func tokenHash(token string) string {
	digest := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(digest[:])
}

// NumericDate is a JSON number of seconds since 1970, which may have a fraction (RFC 7519 section 2). Zero:
// the claim is absent or null.
type NumericDate struct{ time.Time }

// UnmarshalJSON refuses a number that is negative or beyond any clock.
func (d *NumericDate) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	seconds, err := strconv.ParseFloat(string(b), 64) // the decoder has checked that b is JSON
	if err != nil {
		return err
	}
	if seconds < 0 || seconds > 1<<40 {
		return errors.New("time out of range")
	}
	whole, fraction := math.Modf(seconds)
	d.Time = time.Unix(int64(whole), int64(fraction*1e9))
	return nil
}
