package relay

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// challengeParam finds the parameters of a challenge, each a token or a quoted string (RFC 9110 section 11.2).
var challengeParam = regexp.MustCompile(`([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))`)

// isStepUp reports whether an answer demands another sign-in (RFC 9470 section 3). A new token of the same sign-in would not
// help.
func isStepUp(h http.Header) bool { return challenge(h)["error"] == "insufficient_user_authentication" }

// challenge returns what the first challenge with an error says.
func challenge(h http.Header) map[string]string {
	for _, line := range h["Www-Authenticate"] {
		params := map[string]string{}
		for _, m := range challengeParam.FindAllStringSubmatch(line, -1) {
			if key := strings.ToLower(m[1]); params[key] == "" {
				params[key] = m[2] + m[3]
			}
		}
		if params["error"] != "" {
			return params
		}
	}
	return nil
}

const maxACR = 1000 // bytes of all values

var (
	acrValues = regexp.MustCompile(`^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$`)
	maxAge    = regexp.MustCompile(`^[0-9]{1,9}$`)
)

// stepUp returns the answer for the page if the API demands another sign-in, otherwise nil. The page has to send the
// browser to location, and may add where to return.
func (p *Relay) stepUp(answer *http.Response) *refusal {
	if answer.StatusCode != http.StatusUnauthorized || !isStepUp(answer.Header) || p.config.Login == "" {
		return nil
	}
	said, query := challenge(answer.Header), url.Values{}
	if acr := said["acr_values"]; len(acr) <= maxACR && acrValues.MatchString(acr) {
		query.Set("acr_values", acr)
	}
	if maxAge.MatchString(said["max_age"]) {
		query.Set("max_age", said["max_age"])
	}
	f := refuse(http.StatusUnauthorized, "insufficient_user_authentication", "the API demands that the user signs in again")
	f.location = p.config.Login
	if len(query) > 0 {
		f.location += "?" + query.Encode()
	}
	return f
}
