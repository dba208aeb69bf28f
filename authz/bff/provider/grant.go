package provider

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// Grant is what a sign-in or a refresh brings.
type Grant struct {
	User *User // nil: the answer says nothing new about the user
	// GrantID is the gid of an access token of authzd's; empty: unknown. It is a hint: a client must not rely on
	// what is in an access token (RFC 9068 section 6). The revocation feed names some ends by nothing else.
	GrantID      string
	RefreshToken string
	IDToken      string
	Resource     string // that the access token is for
	AccessToken  string
	ExpiresAt    time.Time // of the access token, by this machine's clock; zero: unknown
	IssuedAt     time.Time // by the provider's clock; never later than the tokens say
}

// User is what a provider says about a user.
type User struct {
	Subject  string
	SID      string // of the provider's session; empty: unknown
	ACR      string
	AMR      []string
	Roles    []string
	Groups   []string
	Claims   json.RawMessage // others, such as name and email; nil: none
	AuthTime time.Time       // zero: unknown
}

// Refusal is an error answer of an endpoint (RFC 6749 section 5.2).
type Refusal struct {
	Status int
	Code   string // such as invalid_grant; empty: the answer had none
}

func (e *Refusal) Error() string {
	if e.Code == "" {
		return fmt.Sprintf("the provider answered %d %s", e.Status, http.StatusText(e.Status))
	}
	return fmt.Sprintf("the provider answered %d %s", e.Status, e.Code)
}

// ResponseError says that a callback is not the answer to the sign-in that it belongs to, or that the provider's word
// cannot be taken. No session may come of it.
type ResponseError struct{ Err error }

func (e *ResponseError) Error() string { return e.Err.Error() }
func (e *ResponseError) Unwrap() error { return e.Err }

// AuthorizationError is an error that the provider sent the browser back with (RFC 6749 section 4.1.2.1, OpenID Connect
// Core section 3.1.2.6).
type AuthorizationError struct {
	Code        string
	Description string // of the provider, for the log
}

func (e *AuthorizationError) Error() string {
	return fmt.Sprintf("the provider sent the error %s: %q", e.Code, e.Description)
}

func untrusted(format string, args ...any) error { return &ResponseError{fmt.Errorf(format, args...)} }
