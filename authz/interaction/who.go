package interaction

import (
	"net/http"
	"slices"

	"github.com/authzd/authzd/authz/account"
	"github.com/authzd/authzd/authz/authorize"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/storage"
)

// who is the account that a request is about, of those that are signed in in the browser.
type who struct {
	signedIn  *session.Session
	user      *storage.User // nil: nobody is signed in
	undecided bool          // it is the account in use, but could be another: the user has to choose
}

// who finds the account that a request is about: the one with which this flow went on, the one that the app names, or
// the only one. a is nil without a request.
func (in *Interaction) who(r *http.Request, a *authorize.Request, f flow) (who, error) {
	accounts, err := in.Sessions.Accounts(r.Context(), r)
	if err != nil || len(accounts) == 0 {
		return who{}, err
	}
	chosen := find(accounts, func(x session.Account) bool { return x.Session.ID == f.SignedIn })
	if chosen == nil {
		chosen = find(accounts, func(x session.Account) bool { return x.User.ID == f.Selected })
	}
	undecided := false
	if chosen == nil && a != nil {
		chosen, undecided = in.named(r, a, accounts)
	}
	if chosen == nil {
		chosen = &accounts[0]
	}
	return who{chosen.Session, chosen.User, undecided}, nil
}

// find returns the first account that matches, nil if none does.
func find(accounts []session.Account, matches func(session.Account) bool) *session.Account {
	if i := slices.IndexFunc(accounts, matches); i >= 0 {
		return &accounts[i]
	}
	return nil
}

// named finds the account that an app means. If it names none, and there are several, the user has to choose. Without a
// question (prompt=none) it is the account that the app last got a code for.
func (in *Interaction) named(r *http.Request, a *authorize.Request, accounts []session.Account) (chosen *session.Account, undecided bool) {
	if a.NamesUser() {
		return find(accounts, func(x session.Account) bool { return a.Means(in.Tokens.Subject(a.Client, x.User.ID)) }), false
	}
	if hint := a.Params.Get("login_hint"); hint != "" {
		if chosen := find(accounts, func(x session.Account) bool { return account.IsCalled(x.User, hint) }); chosen != nil {
			return chosen, false
		}
	}
	if !a.Prompts("none") {
		return nil, len(accounts) > 1
	}
	last := in.Sessions.LastAccount(r, a.Client.ID)
	if last == nil { // unknown
		return nil, len(accounts) > 1
	}
	chosen = find(accounts, func(x session.Account) bool { return last(x.User.ID) })
	return chosen, chosen == nil
}
