package oauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// WriteJSON answers with v as JSON. The media type has no charset parameter (RFC 8259 section 11). It returns
// an error, and writes nothing, if v cannot be encoded.
func WriteJSON(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // fails only if the client has gone
	return nil
}

// WriteJWT answers with a signed JWT of the given media type.
func WriteJWT(w http.ResponseWriter, mediaType, token string) {
	w.Header().Set("Content-Type", mediaType)
	_, _ = io.WriteString(w, token) // fails only if the client has gone
}

// WriteError is the one exit for errors of JSON endpoints (RFC 6749 section 5.2, RFC 6750 section 3). realm is
// the realm of the Basic challenge that a 401 gets if the endpoint has set no challenge.
func WriteError(w http.ResponseWriter, realm string, e *Error) {
	h := w.Header()
	if e.RetryAfter > 0 {
		SetRetryAfter(w, e.RetryAfter)
	}
	switch {
	case h.Get("WWW-Authenticate") != "": // the endpoint has its own challenge
	case e.Status == http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Basic realm="`+realm+`"`)
	case e.Status == http.StatusServiceUnavailable && e.RetryAfter == 0:
		h.Set("Retry-After", "1")
	}
	// Marshalling three strings cannot fail.
	_ = WriteJSON(w, e.Status, map[string]string{"error": e.Code, "error_description": e.Description})
}

// SetRetryAfter sets the header Retry-After, in whole seconds and at least one (RFC 9110 section 10.2.3).
func SetRetryAfter(w http.ResponseWriter, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(wait.Seconds())))))
}

// Received returns an error for the log that describes a URI which is not registered: its scheme, host and
// path, without user, query and fragment, which may be secret.
func Received(uri string) error {
	u, err := url.Parse(uri)
	if err != nil || !u.IsAbs() {
		return errors.New("received no absolute URI")
	}
	place := url.URL{Scheme: u.Scheme, OmitHost: u.OmitHost, Host: u.Host, Path: u.Path}
	if u.RawQuery != "" {
		place.RawQuery = "…"
	}
	return errors.New("received " + place.String())
}
