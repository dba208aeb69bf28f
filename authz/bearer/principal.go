package bearer

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	josejson "github.com/go-jose/go-jose/v4/json"

	"github.com/authzd/authzd/authz/dpop"
)

// Principal is the party that a request acts for, the user (or the client, if it acts for itself), and the
// client that sends the request.
type Principal struct {
	Issuer    string
	Subject   string   // sub; unique together with Issuer
	ClientID  string   // client_id
	Audience  []string // aud
	Scopes    []string // scope
	Roles     []string // roles (RFC 9068 section 2.2.3.1)
	Groups    []string // groups
	GrantID   string   // gid: authzd's grant, which revocation ends
	SessionID string   // sid, if there is a session
	ID        string   // jti
	Expires   time.Time
	IssuedAt  time.Time
	AuthTime  time.Time // zero: unknown
	ACR       string

	KeyThumbprint         string // cnf.jkt: the DPoP key that the token is bound to (RFC 9449 section 6.1)
	CertificateThumbprint string // cnf.x5t#S256: the certificate that it is bound to (RFC 8705 section 3.1)

	Actor                *Actor                // act: the party that acts for Subject (RFC 8693 section 4.1); nil: none
	AuthorizationDetails []AuthorizationDetail // authorization_details (RFC 9396 section 9.1)

	payload []byte // of the token; nil: there was none
}

// Actor is a party that acts for the subject of a token.
type Actor struct {
	Issuer   string `json:"iss"` // empty: that of the token
	Subject  string `json:"sub"`
	ClientID string `json:"client_id"`
	Actor    *Actor `json:"act"` // the earlier actor; for the record, not for decisions
}

// AuthorizationDetail is one thing that the token allows, in more detail than a scope (RFC 9396 section 2).
// The fields are the members that all types share.
type AuthorizationDetail struct {
	Type       string   `json:"type"`
	Locations  []string `json:"locations"`
	Actions    []string `json:"actions"`
	DataTypes  []string `json:"datatypes"`
	Identifier string   `json:"identifier"`
	Privileges []string `json:"privileges"`

	raw []byte
}

// Decode unmarshals the whole object into v, as encoding/json does.
func (d *AuthorizationDetail) Decode(v any) error {
	if err := json.Unmarshal(d.raw, v); err != nil {
		return fmt.Errorf("bearer: decode authorization details: %w", err)
	}
	return nil
}

func (p *Principal) bound() bool { return p.KeyThumbprint != "" || p.CertificateThumbprint != "" }

// HasScope reports whether the token carries the scope.
func (p *Principal) HasScope(scope string) bool { return slices.Contains(p.Scopes, scope) }

// HasRole reports whether the user has the role.
func (p *Principal) HasRole(role string) bool { return slices.Contains(p.Roles, role) }

// Decode unmarshals all claims of the token into v, as encoding/json does. It fails if the Principal did not
// come from a token.
func (p *Principal) Decode(v any) error {
	if p.payload == nil {
		return errors.New("bearer: the principal has no token")
	}
	if err := json.Unmarshal(p.payload, v); err != nil {
		return fmt.Errorf("bearer: decode claims: %w", err)
	}
	return nil
}

// claims are those of RFC 9068 section 2.2, authzd's gid, and those that show that a JWT is not an access
// token.
type claims struct {
	Issuer    string           `json:"iss"`
	Subject   string           `json:"sub"`
	ClientID  string           `json:"client_id"`
	Audience  audience         `json:"aud"`
	Scope     string           `json:"scope"`
	Roles     values           `json:"roles"`
	Groups    values           `json:"groups"`
	GrantID   string           `json:"gid"`
	SessionID string           `json:"sid"`
	ID        string           `json:"jti"`
	Expires   dpop.NumericDate `json:"exp"`
	IssuedAt  dpop.NumericDate `json:"iat"`
	NotBefore dpop.NumericDate `json:"nbf"`
	AuthTime  dpop.NumericDate `json:"auth_time"`
	ACR       string           `json:"acr"`

	Confirmation *confirmation         `json:"cnf"` // RFC 7800
	Actor        *Actor                `json:"act"`
	Details      []josejson.RawMessage `json:"authorization_details"`

	Nonce      any `json:"nonce"`   // ID token
	AccessHash any `json:"at_hash"` // ID token
	CodeHash   any `json:"c_hash"`  // ID token
	Events     any `json:"events"`  // logout token, security event token
}

type confirmation struct {
	JKT string `json:"jkt"`
	X5T string `json:"x5t#S256"`
}

// notAccess recognises other JWTs of an issuer that types all of them "JWT".
func (c *claims) notAccess() bool {
	return c.Nonce != nil || c.AccessHash != nil || c.CodeHash != nil || c.Events != nil
}

// unknownBinding recognises a token that is bound to a key in another way than those of RFC 8705 and RFC 9449.
func (c *claims) unknownBinding() bool {
	return c.Confirmation != nil && c.Confirmation.JKT == "" && c.Confirmation.X5T == ""
}

// parseClaims uses go-jose's decoder, which refuses a repeated member and doesn't take "ISS" for "iss".
func parseClaims(payload []byte) (*claims, error) {
	c := new(claims)
	if err := josejson.Unmarshal(payload, c); err != nil {
		return nil, &TokenError{"the token's claims are malformed"}
	}
	return c, nil
}

func (c *claims) principal(payload []byte) (*Principal, error) {
	p := &Principal{
		Issuer:    c.Issuer,
		Subject:   c.Subject,
		ClientID:  c.ClientID,
		Audience:  c.Audience,
		Scopes:    strings.Fields(c.Scope),
		Roles:     c.Roles,
		Groups:    c.Groups,
		GrantID:   c.GrantID,
		SessionID: c.SessionID,
		ID:        c.ID,
		Expires:   c.Expires.Time,
		IssuedAt:  c.IssuedAt.Time,
		AuthTime:  c.AuthTime.Time,
		ACR:       c.ACR,
		Actor:     c.Actor,
		payload:   payload,
	}
	if c.Confirmation != nil {
		p.KeyThumbprint, p.CertificateThumbprint = c.Confirmation.JKT, c.Confirmation.X5T
	}
	for _, raw := range c.Details {
		detail := AuthorizationDetail{raw: raw}
		if err := josejson.Unmarshal(raw, &detail); err != nil || detail.Type == "" {
			return nil, &TokenError{"the token's authorization_details are malformed"}
		}
		p.AuthorizationDetails = append(p.AuthorizationDetails, detail)
	}
	return p, nil
}

// audience is a string or an array of strings (RFC 7519 section 4.1.3).
type audience []string

func (a *audience) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		*a = make(audience, 1)
		return json.Unmarshal(b, &(*a)[0])
	}
	return json.Unmarshal(b, (*[]string)(a))
}

// values are roles or groups: strings, or objects with a value, as in SCIM (RFC 7643 section 4.1.2), from
// where RFC 9068 takes them.
type values []string

func (vs *values) UnmarshalJSON(b []byte) error {
	var plain []string
	if err := json.Unmarshal(b, &plain); err == nil {
		*vs = plain
		return nil
	}
	var objects []struct {
		Value string `json:"value"`
	}
	if err := json.Unmarshal(b, &objects); err != nil {
		return err
	}
	*vs = make(values, len(objects))
	for i, o := range objects {
		(*vs)[i] = o.Value
	}
	return nil
}
