package selfservice

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/account"
	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/password"
	"github.com/authzd/authzd/authz/proof"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

// SignUpPage asks for what a new account needs. With a link, it is the page of an invitation.
func (s *Service) SignUpPage(w http.ResponseWriter, r *http.Request) error {
	q, err := s.open(w, r)
	if err != nil {
		return err
	}
	if q.params.Has("link") {
		return s.invitation(w, q)
	}
	if !s.SignUp {
		return oauth.ErrNotFound
	}
	s.showSignUp(w, q, http.StatusOK, templates.SignUp{Email: q.LoginHint()}, nil)
	return nil
}

func (s *Service) showSignUp(w http.ResponseWriter, q *request, status int, p templates.SignUp, refusal *password.Refusal) {
	p.UILocales, p.Client, p.LoginURL = q.UILocales(), q.Client(), q.LoginURL()
	p.Action, p.Hidden, p.Domains = s.Issuer.URL("/signup"), q.Hidden(nil), s.Domains
	p.NewPassword = s.newPassword(nil, refusal)
	s.Pages.Render(w, q.r, status, p)
}

// SignUpForm takes the form of the page: it keeps the sign-up, and sends a mail to the address. If the address belongs
// to a user, that user gets a mail instead, and the browser can't tell.
func (s *Service) SignUpForm(w http.ResponseWriter, r *http.Request) error {
	began := time.Now()
	q, err := s.openForm(w, r)
	if err != nil {
		return err
	}
	if q.params.Has("link") {
		return s.acceptInvitation(w, q)
	}
	if !s.SignUp {
		return oauth.ErrNotFound
	}
	name, named := cleanName(q.params.Get("name"))
	p := templates.SignUp{Name: q.params.Get("name"), Email: strings.TrimSpace(q.params.Get("email"))}
	typed := q.params.Get("new-password")
	_, badAddress := users.NormalizeEmail(p.Email)
	switch {
	case name == "" || p.Email == "" || typed == "":
		p.Problem = templates.MissingDetail
	case !named:
		p.Problem = templates.InvalidName
	case badAddress != nil:
		p.Problem = templates.InvalidEmail
	case !s.admits(p.Email):
		p.Problem = templates.DomainNotAllowed
	}
	if p.Problem != templates.NoProblem {
		s.Pages.Refused(r, "", string(p.Problem))
		s.showSignUp(w, q, http.StatusUnprocessableEntity, p, nil)
		return nil
	}
	wait, err := s.take(r, "signup", signUpsOfNetwork, signUpsOfAll)
	if err != nil {
		return err
	}
	if wait > 0 {
		oauth.SetRetryAfter(w, wait)
		p.Problem = templates.TooManyMails
		s.showSignUp(w, q, http.StatusTooManyRequests, p, nil)
		return nil
	}
	if refusal := s.judge(r, "", typed, password.Person{Username: p.Email, Email: p.Email, Names: []string{name}}); refusal != nil {
		s.showSignUp(w, q, http.StatusUnprocessableEntity, p, refusal)
		return nil
	}
	hash, err := s.Accounts.Hash(r.Context(), typed)
	if err != nil {
		return err
	}
	id, err := s.beginSignUp(q, p.Email, &storage.SignUp{Name: name, PasswordHash: hash, Locale: s.Pages.Renderer.Language(q.r, q.UILocales())})
	if err != nil {
		return err
	}
	return s.checkMail(w, q, began, "/verify", id)
}

