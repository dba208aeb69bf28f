package oauth

import (
	"net/url"
	"strings"
)

// A request must cost little until its sender is authenticated. Libraries compare the values of a parameter
// with one another, so their number is bounded first. Honest requests stay far below these bounds.
const (
	maxPairs  = 256      // names with values in a query or form
	maxRepeat = 64       // values of a parameter that may be repeated
	maxWords  = 256      // values in a parameter that is a list
	maxValue  = 16 << 10 // bytes of a parameter, with all its values
)

// holdLists names the parameters that are lists of words with spaces between them (RFC 6749 sections 3.1.1
// and 3.3, OpenID Connect Core section 3.1.2.1).
var holdLists = setOf("scope", "response_type", "prompt", "acr_values", "ui_locales", "claims_locales")

var errTooManyParameters = Refuse(InvalidRequest, "There are too many parameters, or they are too long.")

// tooManyPairs reports whether encoded text has more than maxPairs parameters.
func tooManyPairs(raw string) bool { return strings.Count(raw, "&") >= maxPairs }

// checkBounds refuses a parameter with too many values or bytes.
func checkBounds(values url.Values) error {
	for name, vs := range values {
		if len(vs) > maxRepeat {
			return Refuse(InvalidRequest, "A parameter is repeated too often.")
		}
		bytes := 0
		for _, v := range vs {
			bytes += len(v)
			if len(v) >= 2*maxWords && holdLists[name] && tooManyWords(v) { // shorter lists have room for fewer
				return Refuse(InvalidRequest, "A parameter has too many values.")
			}
		}
		if bytes > maxValue && name != "request" { // a request object has another limit
			return Refuse(InvalidRequest, "A parameter is too long.")
		}
	}
	return nil
}

// tooManyWords reports whether a list has more than maxWords words. It stops counting there.
func tooManyWords(list string) bool {
	words := 0
	for range strings.FieldsSeq(list) {
		if words++; words > maxWords {
			return true
		}
	}
	return false
}
