// Package selfservice has the pages on which people make and keep their own accounts.
//
//	/signup  name, address, password -> mail -> /verify  code, or link -> the account, and the sign-in goes on
//	         an operator's invitation -> mail -> /signup?link=…  the first password
//	/reset   address -> mail -> /reset  code, or link -> a new password -> /login
//	/account/profile /account/email /account/delete /account/export
//	         for a person who is signed in; what is sensitive wants a sign-in of just now
//
// There is no account before its address is proved: a sign-up is a record of package proof. So nothing can be put on
// the account of an address by somebody who does not read its mails, and no name is reserved. The browser that signed up
// keeps its password; a link that is opened elsewhere asks, and has another chosen.
//
// A link changes nothing until a person sends a form. No page says whether an address has an account: both answers are
// the same, and leave at the same time.
package selfservice

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/authzd/authzd/authz/account"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/connect"
	"github.com/authzd/authzd/authz/events"
	"github.com/authzd/authzd/authz/interaction"
	"github.com/authzd/authzd/authz/logout"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/outbox"
	"github.com/authzd/authzd/authz/pages"
	"github.com/authzd/authzd/authz/password"
	"github.com/authzd/authzd/authz/proof"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/authz/tally"
	"github.com/authzd/authzd/authz/throttle"
	"github.com/authzd/authzd/authz/typed"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

// Service has the pages of people's own accounts.
type Service struct {
	Issuer      oauth.Issuer
	Store       storage.Store
	Accounts    *account.Directory
	Sessions    *session.Sessions
	Connectors  connect.Set
	Interaction *interaction.Interaction
	Logout      *logout.Logout
	Outbox      *outbox.Outbox
	Pages       *pages.Pages
	Events      *events.Recorder
	Audit       *audit.Log
	Proofs      *proof.Proofs
	Passwords   *password.Policy

	// SignUp lets people make accounts. Domains are the only ones whose addresses may; empty: all.
	SignUp  bool
	Domains []string
}

// The limits of what strangers can ask for, over all replicas. A network may have many people behind it. The records
// of all sign-ups of a day take about 50 MB, counting decoys, and 120 MB if each has the longest request of an app.
var (
	signUpsOfNetwork = throttle.Limit{Burst: 20, Interval: time.Minute}
	signUpsOfAll     = throttle.Limit{Burst: 2000, Interval: 2 * time.Second}
	resetsOfNetwork  = throttle.Limit{Burst: 20, Interval: time.Minute}
	resetsOfAll      = throttle.Limit{Burst: 2000, Interval: time.Second / 2}
	codesOfNetwork   = throttle.Limit{Burst: 100, Interval: 10 * time.Second}
	noLimit          throttle.Limit
	// changesOfUser limits what a signed-in person can find out about others: whether a name or an address is taken.
	changesOfUser = throttle.Limit{Burst: 10, Interval: 6 * time.Minute}
)

// take counts a request of a kind: from the network of the request, from the IPv6 /48 around it, because the owner of one
// could use up what is for all, and from all. It returns how long to wait if there were too many.
func (s *Service) take(r *http.Request, kind string, ofNetwork, ofAll throttle.Limit) (wait time.Duration, err error) {
	ctx := r.Context()
	from := observe.Event(ctx).Remote()
	charges := []tally.Charge{{Key: tally.Key(kind+" of network", throttle.NetworkOf(from).String()), Limit: ofNetwork}}
	if from.Unmap().Is6() {
		charges = append(charges, tally.Charge{Key: tally.Key(kind+" of site", throttle.SiteOf(from).String()), Limit: ofNetwork.OfSite()})
	}
	if wait, err = tally.Take(ctx, s.Store, charges...); err == nil && wait == 0 && ofAll.Burst > 0 {
		wait, err = tally.Take(ctx, s.Store, tally.Charge{Key: tally.Key(kind, ""), Limit: ofAll})
	}
	if wait > 0 {
		s.Pages.Refused(r, "", "throttled")
	}
	return wait, err
}

// takeChange counts what a user finds out about others by a change: whether a name or an address is taken. It returns how
// long to wait if it was too much.
func (s *Service) takeChange(r *http.Request, userID string) (time.Duration, error) {
	wait, err := tally.Take(r.Context(), s.Store, tally.Charge{Key: tally.Key("change", userID), Limit: changesOfUser})
	if wait > 0 {
		s.Pages.Refused(r, userID, "throttled")
	}
	return wait, err
}