// beginSignUp keeps a sign-up, and returns the id of its proof.
func (s *Service) beginSignUp(q *request, address string, signUp *storage.SignUp) (id string, err error) {
	ctx := q.r.Context()
	mailed := false
	err = storage.Retry(func() error {
		taken, err := s.Accounts.IsTaken(ctx, address)
		if err != nil {
			return err
		}
		made, err := s.Proofs.Make(ctx, proof.Ask{
			Kind: proof.SignUp, Email: address, Decoy: taken, Browser: q.browser, Remote: remote(ctx), Client: q.ClientID(), Flow: q.Sealed(), SignUp: signUp,
		})
		if err != nil {
			return err
		}
		to := mail.Recipient{Address: address, Language: signUp.Locale, AcceptLanguage: q.acceptLanguage()}
		var message mail.Message = mail.ProveAddress{Proof: inMail(made, "/verify", proof.SignUp)}
		if taken {
			message = mail.AlreadyRegistered{Link: "/login"}
		}
		writes := made.Writes
		if mailed = made.MayMail; mailed {
			writes = append(writes, s.Outbox.Mail(to, message)...)
		}
		id = made.ID
		return s.Store.Apply(ctx, writes...)
	})
	if err == nil {
		s.Events.ProofAsked(ctx, string(proof.SignUp), "", mailed)
	}
	return id, err
}

// inMail is a proof as a mail carries it: a link to a page, and the code of eight digits.
func inMail(made *proof.Made, page string, kind proof.Kind) mail.Proof {
	now := storage.Now()
	p := mail.Proof{Link: page + "?" + url.Values{"link": {made.Link}}.Encode(), Until: now.Add(kind.Lifetime()), Code: made.Code}
	if p.Code != "" {
		p.CodeUntil = now.Add(proof.CodeLifetime)
	}
	return p
}

// checkMail sends the browser to the page that takes the code, at the pace of failed sign-ins.
func (s *Service) checkMail(w http.ResponseWriter, q *request, began time.Time, page, id string) error {
	if err := s.Accounts.Pace(q.r.Context(), began); err != nil {
		return err
	}
	http.Redirect(w, q.r, q.URL(page, url.Values{"id": {id}}), http.StatusSeeOther)
	return nil
}

// admits reports whether an address is of a domain that may sign up.
func (s *Service) admits(address string) bool {
	if len(s.Domains) == 0 {
		return true
	}
	key, err := users.NormalizeEmail(address)
	if err != nil {
		return false
	}
	domain := key[strings.LastIndexByte(key, '@')+1:]
	return slices.ContainsFunc(s.Domains, func(allowed string) bool {
		normal, err := users.NormalizeEmail("x@" + allowed)
		return err == nil && normal == "x@"+domain
	})
}

// VerifyPage is where a sign-up goes on: it asks for the code or, with a link, whether the person wants the account.
func (s *Service) VerifyPage(w http.ResponseWriter, r *http.Request) error {
	q, err := s.open(w, r)
	if err != nil {
		return err
	}
	if q.params.Has("link") {
		l, err := s.Proofs.ByLink(r.Context(), proof.SignUp, q.params.Get("link"))
		if errors.Is(err, proof.ErrVoid) {
			return s.expired(w, q, proof.SignUp, "", s.signUpAgain())
		} else if err != nil {
			return err
		}
		if err := s.waitsFor(q, l); err != nil {
			return err
		}
		s.showConfirm(w, q, http.StatusOK, l, l.SignUp.Name, templates.NoProblem, nil)
		return nil
	}
	asked, err := s.Proofs.Asked(r.Context(), proof.SignUp, q.params.Get("id"), q.browser)
	if errors.Is(err, proof.ErrVoid) {
		return s.expired(w, q, proof.SignUp, "", s.signUpAgain())
	} else if err != nil {
		return err
	}
	s.showCode(w, q, http.StatusOK, "/verify", s.signUpAgain(), asked, templates.NoProblem)
	return nil
}

// signUpAgain is the page where a person can sign up again, "" if people can't any more.
func (s *Service) signUpAgain() string {
	if s.SignUp {
		return "/signup"
	}
	return ""
}

// showCode draws the page that takes a code.
func (s *Service) showCode(w http.ResponseWriter, q *request, status int, page, other string, asked *storage.Proof, problem templates.Problem) {
	p := templates.CheckMail{
		UILocales: q.UILocales(), Client: q.Client(), Action: s.Issuer.URL(page), Hidden: q.Hidden(map[string]string{"id": q.params.Get("id")}),
		Email: asked.Email, Problem: problem,
	}
	if other != "" {
		p.OtherURL = q.URL(other, nil)
	}
	s.Pages.Render(w, q.r, status, p)
}

