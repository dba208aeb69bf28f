package interaction

import (
	"context"
	"net/http"

	"github.com/authzd/authzd/authz/pages"
	"github.com/authzd/authzd/templates"
)

// needsAccount reports whether the request wants the user to choose an account.
func (in *Interaction) needsAccount(_ context.Context, p *pending) (bool, error) {
	if p.request == nil {
		return false, nil
	}
	return p.request.Prompts("select_account") && p.flow.Selected != p.user.ID && p.flow.SignedIn != p.signedIn.ID, nil
}

// SelectAccountPage asks which account to go on with (prompt=select_account).
func (in *Interaction) SelectAccountPage(w http.ResponseWriter, r *http.Request) error {
	v, _, err := in.visitPage(w, r)
	if err != nil {
		return err
	}
	if v.user == nil || v.request == nil {
		in.goOn(w, r, v)
		return nil
	}
	in.Pages.Render(w, r, http.StatusOK, templates.SelectAccount{
		UILocales: v.uiLocales(), Client: v.client(), Action: in.Issuer.URL("/select-account"), Hidden: v.hidden(), User: pages.User(v.user),
	})
	return nil
}

// SelectAccount takes the form of the page: go on with this account, or sign in with another.
func (in *Interaction) SelectAccount(w http.ResponseWriter, r *http.Request) error {
	v, form, err := in.visitForm(w, r)
	if err != nil {
		return err
	}
	if form.Get("account") == "other" && v.sealed != "" {
		http.Redirect(w, r, in.otherAccountURL(v.sealed), http.StatusSeeOther)
		return nil
	}
	if v.asked(form) && form.Get("account") == "continue" {
		v.flow.Selected = v.user.ID
	}
	in.goOn(w, r, v)
	return nil
}
