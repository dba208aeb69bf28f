package client

import (
	"cmp"
	"encoding/json"
	"reflect"
	"strings"
	"unicode"

	"github.com/authzd/authzd/authz/strictjson"
)

// Codes of a RegistrationError (RFC 7591 section 3.2.2).
const (
	ErrInvalidRedirectURI                = "invalid_redirect_uri"
	ErrInvalidMetadata                   = "invalid_client_metadata"
	ErrInvalidSoftwareStatement          = "invalid_software_statement"
	ErrUnapprovedSoftwareStatement       = "unapproved_software_statement"
	maxRegistrationList                  = 20       // members of a list
	maxScopes                            = 256      // values in scope
	maxRegistrationValue                 = 2 << 10  // bytes of a string
	maxRegistrationStatement             = 16 << 10 // bytes of a software statement
	maxSeconds                     int64 = 1 << 31
)

// RegistrationError says what is wrong with a client's metadata, in words that quote nothing of it.
type RegistrationError struct {
	Code        string
	Description string // ASCII without quotes and backslashes
	cause       error
}

// Answer returns what the client is told (RFC 7591 section 3.2.2).
func (e *RegistrationError) Answer() (code, description string) { return e.Code, e.Description }

func (e *RegistrationError) Error() string {
	if e.cause != nil {
		return e.Code + ": " + e.Description + ": " + e.cause.Error()
	}
	return e.Code + ": " + e.Description
}

func (e *RegistrationError) Unwrap() error { return e.cause }

func invalidMetadata(description string) *RegistrationError {
	return &RegistrationError{Code: ErrInvalidMetadata, Description: description}
}

// Registration is what a client says of itself (RFC 7591 section 2, OpenID Connect Registration
// section 2 and the specifications that added to them). Other members, among them names in other
// languages (RFC 7591 section 2.2), are not registered.
type Registration struct {
	RedirectURIs            []string        `json:"redirect_uris,omitempty"`
	ApplicationType         string          `json:"application_type,omitempty"`
	ResponseTypes           []string        `json:"response_types,omitempty"`
	GrantTypes              []string        `json:"grant_types,omitempty"`
	TokenEndpointAuthMethod string          `json:"token_endpoint_auth_method,omitempty"`
	TokenEndpointAuthAlg    string          `json:"token_endpoint_auth_signing_alg,omitempty"`
	ClientName              string          `json:"client_name,omitempty"`
	ClientURI               string          `json:"client_uri,omitempty"`
	LogoURI                 string          `json:"logo_uri,omitempty"`
	PolicyURI               string          `json:"policy_uri,omitempty"`
	TOSURI                  string          `json:"tos_uri,omitempty"`
	Contacts                []string        `json:"contacts,omitempty"`
	Scope                   string          `json:"scope,omitempty"`
	JWKS                    json.RawMessage `json:"jwks,omitempty"`
	JWKSURI                 string          `json:"jwks_uri,omitempty"`
	SoftwareID              string          `json:"software_id,omitempty"`
	SoftwareVersion         string          `json:"software_version,omitempty"`
	SoftwareStatement       string          `json:"software_statement,omitempty"`

	// OpenID Connect Registration section 2.
	SubjectType            string   `json:"subject_type,omitempty"`
	SectorIdentifierURI    string   `json:"sector_identifier_uri,omitempty"`
	IDTokenAlg             string   `json:"id_token_signed_response_alg,omitempty"`
	UserInfoAlg            string   `json:"userinfo_signed_response_alg,omitempty"`
	RequestObjectAlg       string   `json:"request_object_signing_alg,omitempty"`
	DefaultMaxAge          *int64   `json:"default_max_age,omitempty"` // seconds
	RequireAuthTime        bool     `json:"require_auth_time,omitempty"`
	DefaultACRValues       []string `json:"default_acr_values,omitempty"`
	InitiateLoginURI       string   `json:"initiate_login_uri,omitempty"`
	RequestURIs            []string `json:"request_uris,omitempty"`
	PostLogoutRedirectURIs []string `json:"post_logout_redirect_uris,omitempty"`
	BackChannelURI         string   `json:"backchannel_logout_uri,omitempty"`
	BackChannelSession     bool     `json:"backchannel_logout_session_required,omitempty"`
	FrontChannelURI        string   `json:"frontchannel_logout_uri,omitempty"`
	FrontChannelSession    bool     `json:"frontchannel_logout_session_required,omitempty"`

	AuthorizationAlg string   `json:"authorization_signed_response_alg,omitempty"`          // JARM section 5
	IntrospectionAlg string   `json:"introspection_signed_response_alg,omitempty"`          // RFC 9701 section 6
	RequirePAR       bool     `json:"require_pushed_authorization_requests,omitempty"`      // RFC 9126 section 6
	RequireSigned    bool     `json:"require_signed_request_object,omitempty"`              // RFC 9101 section 10.5
	DPoPBound        bool     `json:"dpop_bound_access_tokens,omitempty"`                   // RFC 9449 section 5.2
	TLSBound         bool     `json:"tls_client_certificate_bound_access_tokens,omitempty"` // RFC 8705 section 3.4
	TLSSubjectDN     string   `json:"tls_client_auth_subject_dn,omitempty"`                 // RFC 8705 section 2.1.2
	TLSSubjectDNS    string   `json:"tls_client_auth_san_dns,omitempty"`
	TLSSubjectURI    string   `json:"tls_client_auth_san_uri,omitempty"`
	TLSSubjectIP     string   `json:"tls_client_auth_san_ip,omitempty"`
	TLSSubjectEmail  string   `json:"tls_client_auth_san_email,omitempty"`
	DetailTypes      []string `json:"authorization_details_types,omitempty"` // RFC 9396 section 10
	RequirePKCE      bool     `json:"require_pkce,omitempty"`                // ours: confidential clients may do without

	methodUnsaid bool // TokenEndpointAuthMethod is the default of RFC 7591 section 2
}

