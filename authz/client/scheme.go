package client

import (
	"errors"
	"strings"

	"github.com/authzd/authzd/authz/weburl"
)

// CheckScheme refuses what cannot be the scheme of an application's own: other syntax, http and https, and
// those that mean something to every browser.
func CheckScheme(scheme string) error {
	switch lower := strings.ToLower(scheme); {
	case !weburl.IsScheme(scheme):
		return errors.New("is no URI scheme: write it without the colon and what follows")
	case lower == "http" || lower == "https":
		return errors.New("is no scheme of an application's own")
	case weburl.IsForeign(scheme):
		return errors.New("means something to every browser, and is never allowed")
	}
	return nil
}
