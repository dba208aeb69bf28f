package selfservice

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/authzd/authzd/authz/account"
	"github.com/authzd/authzd/authz/interaction"
	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/outbox"
	"github.com/authzd/authzd/authz/pages"
	"github.com/authzd/authzd/authz/proof"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

// Another address is proved by a mail to it, and only by the person who is signed in to the account: the owner of an
// address can't be made to give it to somebody else's account. The old address is told, and can stop it.
//
//	address -> mail to the new one -> code, or link in a browser that is signed in -> the account has it
//	        -> mail to the old one -> link -> the change is void

const emailPath = "/account/email"

// EmailPage asks for another address, for the code, or whether the address of a link shall be used.
func (s *Service) EmailPage(w http.ResponseWriter, r *http.Request) error {
	params, err := oauth.PageQuery(r)
	if err != nil {
		return err
	}
	if params.Has("stop") {
		return s.stopPage(w, r, params.Get("stop"))
	}
	p, err := s.signedIn(w, r, params)
	if err != nil || p == nil {
		return err
	}
	switch {
	case params.Has("link"):
		l, err := s.findChange(p)
		if errors.Is(err, proof.ErrVoid) {
			return s.changeVoid(w, p)
		} else if err != nil {
			return err
		}
		s.Pages.Render(w, r, http.StatusOK, templates.ConfirmEmail{
			Action: s.Issuer.URL(emailPath), Hidden: map[string]string{"link": params.Get("link"), "user": p.user.ID}, User: pages.User(p.user), Email: l.Email,
		})
		return nil
	case params.Has("id"):
		asked, err := s.Proofs.Asked(r.Context(), proof.Email, params.Get("id"), p.browser)
		if errors.Is(err, proof.ErrVoid) || err == nil && asked.UserID != p.user.ID {
			return s.changeVoid(w, p)
		} else if err != nil {
			return err
		}
		s.showCode(w, p.request, http.StatusOK, emailPath, emailPath, asked, templates.NoProblem)
		return nil
	}
	s.showEmail(w, p, http.StatusOK, "", templates.NoProblem)
	return nil
}

// personHere is a request of a person who is signed in.
type personHere struct {
	*request
	session *session.Session
	user    *storage.User
}

// signedIn returns the person who is signed in, by a sign-in of just now; nil: they are on the way to one.
func (s *Service) signedIn(w http.ResponseWriter, r *http.Request, params url.Values) (*personHere, error) {
	back := emailPath
	for _, name := range []string{"link", "id"} {
		if r.Method == http.MethodGet && params.Has(name) {
			back += "?" + url.Values{name: {params.Get(name)}}.Encode()
		}
	}
	signedIn, user, err := s.Interaction.Fresh(w, r, back)
	if err != nil || user == nil {
		return nil, err
	}
	q, err := s.openWith(w, r, params)
	if err != nil {
		return nil, err
	}
	return &personHere{q, signedIn, user}, nil
}

func (s *Service) showEmail(w http.ResponseWriter, p *personHere, status int, typed string, problem templates.Problem) {
	s.Pages.Render(w, p.r, status, templates.ChangeEmail{
		Action: s.Issuer.URL(emailPath), Hidden: map[string]string{"user": p.user.ID}, AccountURL: s.Issuer.URL("/account"), User: pages.User(p.user),
		Email: p.user.Profile.Email, Verified: p.user.Profile.EmailVerified, New: typed, Problem: problem,
	})
}

// EmailForm takes the forms of the page.
func (s *Service) EmailForm(w http.ResponseWriter, r *http.Request) error {
	params, err := oauth.PageForm(w, r)
	if err != nil {
		return err
	}
	if params.Has("stop") {
		return s.stopChange(w, r, params.Get("stop"))
	}
	p, err := s.signedIn(w, r, params)
	if err != nil || p == nil {
		return err
	}
	switch {
	case params.Has("otp"):
		ok, err := s.tryCode(w, p.request, proof.Email, emailPath, emailPath)
		if err != nil || !ok {
			return err
		}
		return s.changeEmail(w, p)
	case params.Has("link") && params.Get("user") == p.user.ID:
		return s.changeEmail(w, p)
	case params.Get("again") == "yes":
		asked, err := s.Proofs.Asked(r.Context(), proof.Email, params.Get("id"), p.browser)
		if errors.Is(err, proof.ErrVoid) || err == nil && asked.UserID != p.user.ID {
			return s.changeVoid(w, p)
		} else if err != nil {
			return err
		}
		return s.askChange(w, p, asked.Email)
	}
	if params.Get("user") != p.user.ID { // another tab has signed in somebody else
		http.Redirect(w, r, s.Issuer.URL(emailPath), http.StatusSeeOther)
		return nil
	}
	return s.askChange(w, p, strings.TrimSpace(params.Get("email")))
}

