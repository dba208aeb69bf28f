package authz

import (
	"errors"
	"net/http"
	"time"

	"github.com/authzd/authzd/authz/account"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/storage"
)

// Error codes: RFC 6749 sections 4.1.2.1 and 5.2, RFC 6750 section 3.1, RFC 8628 section 3.5, RFC 8707
// section 2, RFC 9101 section 7, RFC 9396 section 5, OpenID Connect Core section 3.1.2.6 and its Unmet
// Authentication Requirements section 2. errRedirectURIMismatch is ours, for people: it never gets to
// a client.
const (
	errAccessDenied            = "access_denied"
	errAuthorizationPending    = "authorization_pending"
	errExpiredToken            = "expired_token"
	errSlowDown                = "slow_down"
	errConsentRequired         = "consent_required"
	errInsufficientScope       = "insufficient_scope"
	errAccountSelection        = "account_selection_required"
	errInvalidClientMetadata   = client.ErrInvalidMetadata
	errInvalidClient           = "invalid_client"
	errInvalidDPoPProof        = "invalid_dpop_proof"
	errInvalidDetails          = "invalid_authorization_details"
	errInvalidGrant            = "invalid_grant"
	errInvalidRequest          = "invalid_request"
	errInvalidRequestObject    = "invalid_request_object"
	errInvalidRequestURI       = "invalid_request_uri"
	errInvalidScope            = "invalid_scope"
	errInvalidTarget           = "invalid_target"
	errInvalidToken            = "invalid_token"
	errLoginRequired           = "login_required"
	errMethodNotAllowed        = "method_not_allowed"
	errRedirectURIMismatch     = "redirect_uri_mismatch"
	errRegistrationUnsupported = "registration_not_supported"
	errServerError             = "server_error"
	errTemporarilyUnavailable  = "temporarily_unavailable"
	errUnmetAuthentication     = "unmet_authentication_requirements"
	errUnauthorizedClient      = "unauthorized_client"
	errUnsupportedGrantType    = "unsupported_grant_type"
	errUnsupportedResponseMode = "unsupported_response_mode"
	errUnsupportedResponseType = "unsupported_response_type"
	errUseDPoPNonce            = "use_dpop_nonce"
)

// Error is what a client is told: a code, our own words, and nothing else. The cause goes to the log.
type Error struct {
	Status      int
	Code        string
	Description string // ASCII without quotes and backslashes (RFC 6749 section 5.2)
	page        string // what the error page says, where the code says too little
	cause       error
	retryAfter  time.Duration // when it is worth trying again; 0: nobody knows
	allowedBy   string        // what the operator may write to allow it, for the log; empty: nothing would
}

func (e *Error) Error() string {
	if e.cause != nil {
		return e.Code + ": " + e.Description + ": " + e.cause.Error()
	}
	return e.Code + ": " + e.Description
}

func (e *Error) Unwrap() error { return e.cause }

// refuse makes an Error with the status that its code has at a JSON endpoint.
func refuse(code, description string) *Error {
	return &Error{Status: statusOf(code), Code: code, Description: description}
}

// because keeps the private cause for the log.
func (e *Error) because(cause error) *Error {
	with := *e
	with.cause = cause
	return &with
}

// settingOf names a line of the configuration, and the client in whose entry it stands. It returns "" for a
// client that is not the operator's, and for one with a security profile, which leaves no choice.
func settingOf(c *client.Client, line string) string {
	if c.Source != client.Configured || c.Profile != "" {
		return ""
	}
	return line + " in the client " + c.ID
}

func statusOf(code string) int {
	switch code {
	case errInvalidClient, errInvalidToken:
		return http.StatusUnauthorized
	case errInsufficientScope:
		return http.StatusForbidden
	case errServerError:
		return http.StatusInternalServerError
	case errTemporarilyUnavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusBadRequest
}

// asError is the one place where errors of other packages become answers.
func asError(err error) *Error {
	var own *Error
	var registration *client.RegistrationError
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &registration):
		return refuse(registration.Code, registration.Description).because(err)
	case storage.IsConflict(err), errors.Is(err, storage.ErrContention):
		return refuse(errTemporarilyUnavailable, "Other requests for the same record were faster. Try again.").because(err)
	case errors.Is(err, storage.ErrUnavailable), errors.Is(err, storage.ErrClosed), errors.Is(err, account.ErrBusy):
		return refuse(errTemporarilyUnavailable, "The server cannot do this now. Try again in a moment.").because(err)
	}
	return refuse(errServerError, "Something went wrong on the server. The request id finds it in the log.").because(err)
}
