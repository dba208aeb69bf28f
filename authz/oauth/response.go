package oauth

import (
	"net/url"
	"strings"
)

// Response modes (OAuth 2.0 Multiple Response Types section 2.1, Form Post Response Mode
// section 2).
const (
	ModeQuery    = "query"
	ModeFragment = "fragment"
	ModeFormPost = "form_post"
)

// WithParams appends parameters to a URI: as its fragment if mode is ModeFragment, and otherwise to its query,
// which stays byte for byte as it is registered.
func WithParams(uri string, mode string, params url.Values) string {
	switch {
	case mode == ModeFragment:
		return uri + "#" + params.Encode()
	case strings.HasSuffix(uri, "?"), strings.HasSuffix(uri, "&"):
		return uri + params.Encode()
	case strings.Contains(uri, "?"):
		return uri + "&" + params.Encode()
	}
	return uri + "?" + params.Encode()
}
