package interaction

import (
	"net/http"
	"time"

	"github.com/authzd/authzd/authz/authorize"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/storage"
)

// People who do something with their own account must be signed in, and for what is sensitive they must have signed in
// just now. If they have not, they do, and come back:
//
//	/account/… ─> Person, Fresh ─> signed in, and lately? ── yes ─> the page
//	                  ^                    └── no ─> /login ?flow=… (flow.Back)
//	                  └────────────────────────────────┘

// freshFor is how long after a sign-in a person may do what is sensitive.
const freshFor = 5 * time.Minute

// Person returns the session of this browser and its user. If nobody is signed in, or a step is missing, it redirects
// to the page for that and returns nil; the browser comes back to the path back.
func (in *Interaction) Person(w http.ResponseWriter, r *http.Request, back string) (*session.Session, *storage.User, error) {
	return in.person(w, r, back, false)
}

// Fresh is Person for what is sensitive: the user must have proved who they are in the last five minutes.
func (in *Interaction) Fresh(w http.ResponseWriter, r *http.Request, back string) (*session.Session, *storage.User, error) {
	return in.person(w, r, back, true)
}

func (in *Interaction) person(w http.ResponseWriter, r *http.Request, back string, fresh bool) (*session.Session, *storage.User, error) {
	signedIn, user, err := in.Sessions.SignedIn(r.Context(), r)
	if err != nil {
		return nil, nil, err
	}
	f := flow{Carried: authorize.Carried{Started: storage.Now()}, Back: back, Fresh: fresh}
	if fresh && user != nil { // a remembered device does not change the account
		own, err := in.Factors.Of(r.Context(), user.ID)
		if err != nil {
			return nil, nil, err
		}
		f.Strong = own.TOTP != nil
	}
	missing, err := in.next(r.Context(), &pending{who: who{signedIn: signedIn, user: user}, flow: flow{Strong: f.Strong}})
	stale := fresh && user != nil && !isFresh(signedIn, user)
	switch {
	case err != nil:
		return nil, nil, err
	case missing != nil, stale:
		page := loginPage // it leads to the factor too: a code that proves the old session would be asked for again
		if !stale {
			page = missing.page
		} else if r.Method == http.MethodPost {
			in.Pages.Refused(r, user.ID, "stale_sign_in")
		}
		f.Browser, _ = in.Sessions.Browser(w, r)
		http.Redirect(w, r, in.pageURL(page, in.seal(f)), http.StatusSeeOther)
		return nil, nil, nil
	}
	return signedIn, user, nil
}

// isRecent reports whether a session began lately, by any sign-in. That is enough to take a way in away, but the last one.
func isRecent(signedIn *session.Session) bool {
	return storage.Now().Sub(signedIn.CreatedAt) < freshFor
}

// isFresh reports whether a person has proved lately who they are. If their only way in is an upstream that proves no
// time, it is enough that they came from there lately.
func isFresh(signedIn *session.Session, user *storage.User) bool {
	since := signedIn.ProvenAuthTime()
	if user.PasswordHash == "" && signedIn.Connector != "" {
		since = signedIn.CreatedAt
	}
	return storage.Now().Sub(since) < freshFor
}
