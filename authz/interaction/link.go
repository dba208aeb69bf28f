package interaction

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/authzd/authzd/authz/account"
	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/pages"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

// An upstream identity is linked to an account only on a page that names both: somebody else may have sent this
// browser through the sign-in at the upstream.
//
//	callback ─> address proven on both sides ──────────────────> /link ─> confirm ─> linked and signed in
//	    └─────> otherwise ─> /login: the account's password ───> /link ─> confirm ─> linked
//	                                                               └────> cancel ──> as it was

// linkLifetime is how long a user has to confirm a link.
const linkLifetime = 10 * time.Minute

// page returns the page on which the user proves a link or, once it is proved, confirms it.
func (l *link) page() string {
	if l.Proven {
		return "/link"
	}
	return "/login"
}

// LinkPage asks whether an upstream identity and an account belong to the same person.
func (in *Interaction) LinkPage(w http.ResponseWriter, r *http.Request) error {
	v, _, err := in.visitPage(w, r)
	if err != nil {
		return err
	}
	user, err := in.linkedTo(r, v)
	if err != nil {
		return err
	}
	if user == nil {
		in.startOver(w, r, v)
		return nil
	}
	id := v.flow.Link.Identity
	p := templates.Link{
		UILocales: v.uiLocales(), Client: v.client(), Action: in.Issuer.URL("/link"), Hidden: map[string]string{"flow": v.sealed},
		User: pages.User(user), Identity: templates.Identity{Name: id.Name, Username: id.PreferredUsername, Email: id.Email, Connector: in.Connectors.Name(id.Connector)},
	}
	in.Pages.Render(w, r, http.StatusOK, p)
	return nil
}

// linkedTo returns the user of a flow's link. It returns nil if the link can't be made any more, or not by
// the user who is signed in here.
func (in *Interaction) linkedTo(r *http.Request, v *visit) (*storage.User, error) {
	l := v.flow.Link
	if l == nil || storage.Now().Sub(l.Begun) > linkLifetime {
		return nil, nil
	}
	if !l.Proven && (v.signedIn == nil || v.signedIn.ID != l.SignedIn || v.user.ID != l.UserID) {
		return nil, nil
	}
	if decided, err := oauth.Marked(r.Context(), in.Store, oauth.MarkLink+l.ID); decided || err != nil {
		return nil, err
	}
	user, err := in.Accounts.Get(r.Context(), l.UserID)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	}
	return user, err
}

// startOver drops the link, and goes on with the flow.
func (in *Interaction) startOver(w http.ResponseWriter, r *http.Request, v *visit) {
	v.flow.Link = nil
	if v.flow.plain() && v.user == nil {
		http.Redirect(w, r, in.pageURL("/login", in.seal(v.flow)), http.StatusSeeOther)
		return
	}
	in.goOn(w, r, v)
}

// ConfirmLink takes the form of the link page. A link is decided once: the next person at this browser may be
// somebody else.
func (in *Interaction) ConfirmLink(w http.ResponseWriter, r *http.Request) error {
	v, form, err := in.visitForm(w, r)
	if err != nil {
		return err
	}
	user, err := in.linkedTo(r, v)
	if err != nil {
		return err
	}
	if user == nil {
		in.startOver(w, r, v)
		return nil
	}
	decision := form.Get("decision")
	if decision != "confirm" && decision != "cancel" {
		return oauth.Refuse(oauth.InvalidRequest, "The decision is neither confirm nor cancel.")
	}
	l := v.flow.Link
	err = in.Store.Apply(r.Context(), oauth.MarkOnce(oauth.MarkLink+l.ID, l.Begun.Add(linkLifetime)))
	if storage.IsConflict(err) || err == nil && decision == "cancel" {
		in.startOver(w, r, v)
		return nil
	} else if err != nil {
		return err
	}
	if !l.Proven {
		if err := in.Accounts.Link(r.Context(), user.ID, l.Identity); err != nil {
			return linkError(err)
		}
		v.flow.Link = nil
		in.goOn(w, r, v)
		return nil
	}
	user, err = in.Accounts.LinkProven(r.Context(), l.UserID, l.Identity)
	if err != nil {
		return in.linkFailed(w, r, v, err)
	}
	v.flow.Link = nil
	return in.signInFrom(w, r, v, user, l.Identity)
}

// linkFailed handles the error of a link that was proven when the page was drawn.
func (in *Interaction) linkFailed(w http.ResponseWriter, r *http.Request, v *visit, err error) error {
	if errors.Is(err, account.ErrDisabled) {
		return in.upstreamFailed(w, r, v, v.flow.Link.Identity.Connector, disabledError(err))
	}
	if required := new(account.LinkRequiredError); errors.As(err, &required) {
		v.flow.Link.ID, v.flow.Link.Proven = oauth.NewID(), false
		http.Redirect(w, r, in.pageURL("/login", in.seal(v.flow)), http.StatusSeeOther)
		return nil
	}
	return linkError(err)
}

// linkError returns the error page's error for a link that can't be made.
func linkError(err error) error {
	switch {
	case errors.Is(err, account.ErrIdentityTaken):
		return (&oauth.Error{Status: http.StatusConflict, Code: "identity_taken", Description: "This upstream account is linked to another account here."}).Because(err)
	case errors.Is(err, account.ErrOtherIdentity), errors.Is(err, account.ErrTooManyIdentities):
		return (&oauth.Error{Status: http.StatusConflict, Code: "identity_limit", Description: "The account is linked to another account of this upstream, or to too many."}).Because(err)
	case errors.Is(err, account.ErrDisabled):
		return oauth.Refuse(oauth.AccessDenied, "The account is disabled.").Because(err)
	}
	return err
}

// withdrawIdentity unlinks an identity of the user, for the account page.
func (in *Interaction) withdrawIdentity(r *http.Request, user *storage.User, form url.Values) error {
	err := in.Accounts.Unlink(r.Context(), user.ID, form.Get("unlink"), false, in.Connectors.Has, func(l *account.LinkedIdentity) []storage.Write {
		name := l.Connector
		if c := in.Connectors.Get(l.Connector); c != nil {
			name = c.Name()
		}
		told := in.Outbox.Notify(user, r.Header.Get("Accept-Language"), mail.AccountUnlinked{Connector: name, Link: "/account", Where: WhereOf(r)})
		return append(in.Events.IdentityUnlinked(r.Context(), l.UserID, l.Connector), told...)
	})
	switch {
	case errors.Is(err, storage.ErrNotFound): // another tab was faster
		return nil
	case errors.Is(err, account.ErrLastWayIn):
		return (&oauth.Error{Status: http.StatusConflict, Code: "last_way_in", Description: "Without this sign-in, nobody could get into the account any more."}).Because(err)
	}
	return err
}