// showConfirm draws the page of a link.
func (s *Service) showConfirm(w http.ResponseWriter, q *request, status int, l *proof.Live, name string, problem templates.Problem, refusal *password.Refusal) {
	p := templates.ConfirmAddress{
		UILocales: q.UILocales(), Action: s.Issuer.URL("/verify"), Hidden: q.Hidden(map[string]string{"link": q.params.Get("link")}),
		Email: l.Email, Name: name, Problem: problem,
	}
	if l.Browser != q.browser {
		p.Elsewhere = &templates.Elsewhere{Address: l.Remote, At: l.CreatedAt}
		p.NewPassword = s.newPassword(nil, refusal)
	}
	s.Pages.Render(w, q.r, status, p)
}

// VerifyForm takes the forms of the page: a code, the wish for another mail, or what a person has decided who came by
// the link.
func (s *Service) VerifyForm(w http.ResponseWriter, r *http.Request) error {
	began := time.Now()
	q, err := s.openForm(w, r)
	switch {
	case err != nil:
		return err
	case q.params.Has("link"):
		return s.decide(w, q)
	case q.params.Get("again") == "yes":
		return s.signUpMailAgain(w, q, began)
	}
	ok, err := s.tryCode(w, q, proof.SignUp, "/verify", s.signUpAgain())
	if err != nil || !ok {
		return err
	}
	user, err := s.join(q, func() (*proof.Live, error) {
		return s.Proofs.Proved(r.Context(), proof.SignUp, q.params.Get("id"), q.browser)
	}, "", "")
	if err != nil {
		return s.notJoined(w, q, err)
	}
	return q.SignIn(w, r, user)
}

// tryCode compares the code of a form. If it is wrong, it answers.
func (s *Service) tryCode(w http.ResponseWriter, q *request, kind proof.Kind, page, other string) (ok bool, err error) {
	ctx := q.r.Context()
	asked, err := s.Proofs.Asked(ctx, kind, q.params.Get("id"), q.browser)
	if errors.Is(err, proof.ErrVoid) {
		return false, s.expired(w, q, kind, "", other)
	} else if err != nil {
		return false, err
	}
	wait, err := s.take(q.r, "code", codesOfNetwork, noLimit)
	if err != nil {
		return false, err
	}
	if wait > 0 {
		oauth.SetRetryAfter(w, wait)
		s.showCode(w, q, http.StatusTooManyRequests, page, other, asked, templates.TooManyMails)
		return false, nil
	}
	problem, reason := templates.WrongCode, "wrong_code"
	switch err := s.Proofs.Try(ctx, kind, q.params.Get("id"), q.browser, q.params.Get("otp")); {
	case err == nil:
		return true, nil
	case errors.Is(err, proof.ErrVoid):
		problem, reason = templates.VoidCode, "void"
	case !errors.Is(err, proof.ErrWrongCode):
		return false, err
	}
	s.Events.ProofFailed(ctx, string(kind), asked.UserID, reason)
	s.showCode(w, q, http.StatusUnprocessableEntity, page, other, asked, problem)
	return false, nil
}

// signUpMailAgain sends another mail for the sign-up of this browser.
func (s *Service) signUpMailAgain(w http.ResponseWriter, q *request, began time.Time) error {
	asked, err := s.Proofs.Asked(q.r.Context(), proof.SignUp, q.params.Get("id"), q.browser)
	if errors.Is(err, proof.ErrVoid) || err == nil && !s.SignUp {
		return s.expired(w, q, proof.SignUp, "", s.signUpAgain())
	} else if err != nil {
		return err
	}
	wait, err := s.take(q.r, "signup", signUpsOfNetwork, signUpsOfAll)
	if err != nil {
		return err
	}
	if wait > 0 {
		oauth.SetRetryAfter(w, wait)
		s.showCode(w, q, http.StatusTooManyRequests, "/verify", s.signUpAgain(), asked, templates.TooManyMails)
		return nil
	}
	id, err := s.beginSignUp(q, asked.Email, asked.SignUp)
	if err != nil {
		return err
	}
	return s.checkMail(w, q, began, "/verify", id)
}

