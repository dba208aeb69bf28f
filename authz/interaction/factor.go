package interaction

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/authzd/authzd/authz/account"
	"github.com/authzd/authzd/authz/events"
	"github.com/authzd/authzd/authz/factor"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

// factorPage asks for another factor: in a sign-in that has proved the first, or in a session that is too weak for what
// is asked now.
const factorPage = "/login/factor"

// The ways of the page, in its parameter way.
const (
	wayTOTP     = "totp"
	wayRecovery = "recovery"
	wayChoose   = "choose"
)

// needsFactor reports whether the user's session is too weak.
func (in *Interaction) needsFactor(_ context.Context, p *pending) (bool, error) {
	if p.user == nil || p.undecided {
		return false, nil
	}
	d := in.demandOf(p.user, p.signedIn.Connector, p.signedIn.ACR, p)
	return !d.met(p.signedIn.Level, p.signedIn.DeviceKnown), nil
}

// question is what the page asks: whom, and how much must be proved.
type question struct {
	half *half // nil: the user has a session, which is too weak
	user *storage.User
	demand
	own     factor.Set
	passkey bool         // the user has one that is good enough
	proven  factor.Level // by now
}

// proved is what another factor has proved.
type proved struct {
	AMR   []string // RFC 8176
	Level factor.Level
	Also  []storage.Write // to be made with the session
}

// openQuestion returns the question of a visit, nil if there is none: nobody has proved a first factor, or nothing more
// is wanted.
func (in *Interaction) openQuestion(r *http.Request, v *visit) (*question, error) {
	h, user, err := in.openHalf(r, v)
	if err != nil {
		return nil, err
	}
	q := &question{half: h, user: user}
	switch {
	case h != nil:
		q.demand, q.proven = in.demandOf(user, h.Connector, h.ACR, v.pending()), factor.Level(h.Level)
	case v.user != nil:
		q.user, q.demand = v.user, in.demandOf(v.user, v.signedIn.Connector, v.signedIn.ACR, v.pending())
		q.proven = factor.Level(v.signedIn.Level)
		if q.met(v.signedIn.Level, v.signedIn.DeviceKnown) {
			return nil, nil
		}
	default:
		return nil, nil
	}
	if q.own, err = in.Factors.Of(r.Context(), q.user.ID); err != nil {
		return nil, err
	}
	if q.own.TOTP != nil {
		q.account = max(q.account, factor.Two)
	}
	wanted := q.level()
	if q.proven < factor.Two { // a better key is added after the one that there is, and not by the password alone
		wanted = min(wanted, factor.PhishingResistant)
	}
	q.passkey, err = in.hasPasskey(r.Context(), q.user, wanted)
	return q, err
}

// id is in the form, which counts for this question only: meanwhile another tab may have begun a sign-in.
func (q *question) id() string {
	if q.half != nil {
		return q.half.ID
	}
	return q.user.ID
}

// mustEnrol reports whether the user must set up an authenticator app, because there is nothing that could be asked for.
func (q *question) mustEnrol() bool {
	return q.own.TOTP == nil && q.own.Recovery == nil && !q.passkey && !q.phishingResistant()
}

// FactorPage asks for another factor.
func (in *Interaction) FactorPage(w http.ResponseWriter, r *http.Request) error {
	v, params, err := in.visitPage(w, r)
	if err != nil {
		return err
	}
	q, err := in.openQuestion(r, v)
	if err != nil {
		return err
	}
	if q == nil {
		in.unasked(w, r, v)
		return nil
	}
	problem := templates.NoProblem
	if v.flow.Failed != nil {
		problem = v.flow.Failed.Problem
	}
	if q.mustEnrol() {
		return in.askEnrol(w, r, v, q, problem)
	}
	return in.askFactor(w, r, v, q, http.StatusOK, params.Get("way"), problem)
}

// unasked leaves a page that has nothing to ask: to the sign-in page, if nobody has signed in.
func (in *Interaction) unasked(w http.ResponseWriter, r *http.Request, v *visit) {
	if v.user != nil {
		in.goOn(w, r, v)
		return
	}
	http.Redirect(w, r, in.pageURL("/login", v.sealed), http.StatusSeeOther)
}

