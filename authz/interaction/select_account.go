package interaction

import (
	"context"
	"net/http"

	"github.com/authzd/authzd/authz/pages"
	"github.com/authzd/authzd/templates"
)

// needsAccount reports whether the user must choose an account: the request asks for it, or several are signed in and
// nothing says which one is meant.
func (in *Interaction) needsAccount(_ context.Context, p *pending) (bool, error) {
	if p.request == nil {
		return false, nil
	}
	asked := p.request.Prompts("select_account") && p.flow.Selected != p.user.ID && p.flow.SignedIn != p.signedIn.ID
	return asked || p.undecided, nil
}

// SelectAccountPage asks which account to go on with: for a request (prompt=select_account), or for the account page.
func (in *Interaction) SelectAccountPage(w http.ResponseWriter, r *http.Request) error {
	v, _, err := in.visitPage(w, r)
	if err != nil {
		return err
	}
	if v.user == nil {
		in.goOn(w, r, v)
		return nil
	}
	accounts, err := in.Sessions.Accounts(r.Context(), r)
	if err != nil {
		return err
	}
	in.Pages.Render(w, r, http.StatusOK, templates.SelectAccount{
		UILocales: v.uiLocales(), Client: v.client(), Action: in.Issuer.URL("/select-account"), Hidden: v.hidden(),
		Accounts: pages.Accounts(accounts, v.user.ID),
	})
	return nil
}

// SelectAccount takes the form of the page: go on with an account, or sign in with another.
func (in *Interaction) SelectAccount(w http.ResponseWriter, r *http.Request) error {
	v, form, err := in.visitForm(w, r)
	if err != nil {
		return err
	}
	choice := form.Get("account")
	if choice == "other" {
		http.Redirect(w, r, in.otherAccountURL(v.sealed), http.StatusSeeOther)
		return nil
	}
	if choice == "continue" {
		choice = form.Get("user") // whom the page has shown
	}
	accounts, err := in.Sessions.Accounts(r.Context(), r)
	if err != nil {
		return err
	}
	for _, a := range accounts {
		if a.User.ID != choice {
			continue
		}
		if err := in.Sessions.Use(r.Context(), w, r, a.Session.ID); err != nil {
			return err
		}
		if v.flow.Selected = choice; v.flow.SignedIn != a.Session.ID {
			v.flow.SignedIn = ""
		}
	}
	in.goOn(w, r, v)
	return nil
}
