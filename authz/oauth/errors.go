// Package oauth has what all endpoints of OAuth 2.0 and OpenID Connect share: parameters, error codes,
// random tokens, and the issuer.
//
//	request -> RequestForm, RequestQuery -> parameters, checked and bounded
//	error   -> AsError -> WriteError: a code, our words, nothing else
//	answer  -> WriteJSON, WriteJWT
//	secret  -> NewToken -> the client;  HashToken -> the store
//	once    -> Marked? -> MarkOnce: a code, an assertion or a proof counts one time only
package oauth

import (
	"errors"
	"net/http"
	"time"

	"github.com/authzd/authzd/storage"
)

// Error codes: RFC 6749 sections 4.1.2.1 and 5.2, RFC 6750 section 3.1, RFC 8628 section 3.5, RFC 8707
// section 2, RFC 9101 section 7, RFC 9396 section 5, OpenID Connect Core section 3.1.2.6 and its Unmet
// Authentication Requirements section 2. RedirectURIMismatch is ours: the error page shows it, and no client
// gets it.
const (
	AccessDenied            = "access_denied"
	AuthorizationPending    = "authorization_pending"
	ExpiredToken            = "expired_token"
	SlowDown                = "slow_down"
	ConsentRequired         = "consent_required"
	InsufficientScope       = "insufficient_scope"
	AccountSelection        = "account_selection_required"
	InvalidClient           = "invalid_client"
	InvalidDPoPProof        = "invalid_dpop_proof"
	InvalidDetails          = "invalid_authorization_details"
	InvalidGrant            = "invalid_grant"
	InvalidRequest          = "invalid_request"
	InvalidRequestObject    = "invalid_request_object"
	InvalidRequestURI       = "invalid_request_uri"
	InvalidScope            = "invalid_scope"
	InvalidTarget           = "invalid_target"
	InvalidToken            = "invalid_token"
	LoginRequired           = "login_required"
	MethodNotAllowed        = "method_not_allowed"
	RedirectURIMismatch     = "redirect_uri_mismatch"
	RegistrationUnsupported = "registration_not_supported"
	ServerError             = "server_error"
	TemporarilyUnavailable  = "temporarily_unavailable"
	UnmetAuthentication     = "unmet_authentication_requirements"
	UnauthorizedClient      = "unauthorized_client"
	UnsupportedGrantType    = "unsupported_grant_type"
	UnsupportedResponseMode = "unsupported_response_mode"
	UnsupportedResponseType = "unsupported_response_type"
	UseDPoPNonce            = "use_dpop_nonce"
)

// Error is an error as a client sees it: a code and our own words. The cause goes to the log only.
type Error struct {
	Status      int           // of the HTTP answer
	Code        string        // one of the codes above
	Description string        // ASCII without quotes and backslashes (RFC 6749 section 5.2)
	Page        string        // the text of the error page, where the code says too little; empty: the code's text
	Cause       error         // for the log; may be nil
	RetryAfter  time.Duration // how long to wait before another try; 0: unknown
	AllowedBy   string        // the setting by which the operator can allow it, for the log; empty: there is none
}

// Error returns the text for the log, with the cause.
func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Code + ": " + e.Description + ": " + e.Cause.Error()
	}
	return e.Code + ": " + e.Description
}

// Unwrap returns the private cause, which may be nil.
func (e *Error) Unwrap() error { return e.Cause }

// Refuse returns an Error with the HTTP status that its code has at a JSON endpoint.
func Refuse(code, description string) *Error {
	return &Error{Status: statusOf(code), Code: code, Description: description}
}

// Because returns a copy of e with a private cause, for the log.
func (e *Error) Because(cause error) *Error {
	with := *e
	with.Cause = cause
	return &with
}

func statusOf(code string) int {
	switch code {
	case InvalidClient, InvalidToken:
		return http.StatusUnauthorized
	case InsufficientScope:
		return http.StatusForbidden
	case ServerError:
		return http.StatusInternalServerError
	case TemporarilyUnavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusBadRequest
}

// answerer is an error of another package that brings its code and description, in the form of Error's.
type answerer interface {
	error
	Answer() (code, description string)
}

// AsError returns the answer to an error. It is the one place where errors of other packages become answers:
// what it does not know is a ServerError without details.
func AsError(err error) *Error {
	var own *Error
	var known answerer
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &known):
		return Refuse(known.Answer()).Because(err)
	case storage.IsConflict(err), errors.Is(err, storage.ErrContention):
		return Refuse(TemporarilyUnavailable, "Other requests for the same record were faster. Try again.").Because(err)
	case errors.Is(err, storage.ErrUnavailable), errors.Is(err, storage.ErrClosed):
		return Refuse(TemporarilyUnavailable, "The server cannot do this now. Try again in a moment.").Because(err)
	}
	return Refuse(ServerError, "Something went wrong on the server. The request id finds it in the log.").Because(err)
}

// TokenRequired is the code of a request without credentials. Its challenge names no error (RFC 6750
// section 3.1).
const TokenRequired = "token_required"

// ErrNotFound is the answer to a path that no route has.
var ErrNotFound = &Error{Status: http.StatusNotFound, Code: "not_found", Description: "There is nothing at this address."}
