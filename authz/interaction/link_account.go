package interaction

import (
	"net/http"

	"github.com/gorilla/mux"

	"github.com/authzd/authzd/authz/account"
	"github.com/authzd/authzd/authz/authorize"
	"github.com/authzd/authzd/authz/connect"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

// People link another sign-in to the account in which they are signed in:
//
//	/account ─> /account/link/{connector} ─> upstream ─> callback ─> /link: both accounts are named ─> linked

const linkPath = "/account/link/"

// BeginLink sends a person to an upstream, to link their account there.
func (in *Interaction) BeginLink(w http.ResponseWriter, r *http.Request) error {
	connector := in.Connectors.Get(mux.Vars(r)["connector"])
	if connector == nil {
		return oauth.ErrNotFound
	}
	if r.Header.Get("Sec-Fetch-Site") == "cross-site" { // only our own link begins it
		http.Redirect(w, r, in.Issuer.URL("/account"), http.StatusSeeOther)
		return nil
	}
	signedIn, user, err := in.Fresh(w, r, linkPath+connector.ID())
	if err != nil || user == nil {
		return err
	}
	browser, _ := in.Sessions.Browser(w, r)
	v := &visit{
		flow: flow{Browser: browser, Carried: authorize.Carried{Started: storage.Now()}, Back: "/account", LinkTo: user.ID, Selected: user.ID},
		who:  who{signedIn: signedIn, user: user},
	}
	url, begun, err := connector.Begin(r.Context(), connect.BeginParams{SelectAccount: true})
	if err != nil {
		return in.upstreamFailed(w, r, v, connector.ID(), err)
	}
	in.keepAttempt(w, r, attempt{Attempt: begun, Flow: v.flow, Started: storage.Now()})
	http.Redirect(w, r, url, http.StatusSeeOther)
	return nil
}

// askToLink leads to the page that asks whether an identity shall be linked to the account in which the person has begun
// it. It does nothing if they are not signed in there any more, or have linked it already.
func (in *Interaction) askToLink(w http.ResponseWriter, r *http.Request, v *visit, id connect.Identity) error {
	target := in.Issuer.URL("/account")
	if v.user != nil && v.user.ID == v.flow.LinkTo {
		owner, err := in.Accounts.ByIdentity(r.Context(), id.Issuer, id.Subject)
		switch {
		case err != nil:
			return err
		case owner != nil && owner.ID != v.user.ID:
			in.finishAttempt(w, r, *v.begun, v.flow)
			return linkError(account.ErrIdentityTaken)
		case owner == nil:
			v.flow.Link = &link{ID: oauth.NewID(), UserID: v.user.ID, Identity: id, SignedIn: v.signedIn.ID, Begun: storage.Now()}
			target = in.pageURL("/link", in.seal(v.flow))
		}
	}
	in.finishAttempt(w, r, *v.begun, v.flow)
	http.Redirect(w, r, target, http.StatusSeeOther)
	return nil
}

// linkable returns the connectors at which a user has no linked account yet.
func (in *Interaction) linkable(identities []account.LinkedIdentity) (links []templates.Connector) {
	linked := map[string]bool{}
	for _, l := range identities {
		linked[l.Connector] = true
	}
	for _, c := range in.Connectors {
		if !linked[c.ID()] {
			links = append(links, templates.Connector{ID: c.ID(), Type: c.Type(), Name: c.Name(), URL: in.Issuer.URL(linkPath + c.ID())})
		}
	}
	return links
}