// askChange sends mails to a new address and to the old one. If the new one has an account, its owner is told instead,
// and the person can't tell.
func (s *Service) askChange(w http.ResponseWriter, p *personHere, address string) error {
	ctx := p.r.Context()
	switch _, err := users.NormalizeEmail(address); {
	case err != nil:
		s.showEmail(w, p, http.StatusUnprocessableEntity, address, templates.InvalidEmail)
		return nil
	case sameAddress(address, p.user.Profile.Email) && p.user.Profile.EmailVerified:
		http.Redirect(w, p.r, s.Issuer.URL("/account"), http.StatusSeeOther)
		return nil
	}
	wait, err := s.takeChange(p.r, p.user.ID)
	if err != nil {
		return err
	}
	if wait > 0 {
		oauth.SetRetryAfter(w, wait)
		s.showEmail(w, p, http.StatusTooManyRequests, address, templates.TooManyAttempts)
		return nil
	}
	id := ""
	err = storage.Retry(func() error {
		taken, err := s.Accounts.IsTakenFor(ctx, address, p.user.ID)
		if err != nil {
			return err
		}
		made, err := s.Proofs.Make(ctx, proof.Ask{
			Kind: proof.Email, UserID: p.user.ID, Email: address, Decoy: taken, Browser: p.browser, Remote: remote(ctx), Pin: proof.PinOf(p.user),
		})
		if err != nil {
			return err
		}
		writes := made.Writes
		if made.MayMail {
			told, err := s.changeMails(p, address, made, taken)
			if err != nil {
				return err
			}
			writes = append(writes, told...)
		}
		id = made.ID
		return s.Store.Apply(ctx, writes...)
	})
	if err != nil {
		return err
	}
	s.Events.ProofAsked(ctx, string(proof.Email), p.user.ID, true)
	http.Redirect(w, p.r, s.Issuer.URL(emailPath)+"?"+url.Values{"id": {id}}.Encode(), http.StatusSeeOther)
	return nil
}

// changeMails are the writes of the mails about a change: to the new address, and to the old one if it is proved. The old
// one gets the same whether or not the new one is taken: it may be the person's who tries which addresses are.
func (s *Service) changeMails(p *personHere, address string, made *proof.Made, taken bool) ([]storage.Write, error) {
	ctx := p.r.Context()
	to := outbox.Recipient(p.user, p.acceptLanguage())
	to.Address = address
	writes := s.Outbox.Mail(to, mail.NewAddress{Proof: inMail(made, emailPath, proof.Email)})
	if taken {
		writes = s.Outbox.Mail(mail.Recipient{Address: address, AcceptLanguage: p.acceptLanguage()}, mail.AlreadyRegistered{Link: "/login"})
	}
	if !p.user.Profile.EmailVerified || sameAddress(p.user.Profile.Email, address) {
		return writes, nil
	}
	stop, err := s.Proofs.Make(ctx, proof.Ask{Kind: proof.Stop, UserID: p.user.ID, Email: p.user.Profile.Email, Remote: remote(ctx)})
	if err != nil {
		return nil, err
	}
	notice := mail.AddressChanging{New: address, Where: interaction.WhereOf(p.r)}
	if stop.Link != "" {
		notice.Link = emailPath + "?" + url.Values{"stop": {stop.Link}}.Encode()
	}
	return append(append(writes, stop.Writes...), s.Outbox.Notify(p.user, p.acceptLanguage(), notice)...), nil
}

