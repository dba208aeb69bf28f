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

// WriteJSON answers with a JSON document. The type has no charset parameter (RFC 8259 section 11).
func WriteJSON(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may have gone; nobody is left to be told
	return nil
}

// WriteJWT answers with a signed document.
func WriteJWT(w http.ResponseWriter, mediaType, token string) {
	w.Header().Set("Content-Type", mediaType)
	_, _ = io.WriteString(w, token) // the client may have gone
}

// WriteError is the one exit for errors of JSON endpoints (RFC 6749 section 5.2, RFC 6750 section 3).
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

// SetRetryAfter says when it is worth trying again, in whole seconds (RFC 9110 section 10.2.3).
func SetRetryAfter(w http.ResponseWriter, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(wait.Seconds())))))
}

// Received is what the log has of a URI that is not registered: where it leads, and not what it carries.
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
