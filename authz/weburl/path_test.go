package weburl

import (
	"errors"
	"net/url"
	"path"
	"strings"
	"testing"
)

func TestReadPath(t *testing.T) {
	for raw, want := range map[string]string{
		"/":                    "/",
		"/admin":               "/admin",
		"/admin/":              "/admin/",
		"/a/b/c.html":          "/a/b/c.html",
		"/Admin":               "/Admin",
		"/%61dmin":             "/admin",
		"/caf%C3%A9":           "/café",
		"/café":                "/café",
		"/a%20b":               "/a b",
		"/100%25":              "/100%",
		"/100%25/x":            "/100%/x",
		"/50%25off":            "/50%off", // "of" are no digits
		"/a;v=1/b":             "/a;v=1/b",
		"/.well-known/x":       "/.well-known/x",
		"/..a/...":             "/..a/...",
		"/a%3Fb%23c":           "/a?b#c",
		"/~u/(x)/a+b,c=d@e:f!": "/~u/(x)/a+b,c=d@e:f!",
	} {
		got, err := ReadPath(raw, PathOptions{})
		if err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", raw, got, err, want)
		}
	}
}

func TestReadPathRefuses(t *testing.T) {
	for reason, paths := range map[string][]string{
		"does not begin with a slash": {"", "*", "admin", "http://h/admin", "%2fadmin", `\admin`, "?x", "#", ".", ".."},
		"has an empty segment":        {"//", "//admin", "/admin//", "/a//b", "///", "/;/admin", "/;x=1/admin", "/%3b/admin", "/a/;x", "/%20/a", "/%20"},
		"has a dot segment": {
			"/.", "/..", "/./admin", "/../admin", "/a/../admin", "/a/.", "/a/..", "/a/./b", "/%2e", "/%2e%2e/x", "/.%2E/x", "/%2E./x",
			"/..;/x", "/..;a=b/x", "/.;/x", "/a/..;", "/%2e%2e;/x", "/..%3b/x", "/..%20/x", "/.%20/x", "/..%20;/x",
		},
		"has a backslash":                       {`/a\b`, `/\admin`, "/a%5cb", "/a%5Cb", `/..\admin`, "/..%5cadmin"},
		"has an encoded slash":                  {"/a%2fb", "/a%2Fb", "/%2f", "/..%2fadmin", "/%2fadmin", "/admin%2f"},
		"has an escape that is none":            {"/%", "/%a", "/%zz", "/a%2", "/%u0061dmin", "/%%61", "/% 61", "/%-1", "/%x1", "/a%"},
		"has an escape that decodes to another": {"/%2561dmin", "/%252e%252e/x", "/%25%36%31dmin", "/%25%361dmin", "/%256%31", "/%25u0061dmin", "/%25U0061", "/%25252f"},
		"has a control character":               {"/\x00", "/a%00", "/admin%00.png", "/a%0a", "/a%0D%0Ab", "/a\x7f", "/a%7f", "/a\tb", "/a%09b", "/a%C2%85b", "/a%E2%80%A8"},
		"is not UTF-8":                          {"/\xff", "/%c0%af", "/%C0%AE%C0%AE/x", "/%e0%80%af", "/%ff", "/%C3", "/%ED%A0%80"},
		`has a plain '?'`:                       {"/a?b", "/?"},
		`has a plain '#'`:                       {"/a#b", "/#", "/admin#/../public"},
		`has a plain ' '`:                       {"/a b", "/admin /", "/ "},
	} {
		for _, raw := range paths {
			got, err := ReadPath(raw, PathOptions{})
			var refused *PathError
			if !errors.As(err, &refused) {
				t.Errorf("%q: %q, %v, want: %s", raw, got, err, reason)
			} else if refused.Reason != reason {
				t.Errorf("%q: %s, want: %s", raw, refused.Reason, reason)
			}
		}
	}
}

func TestReadPathWithEncodedSlash(t *testing.T) {
	allow := PathOptions{EncodedSlash: true}
	for raw, want := range map[string]string{
		"/a%2fb":     "/a%2Fb",
		"/a%2Fb%2F":  "/a%2Fb%2F",
		"/a%2Fb/c":   "/a%2Fb/c",
		"/a/b":       "/a/b",
		"/a%2Fb%25/": "/a%2Fb%/",
	} {
		if got, err := ReadPath(raw, allow); err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", raw, got, err, want)
		}
	}
	for _, raw := range []string{"/%2f", "/a/%2fb", "/a%2f/b", "/a%2f%2fb", "/..%2fb", "/a%2f..", "/a%2f..%2fb", "/a%2f%2e%2e/b", "/a%252fb", "/a%5cb"} {
		if got, err := ReadPath(raw, allow); err == nil {
			t.Errorf("%q: accepted as %q", raw, got)
		}
	}
}

// An accepted path has one reading: a parser decodes it to the same, and cleaning changes at most the slash
// at its end.
func FuzzReadPath(f *testing.F) {
	for _, raw := range []string{
		"/", "/admin", "/%61dmin", "/a%2fb", "/..;/x", "/%252e", "/100%25", "/a%3Fb", "//a", "/\xff", "/%c0%af", "/a;b", `/a\b`, "/%u0061", "/a%00", "/%25%36%31",
	} {
		f.Add(raw, false)
		f.Add(raw, true)
	}
	f.Fuzz(func(t *testing.T, raw string, slash bool) {
		got, err := ReadPath(raw, PathOptions{EncodedSlash: slash})
		if err != nil {
			if got != "" {
				t.Errorf("%q: refused, and read as %q", raw, got)
			}
			return
		}
		u, err := url.ParseRequestURI(raw)
		if err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		plain := strings.ReplaceAll(got, "%2F", "/")
		if u.RawQuery != "" || u.Host != "" || !slash && u.Path != got || slash && u.Path != plain {
			t.Errorf("%q: read as %q, by net/url as %q", raw, got, u.Path)
		}
		if clean := path.Clean(plain); clean != plain && clean+"/" != plain {
			t.Errorf("%q: read as %q, which others clean to %q", raw, got, clean)
		}
		if again, err := url.PathUnescape(got); !slash && err == nil && again != got {
			t.Errorf("%q: read as %q, which decodes further to %q", raw, got, again)
		}
	})
}