// findChange returns the change that a request shows by its link, or by its code. The error is proof.ErrVoid if it does
// not work, is another user's, or if the user has changed since.
func (s *Service) findChange(p *personHere) (*proof.Live, error) {
	ctx := p.r.Context()
	var l *proof.Live
	var err error
	if p.params.Has("link") {
		l, err = s.Proofs.ByLink(ctx, proof.Email, p.params.Get("link"))
	} else {
		l, err = s.Proofs.Proved(ctx, proof.Email, p.params.Get("id"), p.browser)
	}
	if err == nil && l.UserID != p.user.ID {
		err = proof.ErrVoid
	}
	return l, err
}

func (s *Service) changeVoid(w http.ResponseWriter, p *personHere) error {
	return s.expired(w, p.request, proof.Email, p.user.ID, emailPath)
}

// changeEmail gives the account the address that was proved, and tells the old one.
func (s *Service) changeEmail(w http.ResponseWriter, p *personHere) error {
	ctx := p.r.Context()
	var address string
	err := storage.Retry(func() error {
		l, err := s.findChange(p)
		if err != nil {
			return err
		}
		user, version, err := storage.Users.Get(ctx, s.Store, p.user.ID)
		if err != nil {
			return err
		}
		if user.Disabled || l.Pin != proof.PinOf(user) {
			return proof.ErrVoid
		}
		address = l.Email
		changed := account.WithAddress(user, l.Email)
		if s.Accounts.IsNamed(user.Username) { // the file would make another user of that name
			changed.Username = user.Username
		}
		writes, err := s.Accounts.ChangeWrites(ctx, user, version, changed)
		if err != nil {
			return err
		}
		writes = append(append(writes, l.UseWrites()...), proof.VoidWrites(user.ID, proof.Reset, proof.Invite, proof.Stop)...)
		writes = append(writes, s.Events.EmailChanged(ctx, user.ID)...)
		if !sameAddress(user.Profile.Email, l.Email) {
			writes = append(writes, s.Outbox.Notify(user, p.acceptLanguage(), mail.AddressChanged{New: l.Email})...)
		}
		return s.Store.Apply(ctx, writes...)
	})
	taken := new(account.TakenError)
	switch {
	case errors.Is(err, proof.ErrVoid):
		return s.changeVoid(w, p)
	case errors.As(err, &taken):
		s.showEmail(w, p, http.StatusUnprocessableEntity, address, templates.EmailTaken)
		return nil
	case err != nil:
		return err
	}
	s.Pages.Render(w, p.r, http.StatusOK, templates.Notice{What: templates.AddressSaved, Email: address, NextURL: s.Issuer.URL("/account")})
	return nil
}

// stopPage asks whether a change shall be stopped. The link is in a mail to the old address, so no sign-in is needed.
func (s *Service) stopPage(w http.ResponseWriter, r *http.Request, token string) error {
	q, err := s.open(w, r)
	if err != nil {
		return err
	}
	l, err := s.Proofs.ByLink(r.Context(), proof.Stop, token)
	if errors.Is(err, proof.ErrVoid) {
		return s.expired(w, q, proof.Stop, "", "")
	} else if err != nil {
		return err
	}
	s.Pages.Render(w, r, http.StatusOK, templates.StopChange{
		Action: s.Issuer.URL(emailPath), Hidden: map[string]string{"stop": token}, Email: l.Email,
	})
	return nil
}

// stopChange voids a change of address.
func (s *Service) stopChange(w http.ResponseWriter, r *http.Request, token string) error {
	ctx := r.Context()
	q, err := s.openWith(w, r, url.Values{})
	if err != nil {
		return err
	}
	email := ""
	err = storage.Retry(func() error {
		l, err := s.Proofs.ByLink(ctx, proof.Stop, token)
		if err != nil {
			return err
		}
		email = l.Email
		writes := append(l.UseWrites(), proof.VoidWrites(l.UserID, proof.Email)...)
		return s.Store.Apply(ctx, append(writes, s.Events.EmailChangeStopped(ctx, l.UserID)...)...)
	})
	if errors.Is(err, proof.ErrVoid) {
		return s.expired(w, q, proof.Stop, "", "")
	} else if err != nil {
		return err
	}
	s.Pages.Render(w, r, http.StatusOK, templates.Notice{What: templates.ChangeStopped, Email: email, NextURL: s.Issuer.URL("/reset")})
	return nil
}