// decide takes the form of the page of a link. In the browser that signed up, it makes the account with the password
// that was typed there. In another one the person has read who began it, and chooses a password or declines.
func (s *Service) decide(w http.ResponseWriter, q *request) error {
	ctx := q.r.Context()
	find := func() (*proof.Live, error) { return s.Proofs.ByLink(ctx, proof.SignUp, q.params.Get("link")) }
	l, err := find()
	if errors.Is(err, proof.ErrVoid) {
		return s.expired(w, q, proof.SignUp, "", s.signUpAgain())
	} else if err != nil {
		return err
	}
	if l.Browser == q.browser {
		user, err := s.join(q, find, "", "")
		if err != nil {
			return s.notJoined(w, q, err)
		}
		return q.SignIn(w, q.r, user)
	}
	if q.params.Get("decision") == "cancel" {
		err := s.Store.Apply(ctx, append(l.UseWrites(), s.Events.SignUpDeclined(ctx)...)...)
		if err != nil && !storage.IsConflict(err) { // used at this moment, in another tab
			return err
		}
		s.Pages.Render(w, q.r, http.StatusOK, templates.Notice{UILocales: q.UILocales(), What: templates.SignUpDeclined, Email: l.Email})
		return nil
	}
	name, named := cleanName(q.params.Get("name"))
	typed := q.params.Get("new-password")
	switch {
	case name == "" || typed == "":
		s.showConfirm(w, q, http.StatusUnprocessableEntity, l, q.params.Get("name"), templates.MissingDetail, nil)
		return nil
	case !named:
		s.Pages.Refused(q.r, "", string(templates.InvalidName))
		s.showConfirm(w, q, http.StatusUnprocessableEntity, l, q.params.Get("name"), templates.InvalidName, nil)
		return nil
	}
	if refusal := s.judge(q.r, "", typed, password.Person{Username: l.Email, Email: l.Email, Names: []string{name}}); refusal != nil {
		s.showConfirm(w, q, http.StatusUnprocessableEntity, l, name, templates.NoProblem, refusal)
		return nil
	}
	hash, err := s.Accounts.Hash(ctx, typed)
	if err != nil {
		return err
	}
	if _, err = s.join(q, find, name, hash); err != nil {
		return s.notJoined(w, q, err)
	}
	s.Pages.Render(w, q.r, http.StatusOK, templates.Notice{UILocales: q.UILocales(), What: templates.AccountReady, Email: l.Email, NextURL: q.LoginURL()})
	return nil
}

// join makes the account of a sign-up whose address is proved, and uses the proof up. name and hash replace what the
// sign-up says, if hash is not empty.
func (s *Service) join(q *request, find func() (*proof.Live, error), name, hash string) (user *storage.User, err error) {
	ctx := q.r.Context()
	err = storage.Retry(func() error {
		l, err := find()
		if err != nil {
			return err
		}
		as := *l.SignUp
		if hash != "" {
			as.Name, as.PasswordHash = name, hash
		}
		user = account.NewPerson(l.Email, as.Name, as.Locale, as.PasswordHash)
		writes, err := s.Accounts.JoinWrites(ctx, user)
		if err != nil {
			return err
		}
		writes = append(append(writes, l.UseWrites()...), s.Events.SignedUp(ctx, user.ID)...)
		return s.Store.Apply(ctx, writes...)
	})
	return user, err
}

// notJoined answers if there is no account to be made: the proof was used at this moment, or the address has one.
func (s *Service) notJoined(w http.ResponseWriter, q *request, err error) error {
	if taken := new(account.TakenError); errors.Is(err, proof.ErrVoid) || errors.As(err, &taken) {
		return s.expired(w, q, proof.SignUp, "", "")
	}
	return err
}
