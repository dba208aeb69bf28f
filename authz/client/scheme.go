package client

import (
	"strings"

	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/weburl"
)

// CheckScheme refuses what cannot be the scheme of an application's own: other syntax, http and https, and
// those that mean something to every browser.
func CheckScheme(scheme string) *member.Flaw {
	switch lower := strings.ToLower(scheme); {
	case !weburl.IsScheme(scheme):
		return member.Flawf("write it without the colon and what follows, such as myapp", "not a URI scheme")
	case lower == "http" || lower == "https":
		return member.Flawf("remove it; such redirect URIs need no permission", "not a scheme of an app's own")
	case weburl.IsForeign(scheme):
		return member.Flawf("choose one of the app's own", "means something to every browser, and is never allowed")
	}
	return nil
}
