package admin

import (
	"fmt"
	"net/http"
	"strings"
)

const problemType = "application/problem+json"

// problemPrefix and a code form the type of a problem.
const problemPrefix = "urn:authzd:problem:"

// Codes of a Problem. They never change, because scripts depend on them.
const (
	CodeInvalidRequest       = "invalid_request"        // 400: the request cannot be read
	CodeInvalidPageToken     = "invalid_page_token"     // 400: made up, or of another list
	CodeUnauthorized         = "unauthorized"           // 401: no access token that counts
	CodeForbidden            = "forbidden"              // 403: the token's scope, or another site
	CodeNotFound             = "not_found"              // 404
	CodeMethodNotAllowed     = "method_not_allowed"     // 405
	CodeConflict             = "conflict"               // 409: as things are, it can't be done
	CodePreconditionFailed   = "precondition_failed"    // 412: the record has changed
	CodeTooLarge             = "too_large"              // 413
	CodeUnsupportedMediaType = "unsupported_media_type" // 415
	CodeMisdirected          = "misdirected"            // 421: the Host is not this server's
	CodeInvalid              = "invalid"                // 422: errors says what is wrong with which member
	CodePreconditionRequired = "precondition_required"  // 428: If-Match is missing
	CodeServerError          = "server_error"           // 500
	CodeMailFailed           = "mail_failed"            // 502: the mail server did not take a test mail
	CodeUnavailable          = "unavailable"            // 503: worth trying again
)

// Problem is an error of the API (RFC 9457).
type Problem struct {
	Type      string       `json:"type"`             // urn:authzd:problem: and the code
	Title     string       `json:"title"`            // of the status
	Status    int          `json:"status"`           // of HTTP
	Code      string       `json:"code"`             // for programs
	Detail    string       `json:"detail,omitempty"` // for people
	Hint      string       `json:"hint,omitempty"`   // what the caller can do
	RequestID string       `json:"request_id,omitempty"`
	Errors    []FieldError `json:"errors,omitempty"` // everything that is wrong, with code invalid

	cause error // for the log
}

// FieldError is a mistake in one member of the request.
type FieldError struct {
	Pointer string `json:"pointer"` // RFC 6901: which one
	Detail  string `json:"detail"`
	Hint    string `json:"hint,omitempty"`
}

func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.Code)
	if p.Detail != "" {
		b.WriteString(": " + p.Detail)
	}
	for _, e := range p.Errors {
		fmt.Fprintf(&b, "; %s: %s", e.Pointer, e.Detail)
	}
	if p.cause != nil {
		b.WriteString(": " + p.cause.Error())
	}
	return b.String()
}

func (p *Problem) Unwrap() error { return p.cause }

// Conflict is the problem of a request that can't be done as things are.
func Conflict(detail, hint string) *Problem {
	return &Problem{Status: http.StatusConflict, Code: CodeConflict, Detail: detail, Hint: hint}
}

// BadParam is the problem of a query parameter; why completes "The parameter NAME".
func BadParam(name, why string) *Problem {
	return &Problem{Status: http.StatusBadRequest, Code: CodeInvalidRequest, Detail: "The parameter " + name + " " + why + "."}
}
