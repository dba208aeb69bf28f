package interaction

import (
	"net/http"

	"github.com/authzd/authzd/authz/pages"
	"github.com/authzd/authzd/templates"
)

// showSignedIn tells a visitor of the sign-in page, for whom nothing waits, who is signed in.
func (in *Interaction) showSignedIn(w http.ResponseWriter, r *http.Request, v *visit) error {
	accounts, err := in.Sessions.Accounts(r.Context(), r)
	if err != nil {
		return err
	}
	p := templates.SignedIn{
		UILocales: v.uiLocales(), User: pages.User(v.user), AccountURL: in.Issuer.URL("/account"), OtherAccountURL: in.otherAccountURL(""),
		LogoutAction: in.Issuer.URL("/logout"), Hidden: map[string]string{"confirm": "yes", "account": v.user.ID},
	}
	if len(accounts) > 1 {
		p.OtherAccountURL = in.Issuer.URL("/select-account")
	}
	in.Pages.Render(w, r, http.StatusOK, p)
	return nil
}
