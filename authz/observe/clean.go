package observe

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// credentials finds what must not be in a log even when an error quotes it: authzd's own tokens
// and codes by their prefix, JWTs, parameters that carry a credential, and Authorization values.
var credentials = regexp.MustCompile(`az[rc]_[A-Za-z0-9_-]+` +
	`|eyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)*` +
	`|(?i:\b(?:code|code_verifier|client_secret|secret|password|token|access_token|refresh_token|id_token|id_token_hint|` +
	`assertion|client_assertion|subject_token|actor_token|state|nonce|session)(?:=|%3d)[^\s&"']+)` +
	`|(?i:\b(?:bearer|basic|dpop)\s+[A-Za-z0-9._~+/=-]{8,})`)

const redacted = "[redacted]"

// clean makes a value fit for the log: at most max bytes, without credentials and without
// characters that a terminal or a reader may take for something else.
func clean(s string, max int) string {
	if plain(s) && len(s) <= max {
		return s
	}
	s = credentials.ReplaceAllString(s, redacted)
	s = escape(s)
	if len(s) > max {
		cut := max
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	return s
}

// plain reports whether s is printable ASCII in which credentials would find nothing. It is right
// for identifiers and cheap; a wrong "no" costs time only.
func plain(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ', c > '~', c == '=', c == '%', c == ' ':
			return false
		}
	}
	return !strings.Contains(s, "eyJ") && !strings.Contains(s, "azr_") && !strings.Contains(s, "azc_")
}

// escape writes characters that are not printable as \u sequences.
func escape(s string) string {
	if strings.IndexFunc(s, hidden) < 0 && utf8.ValidString(s) {
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

// hidden is true for controls, bidirectional overrides, invisible spaces and the like. Line feeds
// and tabs are among them: a stack becomes one line.
func hidden(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }
