package interaction

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/authzd/authzd/authz/factor"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/pages"
	"github.com/authzd/authzd/authz/passkey"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

// A passkey is a further factor too, and the only one where a phishing-resistant sign-in is demanded. A user who must have
// one and has none adds it on the page. If they have an authenticator app, they prove that first: a password alone must
// not be enough to get a key in.
//
//	/login/factor ─> wantsPasskey  ─> the user's keys ─> factorByPasskey ─> factorProved
//	             └─> enrolsPasskey ─> a new key ───────> enrolPasskey ───────────┘

// wayPasskey is a way of the page.
const wayPasskey = "passkey"

// phishingResistant reports whether nothing but a passkey will do.
func (d demand) phishingResistant() bool { return d.level() >= factor.PhishingResistant }

// wantsPasskey reports whether the page asks for a passkey, and offers no other way.
func (q *question) wantsPasskey() bool { return q.phishingResistant() && q.passkey }

// enrolsPasskey reports whether the user must add a passkey now.
func (q *question) enrolsPasskey() bool {
	return q.phishingResistant() && !q.passkey && (q.own.TOTP == nil || q.proven >= factor.Two)
}

// hasPasskey reports whether a user has a passkey that is good for a level.
func (in *Interaction) hasPasskey(ctx context.Context, user *storage.User, level factor.Level) (bool, error) {
	if in.Passkeys == nil {
		return false, nil
	}
	found, err := in.Passkeys.Of(ctx, user.ID)
	return slices.ContainsFunc(found, func(k passkey.Passkey) bool {
		return k.Usable && (level < factor.HardwareBound || levelOfKey(&k) >= factor.HardwareBound)
	}), err
}

// levelOfKey returns what a sign-in with a passkey proves.
func levelOfKey(k *passkey.Passkey) factor.Level {
	if k.BackupEligible {
		return factor.PhishingResistant
	}
	return factor.HardwareBound
}

// keyQuestion draws the page that asks for a passkey, an existing or a new one.
func (in *Interaction) keyQuestion(w http.ResponseWriter, r *http.Request, v *visit, q *question, base templates.FactorPage) error {
	if in.Passkeys == nil {
		return oauth.Refuse(oauth.UnmetAuthentication, "A passkey is demanded, and this server has none.")
	}
	if q.enrolsPasskey() {
		if !in.mayEnrol(v, q) {
			v.flow.Fresh = true
			http.Redirect(w, r, in.pageURL(loginPage, in.seal(v.flow)), http.StatusSeeOther)
			return nil
		}
		ask, err := in.askToAdd(r.Context(), q.addsKey(v), q.user, false)
		if err != nil {
			return err
		}
		p := templates.OfferPasskey{UILocales: base.UILocales, Client: base.Client, Action: base.Action, Hidden: base.Hidden, User: base.User, Problem: base.Problem, Passkey: ask, Wanted: true}
		in.Pages.Render(w, r, http.StatusOK, p)
		return nil
	}
	offer, err := in.Passkeys.BeginSignIn(r.Context(), v.flow.Browser, q.user)
	if err != nil {
		return err
	}
	p := templates.PasskeyFactor{FactorPage: base}
	if offer != nil {
		p.Passkey = &templates.PasskeyAsk{PasskeyOffer: templates.PasskeyOffer(*offer)}
	}
	if q.phishingResistant() {
		p.AnotherURL = ""
	}
	in.Pages.Render(w, r, http.StatusOK, p)
	return nil
}

// addsKey binds a new key to the question.
func (q *question) addsKey(v *visit) passkey.By {
	return passkey.By{Browser: v.flow.Browser, Session: q.id()}
}

// factorByPasskey takes the form with the answer of a passkey.
func (in *Interaction) factorByPasskey(w http.ResponseWriter, r *http.Request, v *visit, q *question, form url.Values) error {
	ctx, answer := r.Context(), form.Get("passkey-answer")
	again := func(problem templates.Problem) error {
		v.flow.Failed = &failedLogin{Problem: problem}
		v.sealed = in.seal(v.flow)
		http.Redirect(w, r, in.wayURL(v, wayPasskey), http.StatusSeeOther)
		return nil
	}
	enrols := q.enrolsPasskey()
	switch {
	case in.Passkeys == nil, !enrols && !q.passkey, enrols && !in.mayEnrol(v, q):
		http.Redirect(w, r, in.pageURL(factorPage, v.sealed), http.StatusSeeOther)
		return nil
	case answer == "":
		return again(templates.PasskeyNoScript)
	}
	var p proved
	var err error
	if enrols {
		p, err = in.enrolPasskey(ctx, v, q, form)
	} else {
		var proof *passkey.Proof
		proof, err = in.Passkeys.SignIn(ctx, v.flow.Browser, form.Get("passkey-ceremony"), answer)
		if err == nil && proof.User.ID != q.user.ID { // the form of another page of this browser
			err = &passkey.Error{Reason: passkey.OtherUser, UserID: q.user.ID}
		}
		if err == nil {
			p = proved{AMR: proof.AMR(), Level: levelOf(proof)}
		}
	}
	if refused := new(passkey.Error); errors.As(err, &refused) {
		in.passkeyRefused(r, refused)
		return again(passkeyProblem(refused.Reason))
	} else if err != nil {
		return err
	}
	return in.redirect(w, r)(in.factorProved(w, r, v, q, p))
}

// enrolPasskey adds a key. Its authenticator has verified its user, so it is a proof too.
func (in *Interaction) enrolPasskey(ctx context.Context, v *visit, q *question, form url.Values) (proved, error) {
	key, err := in.Passkeys.Add(ctx, q.addsKey(v), q.user.ID, form.Get("passkey-ceremony"), form.Get("passkey-answer"))
	if err != nil {
		return proved{}, err
	}
	if q.user, err = in.Accounts.Get(ctx, q.user.ID); err != nil { // as the new key has changed them
		return proved{}, err
	}
	proof := &passkey.Proof{User: q.user, Key: *key}
	return proved{AMR: proof.AMR(), Level: levelOfKey(key)}, nil
}

// factorBase is what all pages for a further factor share.
func (in *Interaction) factorBase(v *visit, q *question, problem templates.Problem) templates.FactorPage {
	return templates.FactorPage{
		UILocales: v.uiLocales(), Client: v.client(), Action: in.Issuer.URL(factorPage), User: pages.User(q.user), Problem: problem,
		Hidden: in.factorFields(v, q), AnotherURL: in.wayURL(v, wayChoose),
	}
}
