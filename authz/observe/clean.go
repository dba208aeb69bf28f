package observe

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// secretPrefixes begin credentials that can be recognised: authzd's refresh tokens, codes, device codes,
// opaque access tokens, registration access tokens and client secrets, any JWT, Google's access tokens and
// client secrets.
var secretPrefixes = []string{"azr_", "azc_", "azd_", "azt_", "azg_", "azs_", "eyJ", "ya29.", "GOCSPX-"}

// credentials finds what must not be in a log even if an error quotes it: the above, parameters with a
// credential (of a form, a URL or JSON), and Authorization headers.
var credentials = regexp.MustCompile(`(?:az[rcdtgs]_|eyJ|ya29\.|GOCSPX-)[A-Za-z0-9._~+/=-]*` +
	`|(?i:\b(?:code|code_verifier|device_code|client_secret|secret|password|token|access_token|refresh_token|id_token|id_token_hint|` +
	`assertion|client_assertion|subject_token|actor_token|state|nonce)(?:=|%3d|"\s*:\s*")[^\s&"']*)` +
	`|\b(?:[Bb][Ee][Aa][Rr][Ee][Rr]|[Bb][Aa][Ss][Ii][Cc])\s+[A-Za-z0-9._~+/=-]{8,}`)

// markers: credentials finds something only if the string in lower case contains one of these.
var markers = []string{"azr_", "azc_", "azd_", "azt_", "azg_", "azs_", "eyj", "ya29.", "gocspx-", "=", "%3d", `"`, "bearer", "basic"}

const redacted = "[redacted]"

// Clean prepares a value for a log: at most limit bytes, without credentials and without characters that can
// mislead a terminal or a reader.
func Clean(s string, limit int) string {
	if len(s) <= limit && plain(s) {
		return s
	}
	if len(s) > 4*limit { // enough to redact before the last cut
		s = s[:4*limit]
	}
	lower := strings.ToLower(s)
	if slices.ContainsFunc(markers, func(m string) bool { return strings.Contains(lower, m) }) {
		s = credentials.ReplaceAllString(s, redacted)
	}
	return cut(escape(s), limit)
}

// plain recognises identifiers cheaply: printable ASCII in which escape and credentials would find nothing.
func plain(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c <= ' ', c > '~', c == '=', c == '%', c == '"':
			return false
		}
	}
	return !slices.ContainsFunc(secretPrefixes, func(p string) bool { return strings.Contains(s, p) })
}

// cut shortens s to limit bytes, between characters.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	const ellipsis = "…"
	end := limit - len(ellipsis)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + ellipsis
}

// escape writes characters that are not printable as \u sequences.
func escape(s string) string {
	if strings.IndexFunc(s, hidden) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if hidden(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// hidden reports whether a rune is a control, a bidirectional override, an invisible space or the like, or a
// byte that is not UTF-8.
func hidden(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }
