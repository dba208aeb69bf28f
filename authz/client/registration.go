package client

import (
	"cmp"
	"encoding/json"
	"reflect"
	"strings"
	"unicode"

	"github.com/authzd/authzd/authz/member"
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
// section 2 and the specifications that added to them): the members of Metadata that are tagged register, and
// these. Other members, among them names in other languages (RFC 7591 section 2.2), are not registered.
type Registration struct {
	Metadata

	ApplicationType   string   `json:"application_type,omitempty"`
	Contacts          []string `json:"contacts,omitempty"`
	SoftwareID        string   `json:"software_id,omitempty"`
	SoftwareVersion   string   `json:"software_version,omitempty"`
	SoftwareStatement string   `json:"software_statement,omitempty"`

	methodUnsaid bool // AuthMethod is the default of RFC 7591 section 2
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
		kept.AuthMethod = ""
	}
	return json.Marshal(&kept)
}

// Shown is what its client is told of a stored registration: the defaults are filled in (RFC 7591
// section 3.2.1).
func (r *Registration) Shown() Registration {
	shown := *r
	shown.AuthMethod = cmp.Or(r.AuthMethod, AuthBasic)
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
// (RFC 7592 section 2.2). Of Metadata, it sets those that a client may say of itself.
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
		if f.Anonymous || !f.IsExported() || !ok || string(raw) == "null" || !isTheirs(v.Type(), f) {
			continue
		}
		field := v.FieldByIndex(f.Index)
		field.SetZero() // a list is replaced, not appended to
		if err := decodeMember(name, raw, field); err != nil {
			return err
		}
	}
	return nil
}

// isTheirs reports whether a client may say this of itself.
func isTheirs(t reflect.Type, f reflect.StructField) bool {
	owner := t
	if above := f.Index[:len(f.Index)-1]; len(above) > 0 {
		owner = t.FieldByIndex(above).Type
	}
	return owner != reflect.TypeFor[Metadata]() || f.Tag.Get("register") != ""
}

func decodeMember(name string, raw json.RawMessage, field reflect.Value) error {
	into := field.Addr().Interface()
	text := new(string)
	if field.Type() == reflect.TypeFor[member.Scopes]() {
		into = text // whose size and characters count as they were sent
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return invalidMetadata("The member " + name + " is not " + shapes[field.Type()] + ".")
	}
	if into == text {
		field.Set(reflect.ValueOf(member.Scopes(strings.Fields(*text))))
		return checkText(name, *text, maxRegistrationValue)
	}
	return checkSize(name, field.Interface())
}

var shapes = map[reflect.Type]string{
	reflect.TypeFor[string]():        "a string",
	reflect.TypeFor[member.Scopes](): "a string",
	reflect.TypeFor[bool]():          "true or false",
	reflect.TypeFor[*bool]():         "true or false",
	reflect.TypeFor[[]string]():      "a list of strings",
	reflect.TypeFor[*int]():          "a whole number",
	reflect.TypeFor[*int64]():        "a whole number",
	reflect.TypeFor[JWKS]():          "JSON",
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
	case *int:
		return checkSeconds(name, int64(*value))
	case *int64:
		return checkSeconds(name, *value)
	}
	return nil
}

func checkSeconds(name string, value int64) error {
	if value < 0 || value > maxSeconds {
		return invalidMetadata("The member " + name + " is too small or too large.")
	}
	return nil
}

func checkText(name, s string, limit int) error {
	if len(s) > limit || strings.ContainsFunc(s, unicode.IsControl) {
		return invalidMetadata("The member " + name + " is too long or contains control characters.")
	}
	return nil
}