// judge returns why a person can't have a password, or nil. userID is "" if there is no account yet.
func (s *Service) judge(r *http.Request, userID, typed string, who password.Person) *password.Refusal {
	refusal := s.Passwords.Judge(r.Context(), typed, who)
	if refusal != nil {
		s.Pages.Refused(r, userID, "password_"+string(refusal.Reason))
	}
	return refusal
}

// NeedsMail returns a handler that answers 404 if there is no mail.
func (s *Service) NeedsMail(h func(w http.ResponseWriter, r *http.Request) error) func(w http.ResponseWriter, r *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		if !s.Outbox.SendsMail() {
			return oauth.ErrNotFound
		}
		return h(w, r)
	}
}

// ChangePassword sends the browser to the page where the password is changed (A Well-Known URL for Changing Passwords).
func (s *Service) ChangePassword(w http.ResponseWriter, r *http.Request) error {
	http.Redirect(w, r, s.Issuer.URL("/account/password"), http.StatusSeeOther)
	return nil
}

// request is one request for a page: what it sent, and the sign-in that waits.
type request struct {
	*interaction.Waiting
	w       http.ResponseWriter
	r       *http.Request
	params  url.Values
	browser string
}

// open reads the query of a GET.
func (s *Service) open(w http.ResponseWriter, r *http.Request) (*request, error) {
	params, err := oauth.PageQuery(r)
	if err != nil {
		return nil, err
	}
	return s.openWith(w, r, params)
}

// openForm reads the form of a POST.
func (s *Service) openForm(w http.ResponseWriter, r *http.Request) (*request, error) {
	params, err := oauth.PageForm(w, r)
	if err != nil {
		return nil, err
	}
	return s.openWith(w, r, params)
}

func (s *Service) openWith(w http.ResponseWriter, r *http.Request, params url.Values) (*request, error) {
	waiting, err := s.Interaction.Waiting(w, r, params)
	if err != nil {
		return nil, err
	}
	return &request{waiting, w, r, params, waiting.Browser()}, nil
}

// waitsFor lets the sign-in go on that waited when this browser asked for a proof: its link may be opened in a tab that
// knows nothing of the app. In another browser nothing goes on.
func (s *Service) waitsFor(q *request, l *proof.Live) error {
	if l.Flow == "" || l.Browser != q.browser || q.params.Has("flow") {
		return nil
	}
	waiting, err := s.Interaction.Waiting(q.w, q.r, url.Values{"flow": {l.Flow}})
	if refused := new(oauth.Error); errors.As(err, &refused) { // the server's secret was replaced meanwhile
		return nil
	} else if err != nil {
		return err
	}
	q.Waiting = waiting
	return nil
}

// acceptLanguage returns the languages of the browser, for mails to a user without a locale.
func (q *request) acceptLanguage() string { return q.r.Header.Get("Accept-Language") }

// remote is the network address of a request, as it is shown to people.
func remote(ctx context.Context) string {
	if from := observe.Event(ctx).Remote(); from != (netip.Addr{}) {
		return from.String()
	}
	return ""
}

const maxName = 100 // characters of a name that a person gives

// cleanName returns a name as it is stored, and reports whether it can be one.
func cleanName(name string) (string, bool) { return typed.Name(name, maxName) }

// newPassword is the field for a new password, and why the one that was typed is refused; refusal may be nil.
func (s *Service) newPassword(roles []string, refusal *password.Refusal) templates.NewPassword {
	p := templates.NewPassword{Least: s.Passwords.Least(roles)}
	if refusal != nil {
		p.Refused, p.Seen = templates.Weakness(refusal.Reason), refusal.Seen
	}
	return p
}

// expired draws the page of a link or code that does not work, and records it. again is the page that sends another.
func (s *Service) expired(w http.ResponseWriter, q *request, kind proof.Kind, userID, again string) error {
	s.Events.ProofFailed(q.r.Context(), string(kind), userID, "void")
	p := templates.LinkExpired{UILocales: q.UILocales(), Client: q.Client(), LoginURL: q.LoginURL()}
	if again != "" {
		p.AgainURL = q.URL(again, nil)
	}
	s.Pages.Render(w, q.r, http.StatusGone, p)
	return nil
}
