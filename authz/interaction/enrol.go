package interaction

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/authzd/authzd/authz/account"
	"github.com/authzd/authzd/authz/factor"
	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/authz/pages"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

// setupLifetime is how long a person has to set an authenticator app up.
const setupLifetime = 15 * time.Minute

// setup is an authenticator app that its user is setting up. It is kept, sealed, in the form alone, so nothing is stored
// before a code proves that the app has the secret.
type setup struct {
	UserID string    `json:"u"`
	Stamp  string    `json:"s"` // account.Stamp: a setup counts once
	Secret []byte    `json:"k"`
	Begun  time.Time `json:"b"`
}

// setupPurpose distinguishes the form's value from the cookie of a half sign-in, which has the same seal.
const setupPurpose = "setup "

func (in *Interaction) sealSetup(bound string, s *setup) string {
	packed, _ := pack(s) // plain data always encodes
	return base64.RawURLEncoding.EncodeToString(in.Half.Seal(packed, []byte(setupPurpose+bound)))
}

// openSetup returns the setup of a form, nil if it is none of this user, or no longer. bound is the browser or the session
// that it was made for.
func (in *Interaction) openSetup(bound string, user *storage.User, value string) *setup {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(value)
	if err != nil {
		return nil
	}
	packed, err := in.Half.Open(raw, []byte(setupPurpose+bound))
	if err != nil {
		return nil
	}
	s := new(setup)
	if unpack(packed, s) != nil || s.UserID != user.ID || s.Stamp != account.Stamp(user) || storage.Now().Sub(s.Begun) > setupLifetime {
		return nil
	}
	return s
}

// mayEnrol reports whether the person has signed in just now. Somebody who finds an open browser can't set up a factor.
func (in *Interaction) mayEnrol(v *visit, q *question) bool {
	return q.half != nil || isFresh(v.signedIn, v.user)
}

// askEnrol draws the page on which a user without a factor sets up an authenticator app. If the sign-in is old, it leads
// to the sign-in page first.
func (in *Interaction) askEnrol(w http.ResponseWriter, r *http.Request, v *visit, q *question, problem templates.Problem) error {
	if !in.mayEnrol(v, q) {
		v.flow.Fresh = true
		http.Redirect(w, r, in.pageURL(loginPage, in.seal(v.flow)), http.StatusSeeOther)
		return nil
	}
	return in.showEnrol(w, r, v, q, &setup{UserID: q.user.ID, Stamp: account.Stamp(q.user), Secret: factor.NewSecret(), Begun: storage.Now()}, problem)
}

func (in *Interaction) showEnrol(w http.ResponseWriter, r *http.Request, v *visit, q *question, s *setup, problem templates.Problem) error {
	p, err := in.enrolPage(q.user, s.Secret)
	if err != nil {
		return err
	}
	p.UILocales, p.Client, p.Action, p.Problem, p.Wanted = v.uiLocales(), v.client(), in.Issuer.URL(factorPage), problem, true
	p.Hidden = in.factorFields(v, q)
	p.Hidden["setup"] = in.sealSetup(v.flow.Browser, s)
	in.Pages.Render(w, r, http.StatusOK, p)
	return nil
}

// enrolPage returns the page that shows a secret.
func (in *Interaction) enrolPage(user *storage.User, secret []byte) (templates.EnrolTOTP, error) {
	uri, err := factor.KeyURI(secret, in.AppName, user.Username)
	if err != nil {
		return templates.EnrolTOTP{}, err
	}
	code, err := factor.NewQR(uri)
	return templates.EnrolTOTP{UILocales: user.Profile.Locale, User: pages.User(user), Secret: factor.Typed(secret), QRPath: code.Path, QRSize: code.Size}, err
}

// enrol takes the form of the page.
func (in *Interaction) enrol(w http.ResponseWriter, r *http.Request, v *visit, q *question, form url.Values) error {
	s := in.openSetup(v.flow.Browser, q.user, form.Get("setup"))
	if s == nil || !in.mayEnrol(v, q) {
		http.Redirect(w, r, in.pageURL(factorPage, v.sealed), http.StatusSeeOther)
		return nil
	}
	codes, changed, err := in.enrolTOTP(r, q.user, s, form.Get("otp"))
	switch {
	case errors.Is(err, factor.ErrWrong):
		in.Pages.Refused(r, q.user.ID, string(templates.WrongOTP))
		return in.showEnrol(w, r, v, q, s, templates.WrongOTP)
	case errors.Is(err, errStale):
		http.Redirect(w, r, in.pageURL(factorPage, v.sealed), http.StatusSeeOther)
		return nil
	case err != nil:
		return err
	}
	q.user = changed
	target, err := in.factorProved(w, r, v, q, proved{AMR: []string{"otp", "mfa"}, Level: factor.Two})
	if err != nil {
		return err
	}
	in.Pages.Render(w, r, http.StatusOK, templates.RecoveryCodes{UILocales: v.uiLocales(), User: pages.User(changed), Codes: codes, ContinueURL: target})
	return nil
}

// errStale says that the user has changed since the page was drawn.
var errStale = errors.New("the user has changed since the page was drawn")

// enrolTOTP gives a user the authenticator app of a setup, with new recovery codes, and returns these and the user as
// changed. The errors are factor.ErrWrong and errStale.
func (in *Interaction) enrolTOTP(r *http.Request, user *storage.User, s *setup, code string) (codes []string, changed *storage.User, err error) {
	codes = factor.NewCodes()
	err = storage.Retry(func() error {
		now, version, err := storage.Users.Get(r.Context(), in.Store, user.ID)
		if errors.Is(err, storage.ErrNotFound) || err == nil && account.Stamp(now) != s.Stamp {
			return errStale
		} else if err != nil {
			return err
		}
		writes, err := in.Factors.EnrolWithCodesWrites(now, version, s.Secret, code, codes)
		if err != nil {
			return err
		}
		writes = append(writes, in.Events.FactorAdded(r.Context(), user.ID, factor.NameTOTP)...)
		told := in.Outbox.Notify(now, r.Header.Get("Accept-Language"), mail.AuthenticatorAdded{Link: "/account", Where: WhereOf(r)})
		return in.Store.Apply(r.Context(), append(writes, told...)...)
	})
	if err != nil {
		return nil, nil, err
	}
	changed, err = in.Accounts.Get(r.Context(), user.ID)
	return codes, changed, err
}
