package interaction

import (
	"context"
	"errors"
	"net/http"

	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/pages"
	"github.com/authzd/authzd/authz/passkey"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

// After a sign-in with a password, a user without a passkey is offered one: the browser may make it by itself
// ("conditional create"), otherwise the page asks. It is no step: a user who leaves the page is signed in, prompt=none never
// meets it, and a browser whose script did not say that it can have passkeys does not see it.
//
//	POST /login can-passkey=yes ─> signIn ─> offersPasskey? ─> /passkey ─> add or skip ─> goOn

const passkeyPage = "/passkey"

// offersPasskey reports whether a user who has just signed in with a password is offered a passkey.
func (in *Interaction) offersPasskey(ctx context.Context, v *visit, user *storage.User) (bool, error) {
	if in.Passkeys == nil || !v.flow.CanPasskey || user.PasskeysDeclined {
		return false, nil
	}
	has, err := in.Passkeys.Has(ctx, user.ID)
	return !has && err == nil, err
}

// PasskeyPage offers a passkey.
func (in *Interaction) PasskeyPage(w http.ResponseWriter, r *http.Request) error {
	v, _, err := in.visitPage(w, r)
	if err != nil {
		return err
	}
	return in.showOffer(w, r, v, templates.NoProblem)
}

// showOffer draws the page, if the user has signed in for this flow.
func (in *Interaction) showOffer(w http.ResponseWriter, r *http.Request, v *visit, problem templates.Problem) error {
	if in.Passkeys == nil || v.user == nil || v.flow.SignedIn != v.signedIn.ID {
		in.goOn(w, r, v)
		return nil
	}
	p := templates.OfferPasskey{
		UILocales: v.uiLocales(), Client: v.client(), Action: in.Issuer.URL(passkeyPage), Hidden: v.hidden(), User: pages.User(v.user), Problem: problem,
	}
	if isFresh(v.signedIn, v.user) {
		var err error
		if p.Passkey, err = in.askToAdd(r.Context(), addedBy(v.flow.Browser, v.signedIn), v.user, problem == templates.NoProblem); err != nil {
			return err
		}
	} else if problem == templates.NoProblem {
		p.Problem = templates.PasskeyStale
	}
	in.Pages.Render(w, r, http.StatusOK, p)
	return nil
}

// addedBy is the session that adds a key.
func addedBy(browser string, signedIn *session.Session) passkey.By {
	return passkey.By{Browser: browser, Session: signedIn.ID, Device: signedIn.Device.System}
}

// askToAdd returns what a page asks the browser for, to add a passkey; nil if the user has too many. If silent is set,
// the browser may make it without asking.
func (in *Interaction) askToAdd(ctx context.Context, by passkey.By, user *storage.User, silent bool) (*templates.PasskeyAsk, error) {
	offer, err := in.Passkeys.BeginAdd(ctx, by, user, false)
	if offer == nil {
		return nil, err
	}
	ask := &templates.PasskeyAsk{PasskeyOffer: templates.PasskeyOffer(*offer), Create: true}
	if silent && !in.Passkeys.Selects() {
		quiet, err := in.Passkeys.BeginAdd(ctx, by, user, true)
		if quiet == nil {
			return nil, err
		}
		ask.Silent = (*templates.PasskeyOffer)(quiet)
	}
	return ask, nil
}

// AnswerPasskeyOffer takes the form of the page: a new passkey, or that the user wants none.
func (in *Interaction) AnswerPasskeyOffer(w http.ResponseWriter, r *http.Request) error {
	v, form, err := in.visitForm(w, r)
	if err != nil {
		return err
	}
	if in.Passkeys == nil || !v.asked(form) {
		in.goOn(w, r, v)
		return nil
	}
	switch {
	case form.Get("decision") == "skip":
		if form.Has("never") {
			if err := in.Accounts.DeclinePasskeys(r.Context(), v.user.ID); err != nil {
				return err
			}
		}
	case !isPasskey(form):
		return oauth.Refuse(oauth.InvalidRequest, "The form has neither a decision nor a passkey.")
	case form.Get("passkey-answer") == "":
		return in.showOffer(w, r, v, templates.PasskeyNoScript)
	case !isFresh(v.signedIn, v.user):
		return in.showOffer(w, r, v, templates.PasskeyStale)
	default:
		_, err := in.Passkeys.Add(r.Context(), addedBy(v.flow.Browser, v.signedIn), v.user.ID, form.Get("passkey-ceremony"), form.Get("passkey-answer"))
		if refused := new(passkey.Error); errors.As(err, &refused) {
			in.noteRefusedKey(r, refused)
			return in.showOffer(w, r, v, passkeyProblem(refused.Reason))
		} else if err != nil {
			return err
		}
	}
	in.goOn(w, r, v)
	return nil
}
