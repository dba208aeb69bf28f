package session

import (
	"net/http"
	"slices"
	"strings"
)

// The browser remembers which account an app last got a code for, so that an app that renews its login without a
// question, and does not name its user, gets the same account again. It is a cookie of names, hashed and cut, the last
// used first:
//
//	authzd-last = APP~ACCOUNT.APP~ACCOUNT…

const (
	lastSuffix = "-last"
	lastApps   = 20 // that are remembered
	lastTag    = 10 // characters of a hash, 60 bits
)

// LastAccount returns whose account a client last got a code for in this browser, as a function that recognises the
// user's id. It returns nil if that is unknown.
func (m *Sessions) LastAccount(r *http.Request, clientID string) func(userID string) bool {
	app := tag(clientID)
	for _, entry := range m.lastAccounts(r) {
		if entry.app == app {
			return func(userID string) bool { return tag(userID) == entry.account }
		}
	}
	return nil
}

// SetLastAccount remembers that a client gets a code for an account.
func (m *Sessions) SetLastAccount(w http.ResponseWriter, r *http.Request, clientID, userID string) {
	used := lastAccount{tag(clientID), tag(userID)}
	all := m.lastAccounts(r)
	if slices.Contains(all, used) {
		return
	}
	all = slices.DeleteFunc(all, func(e lastAccount) bool { return e.app == used.app })
	all = slices.Insert(all, 0, used)
	var text []string
	for _, e := range all[:min(len(all), lastApps)] {
		text = append(text, e.app+"~"+e.account)
	}
	m.SetCookie(w, m.CookieName(lastSuffix), strings.Join(text, "."), m.config.RememberMe)
}

// lastAccount is an entry of the cookie: tags of a client id and a user id.
type lastAccount struct{ app, account string }

// lastAccounts reads the cookie. It drops what is malformed.
func (m *Sessions) lastAccounts(r *http.Request) (all []lastAccount) {
	c, err := r.Cookie(m.CookieName(lastSuffix))
	if err != nil {
		return nil
	}
	for text := range strings.SplitSeq(c.Value, ".") {
		app, account, ok := strings.Cut(text, "~")
		if ok && len(app) == lastTag && len(account) == lastTag && wellFormedTag(app+account) && len(all) < lastApps {
			all = append(all, lastAccount{app, account})
		}
	}
	return all
}

func wellFormedTag(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	})
}

func tag(id string) string { return hash(id)[:lastTag] }
