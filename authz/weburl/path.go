package weburl

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// PathError says why a path was refused. It does not repeat the path, because that is a stranger's text.
type PathError struct {
	Reason string // such as "has an encoded slash"
}

func (e *PathError) Error() string { return "the path " + e.Reason }

// PathOptions says which paths ReadPath accepts. The zero value is the strictest.
type PathOptions struct {
	// EncodedSlash accepts %2F within a segment, for APIs that have identifiers with slashes. It stays %2F in
	// what ReadPath returns, so that no segment can become two.
	EncodedSlash bool
}

// ReadPath decodes the path of a request, as it stands in the request line without query. It decodes once.
// A path that programs are known to read in more than one way is refused with a *PathError, because one
// program may decide about it and another one serve it:
//
//	does not begin with a slash            http://host/a, *, a
//	an empty segment                       //a, /a//b, and with parameters: /;x=1/b
//	a dot segment, plain or encoded        /., /a/../b, /%2e%2E/b, and with parameters: /..;x=1/b
//	a backslash, plain or encoded          /a\b, /a%5Cb
//	an encoded slash                       /a%2Fb, unless options allow it
//	an escape that is none                 /%, /%zz, /%u0061
//	an escape that decodes to an escape    /%252e; a plain percent sign is fine: /100%25
//	control characters, plain or encoded   NUL, line ends, DEL
//	what is no UTF-8                       /%C0%AF
//	what does not belong to a path         a plain ? or #, white space
//
// The path may end in a slash. Upper and lower case stay as they are.
func ReadPath(raw string, options PathOptions) (string, error) {
	if !strings.HasPrefix(raw, "/") {
		return "", &PathError{"does not begin with a slash"}
	}
	path, err := decodePath(raw, options)
	if err != nil {
		return "", err
	}
	if !utf8.ValidString(path) {
		return "", &PathError{"is not UTF-8"}
	}
	for _, r := range path {
		if r == '\\' {
			return "", &PathError{"has a backslash"}
		}
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' {
			return "", &PathError{"has a control character"}
		}
	}
	if err := checkSegments(path); err != nil {
		return "", err
	}
	return path, nil
}

// decodePath resolves the escapes.
func decodePath(raw string, options PathOptions) (string, error) {
	var out strings.Builder
	out.Grow(len(raw))
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		switch {
		case c == '?' || c == '#' || c == ' ':
			return "", &PathError{fmt.Sprintf("has a plain %q", c)}
		case c != '%':
			out.WriteByte(c)
			continue
		}
		decoded, ok := escape(raw[i:])
		if !ok {
			return "", &PathError{"has an escape that is none"}
		}
		i += 2
		switch {
		case decoded == '/' && options.EncodedSlash:
			out.WriteString("%2F")
			continue
		case decoded == '/':
			return "", &PathError{"has an encoded slash"}
		case decoded == '%' && startsEscape(raw[i+1:]):
			return "", &PathError{"has an escape that decodes to another"}
		}
		out.WriteByte(decoded)
	}
	return out.String(), nil
}

// escape decodes the escape at the begin of s.
func escape(s string) (byte, bool) {
	if len(s) < 3 {
		return 0, false
	}
	high, ok1 := hexDigit(s[1])
	low, ok2 := hexDigit(s[2])
	return high<<4 | low, ok1 && ok2
}

// startsEscape reports whether s, after a percent sign, would make an escape: two hexadecimal digits, each
// plain or encoded, or the u of another dialect.
func startsEscape(s string) bool {
	first, s := nextByte(s)
	second, _ := nextByte(s)
	_, ok1 := hexDigit(first)
	_, ok2 := hexDigit(second)
	return ok1 && ok2 || first|' ' == 'u' && ok2
}

// nextByte returns the first byte of s, decoded, and the rest.
func nextByte(s string) (byte, string) {
	if s == "" {
		return 0, ""
	}
	if decoded, ok := escape(s); s[0] == '%' && ok {
		return decoded, s[3:]
	}
	return s[0], s[1:]
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c|' ' && c|' ' <= 'f':
		return c | ' ' - 'a' + 10, true
	}
	return 0, false
}

// checkSegments looks for segments that servers remove or merge. An encoded slash that was allowed separates
// segments too: a server behind may decode it.
func checkSegments(path string) error {
	segments := strings.Split(strings.ReplaceAll(path[1:], "%2F", "/"), "/")
	for i, segment := range segments {
		name, _, _ := strings.Cut(segment, ";") // Java servers remove parameters first
		switch strings.TrimRight(name, " ") {   // and Windows what is blank at the end
		case "":
			if i < len(segments)-1 || segment != "" {
				return &PathError{"has an empty segment"}
			}
		case ".", "..":
			return &PathError{"has a dot segment"}
		}
	}
	return nil
}
