package gate

import (
	"strings"

	"golang.org/x/text/unicode/norm"
)

// readings returns what servers may make of a path that weburl.ReadPath has accepted. Some
//
//	know no upper and lower case       /ADMIN       files on Windows and macOS
//	remove parameters                  /admin;x=1   Java
//	remove what stands at the end      /admin. /    files on Windows
//	take a part of a file              /admin::$D   files on Windows
//	decode once more, for an own URL   /admin%3Fx   rewriting
//	compose or simplify characters     /ａdmin      macOS, databases
//	leave out what is nothing to them  /.../admin   and /:x/admin, /(S(x))/admin (a session of ASP.NET)
//
// If all of them lead to the same rule, it does not matter which server stands behind the gate. The caller compares
// without regard to case. Most paths have one reading. ok is false if a server may see other segments.
func readings(path string) (all []string, ok bool) {
	if !strings.ContainsFunc(path, isAmbiguous) {
		return []string{path}, true
	}
	simple := norm.NFKC.String(path)
	if hidesSegments(path, simple) {
		return nil, false
	}
	return []string{path, strings.ToLower(path), strings.ToUpper(path), cutAny(path, "?#"), simple, norm.NFC.String(path), norm.NFD.String(path),
		bare(path, ";"), bare(path, ":"), bare(cutAny(simple, "?#"), ";:")}, true
}

// hidesSegments reports whether a path has separators, escapes or dot segments once its characters are simplified, such
// as those of East Asian width.
func hidesSegments(path, simple string) bool {
	for _, char := range []string{"/", `\`, "%"} {
		if strings.Count(path, char) != strings.Count(simple, char) {
			return true
		}
	}
	for segment := range strings.SplitSeq(simple, "/") {
		name := strings.TrimRight(cutAny(segment, ";"), " ")
		if name == "." || name == ".." {
			return true
		}
	}
	return false
}

func isAmbiguous(r rune) bool { return r >= 0x80 || strings.ContainsRune(";:?#. (", r) }

func cutAny(s, chars string) string {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return s[:i]
	}
	return s
}

// bare removes from each segment what stands behind one of the separators, and dots and blanks at its end. A segment of
// which nothing remains is left out.
func bare(path, separators string) string {
	var kept []string
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		segment = strings.TrimRight(cutAny(segment, separators), ". ")
		if strings.HasPrefix(segment, "(") && strings.HasSuffix(segment, "))") {
			segment = ""
		}
		if segment != "" || i == 0 || i == len(segments)-1 {
			kept = append(kept, segment)
		}
	}
	return strings.Join(kept, "/")
}
