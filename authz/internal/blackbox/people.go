package blackbox

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/storage"
)

// AliceID returns the id of Alice.
func AliceID(t *testing.T, s *authztest.Server) string {
	t.Helper()
	ref, _, err := storage.Usernames.Get(t.Context(), s.Store, authztest.Username)
	if err != nil {
		t.Fatal(err)
	}
	return ref.UserID
}

// Pairwise makes spa and partner clients of one sector, and web of another.
func Pairwise(m *client.Metadata) {
	m.SubjectType = client.SubjectPairwise
	if m.ID == authztest.Web {
		m.SectorURI = "https://sector.example/uris.json"
	}
}

// AgeLogins moves every login of a server into the past.
func AgeLogins(t *testing.T, s *authztest.Server, by time.Duration) {
	t.Helper()
	sessions, err := storage.Sessions.Scan(t.Context(), s.Store, "", "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range sessions {
		entry.Value.AuthTime = entry.Value.AuthTime.Add(-by)
		if err := s.Store.Apply(t.Context(), storage.Sessions.Put(entry.Key, entry.Value, storage.At(entry.Version), time.Now().Add(time.Hour))); err != nil {
			t.Fatal(err)
		}
	}
}

// IsLoggedOut reports whether a page says that the user is signed out, and leads nowhere by itself.
func IsLoggedOut(page *authztest.Page) bool {
	return page.Status == http.StatusOK && page.Header.Get("Location") == "" && strings.Contains(page.Body, "You’re signed out") &&
		!strings.Contains(page.Body, "http-equiv")
}

// OnlineScope has no offline_access: its tokens live and die with the session.
const OnlineScope = "openid orders.read"

// SignInOnline signs in and returns tokens that depend on the browser's session.
func SignInOnline(t *testing.T, s *authztest.Server) (*authztest.Browser, authztest.Tokens) {
	t.Helper()
	b := s.NewBrowser(t)
	return b, b.SignIn(t, authztest.SPA, url.Values{"scope": {OnlineScope}})
}

// DisableUser disables a user.
func DisableUser(t *testing.T, s *authztest.Server, id string) {
	t.Helper()
	user, version, err := storage.Users.Get(t.Context(), s.Store, id)
	if err != nil {
		t.Fatal(err)
	}
	user.Disabled = true
	if err := s.Store.Apply(t.Context(), storage.Users.Put(id, user, storage.At(version), time.Time{})); err != nil {
		t.Fatal(err)
	}
}
