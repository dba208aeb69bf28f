package interaction

import (
	"context"
	"errors"
	"net/http"

	"github.com/authzd/authzd/authz/account"
	"github.com/authzd/authzd/authz/factor"
	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/pages"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

// The pages on which users keep their second factor. They want a fresh sign-in with the factor that there is: who finds
// an open session, or has the password and a remembered device, can't put an app of their own in its place.
//
//	/account/factors     ─> set up, replace ─> /account/factors/app ─> a code ─> recovery codes
//	                     ─> remove, unless a factor is demanded; new recovery codes; forget the remembered devices
const (
	factorsPage = "/account/factors"
	appPage     = "/account/factors/app"
)

// FactorsPage shows the second factor of the user.
func (in *Interaction) FactorsPage(w http.ResponseWriter, r *http.Request) error {
	_, user, err := in.Fresh(w, r, factorsPage)
	if err != nil || user == nil {
		return err
	}
	own, err := in.Factors.Of(r.Context(), user.ID)
	if err != nil {
		return err
	}
	p := templates.Factors{
		UILocales: user.Profile.Locale,
		User:      pages.User(user), Action: in.Issuer.URL(factorsPage), Hidden: map[string]string{"user": user.ID},
		AppURL: in.Issuer.URL(appPage), AccountURL: in.Issuer.URL("/account"), Demanded: in.Factors.Always(user.Roles), Zone: zoneOf(user),
	}
	if own.TOTP != nil {
		p.App, p.AppSince, p.Locked = true, own.TOTP.CreatedAt, !own.Usable()
	}
	if own.Recovery != nil {
		p.Codes = own.Codes()
	}
	in.Pages.Render(w, r, http.StatusOK, p)
	return nil
}

// showFactorWay puts the user's authenticator app on the account page.
func (in *Interaction) showFactorWay(ctx context.Context, p *templates.Account, user *storage.User) error {
	own, err := in.Factors.Of(ctx, user.ID)
	if err != nil {
		return err
	}
	app := templates.Way{Kind: templates.WayTOTP, URL: in.Issuer.URL(factorsPage)}
	if own.TOTP != nil {
		app.Count = 1
	}
	p.Ways = append(p.Ways, app)
	if own.Recovery != nil {
		p.Ways = append(p.Ways, templates.Way{Kind: templates.WayRecoveryCodes, Count: own.Codes(), URL: in.Issuer.URL(factorsPage)})
	}
	return nil
}

// ChangeFactors takes the forms of the page.
func (in *Interaction) ChangeFactors(w http.ResponseWriter, r *http.Request) error {
	form, err := oauth.PageForm(w, r)
	if err != nil {
		return err
	}
	_, user, err := in.Fresh(w, r, factorsPage)
	if err != nil || user == nil {
		return err
	}
	if form.Get("user") != user.ID { // another tab has signed in somebody else
		http.Redirect(w, r, in.Issuer.URL(factorsPage), http.StatusSeeOther)
		return nil
	}
	switch form.Get("change") {
	case "codes":
		return in.newCodes(w, r, user)
	case "remove":
		if in.Factors.Always(user.Roles) {
			return &oauth.Error{Status: http.StatusConflict, Code: "factor_demanded", Description: "A second factor is demanded of this account. It can be replaced, and not removed."}
		}
		err = in.changeFactors(r, user, mail.AuthenticatorRemoved{Link: "/account", Where: WhereOf(r)}, func(now *storage.User, version uint64) ([]storage.Write, error) {
			writes, err := in.Factors.RemoveWrites(r.Context(), now, version)
			return append(writes, in.Events.FactorRemoved(r.Context(), now.ID, factor.NameTOTP)...), err
		})
	case "forget":
		err = in.changeFactors(r, user, nil, func(now *storage.User, version uint64) ([]storage.Write, error) {
			writes, err := in.Factors.ForgetWrites(r.Context(), now, version)
			return append(writes, in.Events.DevicesForgotten(r.Context(), now.ID)...), err
		})
	default:
		return oauth.Refuse(oauth.InvalidRequest, "The change is none of codes, remove and forget.")
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, in.Issuer.URL(factorsPage), http.StatusSeeOther)
	return nil
}

// newCodes gives a user with an authenticator app new recovery codes, and shows them.
func (in *Interaction) newCodes(w http.ResponseWriter, r *http.Request, user *storage.User) error {
	codes := factor.NewCodes()
	err := in.changeFactors(r, user, mail.RecoveryCodesMade{Link: "/account", Where: WhereOf(r)}, func(now *storage.User, version uint64) ([]storage.Write, error) {
		own, err := in.Factors.Of(r.Context(), now.ID)
		if err == nil && own.TOTP == nil {
			err = oauth.Refuse(oauth.InvalidRequest, "Recovery codes belong to an authenticator app.")
		}
		return append(in.Factors.CodesWrites(now, version, codes), in.Events.FactorAdded(r.Context(), now.ID, factor.NameRecovery)...), err
	})
	if err != nil {
		return err
	}
	in.Pages.Render(w, r, http.StatusOK, templates.RecoveryCodes{UILocales: user.Profile.Locale, User: pages.User(user), Codes: codes, ContinueURL: in.Issuer.URL(factorsPage)})
	return nil
}

// changeFactors makes a change of the factors of a user, with the mail about it; told may be nil.
func (in *Interaction) changeFactors(r *http.Request, user *storage.User, told mail.Message, change func(now *storage.User, version uint64) ([]storage.Write, error)) error {
	return storage.Retry(func() error {
		now, version, err := storage.Users.Get(r.Context(), in.Store, user.ID)
		if err != nil {
			return err
		}
		writes, err := change(now, version)
		if err != nil {
			return err
		}
		if told != nil {
			writes = append(writes, in.Outbox.Notify(now, r.Header.Get("Accept-Language"), told)...)
		}
		return in.Store.Apply(r.Context(), writes...)
	})
}

// AppPage shows the secret for a new authenticator app.
func (in *Interaction) AppPage(w http.ResponseWriter, r *http.Request) error {
	signedIn, user, err := in.Fresh(w, r, appPage)
	if err != nil || user == nil {
		return err
	}
	return in.showApp(w, r, signedIn, user, &setup{UserID: user.ID, Stamp: account.Stamp(user), Secret: factor.NewSecret(), Begun: storage.Now()}, templates.NoProblem)
}

func (in *Interaction) showApp(w http.ResponseWriter, r *http.Request, signedIn *session.Session, user *storage.User, s *setup, problem templates.Problem) error {
	p, err := in.enrolPage(user, s.Secret)
	if err != nil {
		return err
	}
	p.Action, p.CancelURL, p.Problem = in.Issuer.URL(appPage), in.Issuer.URL(factorsPage), problem
	p.Hidden = map[string]string{"setup": in.sealSetup(signedIn.ID, s)}
	in.Pages.Render(w, r, http.StatusOK, p)
	return nil
}

// SetUpApp takes the form of the page. The session has then proved two factors.
func (in *Interaction) SetUpApp(w http.ResponseWriter, r *http.Request) error {
	form, err := oauth.PageForm(w, r)
	if err != nil {
		return err
	}
	signedIn, user, err := in.Fresh(w, r, appPage)
	if err != nil || user == nil {
		return err
	}
	s := in.openSetup(signedIn.ID, user, form.Get("setup"))
	if s == nil {
		http.Redirect(w, r, in.Issuer.URL(appPage), http.StatusSeeOther)
		return nil
	}
	codes, changed, err := in.enrolTOTP(r, user, s, form.Get("otp"))
	switch {
	case errors.Is(err, factor.ErrWrong):
		in.Pages.Refused(r, user.ID, string(templates.WrongOTP))
		return in.showApp(w, r, signedIn, user, s, templates.WrongOTP)
	case errors.Is(err, errStale):
		http.Redirect(w, r, in.Issuer.URL(appPage), http.StatusSeeOther)
		return nil
	case err != nil:
		return err
	}
	if _, err := in.Sessions.StepUp(r.Context(), w, r, signedIn, changed, []string{"otp", "mfa"}, int(factor.Two)); err != nil {
		return err
	}
	in.Pages.Render(w, r, http.StatusOK, templates.RecoveryCodes{UILocales: changed.Profile.Locale, User: pages.User(changed), Codes: codes, ContinueURL: in.Issuer.URL(factorsPage)})
	return nil
}
