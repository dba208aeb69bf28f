package interaction

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/pages"
	"github.com/authzd/authzd/authz/passkey"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

// passkeysPage lists the passkeys of a user. It wants a fresh sign-in: who finds an open session cannot add a key of
// their own, and stay.
const passkeysPage = "/account/passkeys"

// PasskeysPage lists the passkeys of the user.
func (in *Interaction) PasskeysPage(w http.ResponseWriter, r *http.Request) error {
	if in.Passkeys == nil {
		return oauth.ErrNotFound
	}
	signedIn, user, err := in.Fresh(w, r, passkeysPage)
	if err != nil || user == nil {
		return err
	}
	return in.showPasskeys(w, r, signedIn, user, http.StatusOK, templates.Passkeys{Added: r.URL.Query().Has("added")})
}

// showPasskeyWay puts the user's passkeys on the account page.
func (in *Interaction) showPasskeyWay(ctx context.Context, p *templates.Account, user *storage.User) error {
	if in.Passkeys == nil {
		return nil
	}
	found, err := in.Passkeys.Of(ctx, user.ID)
	p.Ways = append(p.Ways, templates.Way{Kind: templates.WayPasskeys, Count: len(found), URL: in.Issuer.URL(passkeysPage)})
	return err
}

// showPasskeys draws the page. p has what has just happened; showPasskeys fills in the rest.
func (in *Interaction) showPasskeys(w http.ResponseWriter, r *http.Request, signedIn *session.Session, user *storage.User, status int, p templates.Passkeys) error {
	p.UILocales = user.Profile.Locale
	ctx := r.Context()
	found, err := in.Passkeys.Of(ctx, user.ID)
	if err != nil {
		return err
	}
	last, err := in.Passkeys.LastWayIn(ctx, user, found)
	if err != nil {
		return err
	}
	for _, key := range found {
		p.Keys = append(p.Keys, templates.Passkey{
			ID: key.ID, Name: key.Name, RPID: key.RPID, AddedAt: key.CreatedAt, LastUsedAt: key.LastUsedAt,
			Synced: key.BackedUp, Elsewhere: !key.Usable, LastWayIn: key.ID == last,
		})
	}
	browser, _ := in.Sessions.Browser(w, r)
	if p.Passkey, err = in.askToAdd(ctx, addedBy(browser, signedIn), user, false); err != nil {
		return err
	}
	p.Zone = zoneOf(user)
	p.Action, p.AccountURL, p.User = in.Issuer.URL(passkeysPage), in.Issuer.URL("/account"), pages.User(user)
	p.Hidden = map[string]string{"user": user.ID}
	p.Signals = in.Passkeys.Current(user, found).JSON()
	in.Pages.Render(w, r, status, p)
	return nil
}

// ChangePasskeys takes the forms of the page.
func (in *Interaction) ChangePasskeys(w http.ResponseWriter, r *http.Request) error {
	if in.Passkeys == nil {
		return oauth.ErrNotFound
	}
	form, err := oauth.PageForm(w, r)
	if err != nil {
		return err
	}
	signedIn, user, err := in.Fresh(w, r, passkeysPage)
	if err != nil || user == nil {
		return err
	}
	if form.Get("user") != user.ID { // another tab has signed in somebody else
		http.Redirect(w, r, in.Issuer.URL(passkeysPage), http.StatusSeeOther)
		return nil
	}
	browser, _ := in.Sessions.Browser(w, r)
	problem, err := in.changePasskeys(r.Context(), r, addedBy(browser, signedIn), user, form)
	switch {
	case err != nil:
		return err
	case problem != templates.NoProblem:
		return in.showPasskeys(w, r, signedIn, user, http.StatusUnprocessableEntity, templates.Passkeys{Problem: problem})
	}
	target := in.Issuer.URL(passkeysPage)
	if isPasskey(form) {
		target += "?added=yes"
	}
	http.Redirect(w, r, target, http.StatusSeeOther)
	return nil
}

// changePasskeys does what a form asks for, and returns what the page says if that is not possible.
func (in *Interaction) changePasskeys(ctx context.Context, r *http.Request, by passkey.By, user *storage.User, form url.Values) (templates.Problem, error) {
	var err error
	switch {
	case form.Has("remove"):
		err = in.Passkeys.Remove(ctx, user.ID, form.Get("remove"))
	case form.Has("rename"):
		err = in.Passkeys.Rename(ctx, user.ID, form.Get("rename"), form.Get("name"))
	case isPasskey(form) && form.Get("passkey-answer") == "":
		return templates.PasskeyNoScript, nil
	case isPasskey(form):
		_, err = in.Passkeys.Add(ctx, by, user.ID, form.Get("passkey-ceremony"), form.Get("passkey-answer"))
	default:
		return "", oauth.Refuse(oauth.InvalidRequest, "The form asks for nothing.")
	}
	refused := new(passkey.Error)
	switch {
	case errors.Is(err, storage.ErrNotFound): // another tab was faster
		return templates.NoProblem, nil
	case errors.Is(err, passkey.ErrBadName):
		return templates.PasskeyBadName, nil
	case errors.Is(err, passkey.ErrLastWayIn):
		in.Pages.Refused(r, user.ID, "last_way_in")
		return templates.PasskeyLastWayIn, nil
	case errors.As(err, &refused):
		in.noteRefusedKey(r, refused)
		return passkeyProblem(refused.Reason), nil
	}
	return templates.NoProblem, err
}

// noteRefusedKey records why a new key was not accepted.
func (in *Interaction) noteRefusedKey(r *http.Request, refused *passkey.Error) {
	in.Pages.Refused(r, refused.UserID, "passkey_"+string(refused.Reason))
	observe.Event(r.Context()).SetError("passkey_"+string(refused.Reason), "The new passkey was not accepted.", refused)
}