// askFactor draws the page of a way. If it can't be used, it draws that of another.
func (in *Interaction) askFactor(w http.ResponseWriter, r *http.Request, v *visit, q *question, status int, way string, problem templates.Problem) error {
	base := func(way string) templates.FactorPage { return in.factorBase(v, q, problemOf(problem, way)) }
	codes := q.own.Codes() > 0 && !q.phishingResistant()
	switch {
	case q.wantsPasskey(), q.enrolsPasskey(), q.passkey && (way == wayPasskey || way == "" && !q.own.Usable()):
		return in.keyQuestion(w, r, v, q, base(wayPasskey))
	case way == wayChoose:
		p := templates.AnotherWay{FactorPage: base(wayChoose)}
		if q.passkey {
			p.PasskeyURL = in.wayURL(v, wayPasskey)
		}
		if q.own.Usable() {
			p.TOTPURL = in.wayURL(v, wayTOTP)
		}
		if codes {
			p.RecoveryURL = in.wayURL(v, wayRecovery)
		}
		in.Pages.Render(w, r, status, p)
	case codes && (way == wayRecovery || !q.own.Usable()):
		in.Pages.Render(w, r, status, templates.RecoveryCode{FactorPage: base(wayRecovery)})
	default:
		in.Pages.Render(w, r, status, templates.OTP{FactorPage: base(wayTOTP), RememberDevice: q.half != nil && q.mayRemember(), Locked: !q.own.Usable()})
	}
	return nil
}

// problemOf returns a problem on the page of the way where it has come up. On the page of another way there is none.
func problemOf(problem templates.Problem, way string) templates.Problem {
	of := wayPasskey
	switch problem {
	case templates.TooManyAttempts:
		return problem
	case templates.WrongOTP:
		of = wayTOTP
	case templates.WrongRecoveryCode:
		of = wayRecovery
	}
	if of != way {
		return templates.NoProblem
	}
	return problem
}

func (in *Interaction) factorFields(v *visit, q *question) map[string]string {
	fields := map[string]string{"asked": q.id()}
	if v.sealed != "" {
		fields["flow"] = v.sealed
	}
	return fields
}

// wayURL returns the URL of the page for a way.
func (in *Interaction) wayURL(v *visit, way string) string {
	query := url.Values{"way": {way}}
	if v.sealed != "" {
		query.Set("flow", v.sealed)
	}
	return in.Issuer.URL(factorPage) + "?" + query.Encode()
}

// Factor takes the forms of the page.
func (in *Interaction) Factor(w http.ResponseWriter, r *http.Request) error {
	v, form, err := in.visitForm(w, r)
	if err != nil {
		return err
	}
	q, err := in.openQuestion(r, v)
	if err != nil {
		return err
	}
	switch {
	case form.Get("decision") == "cancel":
		return in.leaveFactor(w, r, v, q)
	case q == nil:
		in.unasked(w, r, v)
		return nil
	case form.Get("asked") != q.id():
		http.Redirect(w, r, in.pageURL(factorPage, v.sealed), http.StatusSeeOther)
		return nil
	case isPasskey(form):
		return in.factorByPasskey(w, r, v, q, form)
	case q.wantsPasskey(), q.enrolsPasskey(), form.Has("recovery-code") && q.phishingResistant():
		http.Redirect(w, r, in.pageURL(factorPage, v.sealed), http.StatusSeeOther)
		return nil
	case q.mustEnrol():
		return in.enrol(w, r, v, q, form)
	case form.Has("recovery-code"):
		return in.checkFactor(w, r, v, q, wayRecovery, events.MethodRecovery, proved{AMR: []string{"otp", "mfa"}, Level: factor.Two},
			in.Factors.CheckRecovery(r.Context(), q.user, form.Get("recovery-code")))
	}
	err = in.Factors.CheckTOTP(r.Context(), q.user, form.Get("otp"))
	p := proved{AMR: []string{"otp", "mfa"}, Level: factor.Two}
	if err == nil && form.Has("remember-me") && q.half != nil && q.mayRemember() {
		value, write := in.Factors.RememberWrite(q.user)
		p.Also = append(p.Also, write)
		in.Sessions.SetCookie(w, in.deviceCookieName(q.user), value, factor.RememberFor)
	}
	return in.checkFactor(w, r, v, q, wayTOTP, events.MethodTOTP, p, err)
}

