package weburl

import (
	"strconv"
	"strings"
)

// MatchesRedirect reports whether a URI is the one that was registered. They are compared character by
// character (RFC 9700 section 2.1), except that the port of http://127.0.0.1 and http://[::1] is free
// (RFC 8252 section 7.3), and that of http://localhost if localhostPorts says so.
func MatchesRedirect(registered, raw string, localhostPorts bool) bool {
	return registered == raw || sameButForPort(registered, raw, localhostPorts)
}

// sameButForPort compares everything around the port byte by byte, so that nothing a URL parser
// would normalise can differ.
func sameButForPort(registered, raw string, localhostPorts bool) bool {
	for _, host := range []string{"http://127.0.0.1", "http://[::1]", "http://localhost"} {
		if host == "http://localhost" && !localhostPorts {
			continue
		}
		want, ok1 := cutPort(registered, host)
		got, ok2 := cutPort(raw, host)
		if ok1 && ok2 {
			return want == got
		}
	}
	return false
}

// cutPort returns what follows "scheme://host[:port]", if that is how raw begins.
func cutPort(raw, schemeHost string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(raw, schemeHost)
	if !ok {
		return "", false
	}
	if digits, found := strings.CutPrefix(rest, ":"); found {
		n := 0
		for n < len(digits) && '0' <= digits[n] && digits[n] <= '9' {
			n++
		}
		if port, err := strconv.ParseUint(digits[:n], 10, 16); err != nil || strconv.FormatUint(port, 10) != digits[:n] {
			return "", false
		}
		rest = digits[n:]
	}
	if rest != "" && rest[0] != '/' && rest[0] != '?' {
		return "", false
	}
	return rest, true
}