// Information is a Registration with what the server adds to it (RFC 7591 section 3.2.1, RFC 7592
// section 3).
type Information struct {
	ClientID                string `json:"client_id,omitempty"`
	ClientSecret            string `json:"client_secret,omitempty"`
	ClientSecretExpiresAt   *int64 `json:"client_secret_expires_at,omitempty"` // 0: never; nil: there is no secret
	ClientIDIssuedAt        *int64 `json:"client_id_issued_at,omitempty"`      // seconds since 1970
	RegistrationAccessToken string `json:"registration_access_token,omitempty"`
	RegistrationClientURI   string `json:"registration_client_uri,omitempty"`
	Registration
}

// Kept is what is stored of a completed registration. Members that the client did not send are left out, so
// that they can be told from those that it did.
func (r *Registration) Kept() ([]byte, error) {
	kept := *r
	if r.methodUnsaid {
		kept.TokenEndpointAuthMethod = ""
	}
	return json.Marshal(&kept)
}

// Shown is what its client is told of a stored registration: the defaults are filled in (RFC 7591
// section 3.2.1).
func (r *Registration) Shown() Registration {
	shown := *r
	shown.TokenEndpointAuthMethod = cmp.Or(r.TokenEndpointAuthMethod, AuthBasic)
	return shown
}

// ParseRegistration reads a registration request, or a stored registration. It checks shapes and
// sizes; Complete checks what the members say. The error is a *RegistrationError.
func ParseRegistration(body []byte) (*Information, error) {
	members, err := strictjson.Object(body)
	if err != nil {
		return nil, invalidMetadata("The metadata is no JSON object that can be used: " + err.Error() + ".")
	}
	info := new(Information)
	if err := decodeMembers(members, info); err != nil {
		return nil, err
	}
	return info, nil
}

// Override lets the claims of a software statement win over what the client says itself (RFC 7591
// section 2.3).
func (r *Registration) Override(claims []byte) error {
	members, err := strictjson.Object(claims)
	if err != nil {
		return &RegistrationError{Code: ErrInvalidSoftwareStatement, Description: "The claims of the software_statement are no JSON object.", cause: err}
	}
	delete(members, "software_statement")
	return decodeMembers(members, r)
}

// encryption is what no client can have: nothing is encrypted to clients here.
var encryption = []string{
	"id_token_encrypted_response_alg", "id_token_encrypted_response_enc",
	"userinfo_encrypted_response_alg", "userinfo_encrypted_response_enc",
	"request_object_encryption_alg", "request_object_encryption_enc",
	"authorization_encrypted_response_alg", "authorization_encrypted_response_enc",
	"introspection_encrypted_response_alg", "introspection_encrypted_response_enc",
}

// decodeMembers sets the fields of a struct from the members of their names; null is as if absent
// (RFC 7592 section 2.2).
func decodeMembers(members map[string]json.RawMessage, into any) error {
	for _, name := range encryption {
		if raw, ok := members[name]; ok && string(raw) != "null" {
			return invalidMetadata("Encryption is not offered: leave " + name + " out.")
		}
	}
	v := reflect.ValueOf(into).Elem()
	for _, f := range reflect.VisibleFields(v.Type()) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		raw, ok := members[name]
		if f.Anonymous || !f.IsExported() || !ok || string(raw) == "null" {
			continue
		}
		field := v.FieldByIndex(f.Index)
		field.SetZero() // a list is replaced, not appended to
		if err := json.Unmarshal(raw, field.Addr().Interface()); err != nil {
			return invalidMetadata("The member " + name + " is not " + shapes[f.Type] + ".")
		}
		if err := checkSize(name, field.Interface()); err != nil {
			return err
		}
	}
	return nil
}

var shapes = map[reflect.Type]string{
	reflect.TypeFor[string]():          "a string",
	reflect.TypeFor[bool]():            "true or false",
	reflect.TypeFor[[]string]():        "a list of strings",
	reflect.TypeFor[*int64]():          "a whole number",
	reflect.TypeFor[json.RawMessage](): "JSON",
}

func checkSize(name string, value any) error {
	switch value := value.(type) {
	case string:
		limit := maxRegistrationValue
		if name == "software_statement" {
			limit = maxRegistrationStatement
		}
		return checkText(name, value, limit)
	case []string:
		if len(value) > maxRegistrationList {
			return invalidMetadata("The member " + name + " is too long a list.")
		}
		for _, s := range value {
			if err := checkText(name, s, maxRegistrationValue); err != nil {
				return err
			}
		}
	case *int64:
		if *value < 0 || *value > maxSeconds {
			return invalidMetadata("The member " + name + " is too small or too large.")
		}
	}
	return nil
}

func checkText(name, s string, limit int) error {
	if len(s) > limit || strings.ContainsFunc(s, unicode.IsControl) {
		return invalidMetadata("The member " + name + " is too long or contains control characters.")
	}
	return nil
}