// leaveFactor ends a sign-in that has proved a first factor. It leads back to the app, else to the account of the person
// who is signed in, else to the sign-in page. An account that wants another factor too can't be opened: /login says who is signed in.
func (in *Interaction) leaveFactor(w http.ResponseWriter, r *http.Request, v *visit, q *question) error {
	if q != nil && q.half != nil {
		in.dropHalf(w)
	}
	if v.request != nil && v.request.RedirectURI != "" {
		v.request.Acted = true // the page has shown where the button leads
		return in.Requests.Refuse(w, r, v.request, oauth.Refuse(oauth.AccessDenied, "The user did not prove another factor."))
	}
	target := loginPage
	if v.user != nil {
		missing, err := in.next(r.Context(), &pending{who: v.who})
		if err != nil {
			return err
		}
		if missing == nil {
			target = "/account"
		}
	}
	http.Redirect(w, r, in.Issuer.URL(target), http.StatusSeeOther)
	return nil
}

// checkFactor goes on after the check of a code, which has ended with result.
func (in *Interaction) checkFactor(w http.ResponseWriter, r *http.Request, v *visit, q *question, way, method string, p proved, result error) error {
	throttled := new(factor.ThrottledError)
	switch {
	case errors.As(result, &throttled):
		in.factorFailed(r, method, account.Throttled, q.user.ID)
		oauth.SetRetryAfter(w, throttled.RetryAfter)
		return in.askFactor(w, r, v, q, http.StatusTooManyRequests, way, templates.TooManyAttempts)
	case errors.Is(result, factor.ErrWrong), errors.Is(result, factor.ErrNone):
		in.factorFailed(r, method, account.WrongCode, q.user.ID)
		problem := templates.WrongOTP
		if way == wayRecovery {
			problem = templates.WrongRecoveryCode
		}
		v.flow.Failed = &failedLogin{Problem: problem}
		v.sealed = in.seal(v.flow)
		http.Redirect(w, r, in.wayURL(v, way), http.StatusSeeOther)
		return nil
	case result != nil:
		return result
	}
	return in.redirect(w, r)(in.factorProved(w, r, v, q, p))
}

// factorFailed records a code that was not accepted, and never the code.
func (in *Interaction) factorFailed(r *http.Request, method string, why account.Reason, userID string) {
	event := observe.Event(r.Context())
	event.SetLogin(method, observe.LoginFailure)
	event.SetLoginReason(string(why))
	event.SetSubject(userID)
	if why == account.Throttled {
		observe.Alarm(r.Context(), observe.LoginThrottled)
	}
	in.Events.SignInFailed(r.Context(), method, string(why), userID)
}

// factorProved adds what a factor has proved to the sign-in, or to the session, and returns the URL to go on at. It is
// the end of every further factor.
func (in *Interaction) factorProved(w http.ResponseWriter, r *http.Request, v *visit, q *question, p proved) (string, error) {
	v.flow.Failed = nil
	if q.half != nil {
		q.half.add(p)
		q.half.Stamp = account.Stamp(q.user) // the user may just have set the factor up
		return in.advance(w, r, v, q.user, q.half, p.Also)
	}
	if len(p.Also) > 0 {
		if err := in.Store.Apply(r.Context(), p.Also...); err != nil {
			return "", err
		}
	}
	observe.Event(r.Context()).SetSubject(q.user.ID)
	if _, err := in.Sessions.StepUp(r.Context(), w, r, v.signedIn, q.user, p.AMR, int(p.Level)); err != nil {
		return "", err
	}
	return in.onward(v), nil
}
