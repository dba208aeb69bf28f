package authz

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"

	"github.com/authzd/authzd/authz/account"
	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/authorize"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/client/clientkeys"
	"github.com/authzd/authzd/authz/client/directory"
	"github.com/authzd/authzd/authz/clientauth"
	"github.com/authzd/authzd/authz/connect"
	"github.com/authzd/authzd/authz/dpop"
	"github.com/authzd/authzd/authz/events"
	"github.com/authzd/authzd/authz/factor"
	"github.com/authzd/authzd/authz/grant"
	"github.com/authzd/authzd/authz/interaction"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/logout"
	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/operator"
	"github.com/authzd/authzd/authz/outbound"
	"github.com/authzd/authzd/authz/outbox"
	"github.com/authzd/authzd/authz/pages"
	"github.com/authzd/authzd/authz/password"
	"github.com/authzd/authzd/authz/proof"
	"github.com/authzd/authzd/authz/register"
	"github.com/authzd/authzd/authz/selfservice"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/authz/throttle"
	"github.com/authzd/authzd/authz/token"
	"github.com/authzd/authzd/authz/tokenendpoint"
	"github.com/authzd/authzd/authz/tokeninfo"
	"github.com/authzd/authzd/authz/upkeep"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

// parts opens the parts of the server, in this order: each part needs only those above it. If it must call a later
// part, it gets a function that does so.
var parts = []func(*Server, context.Context) error{
	(*Server).openSealing, (*Server).openAudit, (*Server).openManaged, (*Server).openKeys, // the ground
	(*Server).openAccounts, (*Server).openFactors, (*Server).openConnectors, (*Server).openPasskeys, (*Server).openOutbound, (*Server).openPasswords, (*Server).openClients, // who is known
	(*Server).openProofs,
	(*Server).openObserver, (*Server).openTokens, (*Server).openPages, (*Server).openMail, (*Server).openLogout, (*Server).openUpkeep, (*Server).openEndpoints, (*Server).openFeed,
}

func (s *Server) openSealing(ctx context.Context) (err error) {
	s.sealing, err = keys.OpenSealing(ctx, keys.SealingConfig{
		Store:       s.store,
		Secret:      s.config.Secret,
		Outside:     max(authorize.CarriedLifetime, s.longestGrace()) + oauth.ClockSkew,
		OutsideMore: s.managedGrace,
		Logger:      s.logger,
		Replaced: func(ctx context.Context, id string) ([]storage.Write, error) { // it is called before the other parts are open
			if err := s.openAudit(ctx); err != nil {
				return nil, err
			}
			return s.events.SecretReplaced(ctx, id), nil
		},
		Counted: func(earlier int) { s.observer.SetEarlierSecretRecords(earlier) },
	})
	return err
}

func (s *Server) openAudit(ctx context.Context) error {
	deriver, err := keys.LastingDeriver(ctx, s.store, s.config.Secret, purposeAudit)
	s.audit = audit.New(audit.Config{
		Store:  s.store,
		MAC:    deriver.MAC,
		Keep:   s.config.Audit.Keep,
		Sealed: s.countSealed,
		Tampered: func(ctx context.Context, found string) {
			s.observer.Alarm(ctx, observe.AuditTampered, slog.String("found", found))
		},
		Logger: s.logger,
	})
	s.events = &events.Recorder{Audit: s.audit, Feed: s.feed, IsClient: func(ctx context.Context, id string) bool { return s.clients.IsClient(ctx, id) }}
	return err
}

func (s *Server) openManaged(context.Context) error {
	var described *client.Server
	if s.config.Operator != nil {
		described = s.config.Operator.Server
	}
	s.managed = directory.NewManaged(s.store, described, func(ctx context.Context, u keys.Use) error { return s.keys.Use(ctx, u) })
	return nil
}

func (s *Server) openKeys(ctx context.Context) error {
	managed, err := s.managed.All(ctx)
	if err != nil {
		return err
	}
	for _, alg := range managed.Algs {
		if !slices.Contains(s.algs, alg) {
			s.algs = append(s.algs, alg)
		}
	}
	s.keys, err = keys.Open(ctx, s.store, s.config.Secret, keys.Policy{
		Algs:        s.algs,
		RotateEvery: s.config.Signing.RotateEvery,
		Announce:    s.config.Signing.Announce,
		Retain:      max(s.longestUse(), managed.Token) + oauth.ClockSkew,
		More: func(ctx context.Context) (keys.Use, error) {
			managed, err := s.managed.All(ctx)
			if err != nil {
				return keys.Use{}, err
			}
			return keys.Use{Algs: managed.Algs, Retain: managed.Token + oauth.ClockSkew}, nil
		},
		Announced: s.events.KeyAnnounced,
		Logger:    s.logger,
	})
	return err
}

func (s *Server) openAccounts(ctx context.Context) error {
	s.accounts = account.New(s.store, account.NewPasswords())
	s.accounts.Changed, s.accounts.Tied = s.events.UserChanged, s.accountTied
	s.accounts.EndPasswordAfter = s.config.Accounts.EndPasswordAfter
	s.accounts.PasswordEnded = func(ctx context.Context, user *storage.User) []storage.Write {
		return append(s.events.PasswordEnded(ctx, user.ID), s.outbox.Notify(user, "", mail.PasswordDisabled{Link: "/reset", Where: mail.Where{
			Address: observe.Event(ctx).Remote().String(), At: user.PasswordEndedAt,
		}})...)
	}
	s.sessions = session.New(s.store, session.Config{
		Secure:         s.issuer.Secure,
		Path:           s.issuer.Path,
		Idle:           s.config.Sessions.Idle,
		Max:            s.config.Sessions.Max,
		RememberMe:     s.config.Sessions.RememberMe,
		ActivityBeacon: s.config.Sessions.Beacon,
		Began: func(ctx context.Context, began, replaced *session.Session) []storage.Write {
			return append(s.events.SessionBegan(ctx, began, replaced), proof.VoidWrites(began.UserID, proof.Reset, proof.Invite)...)
		},
		Crowded: s.events.SessionCrowded,
		Ended: func(ctx context.Context, ended *session.Session) ([]storage.Write, error) {
			return s.logout.SessionEnded(ctx, ended)
		},
	})
	differ, err := s.accounts.EnsureUsers(ctx, s.config.Users)
	if len(differ) > 0 {
		s.logger.Warn("the configuration states something else than these users have; it only creates users, so theirs counts",
			"users", differ, "do", "authzd user update, disable and set-password change users that exist")
	}
	return err
}

func (s *Server) openFactors(ctx context.Context) error {
	codes, err := keys.LastingDeriver(ctx, s.store, s.config.Secret, purposeRecovery)
	s.factors = factor.New(factor.Config{
		Store: s.store, Secret: s.config.Secret, Codes: codes, Happened: s.factorHappened, Policy: s.config.Factors,
	})
	return err
}

// accountTied tells a user that they can sign in through a connector.
func (s *Server) accountTied(ctx context.Context, user *storage.User, id connect.Identity) []storage.Write {
	where := mail.Where{At: storage.Now()}
	if from := observe.Event(ctx).Remote(); from.IsValid() {
		where.Address = from.String()
	}
	name := id.Connector
	if c := s.connectors.Get(id.Connector); c != nil {
		name = c.Name()
	}
	return s.outbox.Notify(user, "", mail.AccountLinked{Connector: name, Account: cmp.Or(id.Email, id.Subject), Link: "/account", Where: where})
}

// classes returns the classes that say how strong a sign-in is. If there are passkeys, phr and phrh name those (OpenID Connect
// Extended Authentication Profile ACR Values).
func (s *Server) classes() []authorize.Class {
	classes := slices.Clone(s.config.Classes)
	if s.passkeys == nil {
		return classes
	}
	for _, own := range []authorize.Class{
		{Name: authorize.ACRPhishingResistant, Level: factor.PhishingResistant}, {Name: authorize.ACRHardware, Level: factor.HardwareBound},
	} {
		if !slices.ContainsFunc(s.config.Classes, func(c authorize.Class) bool { return c.Name == own.Name }) {
			classes = append(classes, own)
		}
	}
	return classes
}

// factorHappened records what a code has done, and tells the person of a recovery code that was used, and of a factor that
// wrong codes have ended: somebody may know their password.
func (s *Server) factorHappened(ctx context.Context, h factor.Happening) []storage.Write {
	where := mail.Where{At: storage.Now()}
	if from := observe.Event(ctx).Remote(); from.IsValid() {
		where.Address = from.String()
	}
	var told mail.Message
	switch {
	case h.Locked && h.Factor == factor.NameRecovery:
		told = mail.RecoveryCodesLocked{Link: "/reset", Where: where}
	case h.Locked:
		told = mail.AuthenticatorLocked{Link: "/reset", Where: where}
	case h.Factor == factor.NameRecovery:
		told = mail.RecoveryCodeUsed{Left: h.Left, Link: "/account", Where: where}
	default:
		return s.events.FactorUsed(ctx, h)
	}
	return append(s.events.FactorUsed(ctx, h), s.outbox.Notify(h.User, "", told)...)
}

func (s *Server) openConnectors(context.Context) error {
	for _, c := range s.config.Connectors {
		c.RedirectURI = s.issuer.URL("/callback/" + c.ID)
		connector, err := connect.New(c)
		if err != nil {
			return fmt.Errorf("connector %s: %w", c.ID, err)
		}
		s.connectors = append(s.connectors, connector)
	}
	return nil
}

// openOutbound makes two outbound clients, so that fetches for strangers do not delay those of the keys of the
// operator's clients.
func (s *Server) openOutbound(context.Context) (err error) {
	if s.outbound, err = outbound.New(s.config.Outbound); err != nil {
		return err
	}
	forConfigured, err := outbound.New(s.config.Outbound)
	s.clientKeys = clientkeys.New(forConfigured, s.outbound)
	s.ledger.Keys = s.clientKeys
	return err
}

// sendsMail reports whether there is mail. Without it, what needs it is not offered.
func (s *Server) sendsMail() bool { return s.config.Mail.Transport != nil }

// offersSignUp reports whether everybody may make an account.
func (s *Server) offersSignUp() bool {
	return s.sendsMail() && s.config.Accounts.Registration == RegistrationOpen
}

// offersInvitations reports whether operators may invite people by mail.
func (s *Server) offersInvitations() bool {
	r := s.config.Accounts.Registration
	return s.sendsMail() && (r == RegistrationInvite || r == RegistrationOpen)
}

// openProofs opens the links and codes that go out by mail.
func (s *Server) openProofs(context.Context) error {
	s.proofs = proof.New(proof.Config{Store: s.store, MAC: s.config.Secret.Deriver(purposeCode).Derive})
	if r := s.config.Accounts.Registration; r != RegistrationOff && r != "" && !s.sendsMail() {
		s.logger.Warn("nobody can sign up or be invited, because there is no mail", "accounts.registration", r, "do", "set mail, or accounts.registration: off")
	}
	return nil
}

// openPasswords gives the look-up of leaks another outbound client: people wait for it.
func (s *Server) openPasswords(context.Context) error {
	policy := s.config.Accounts.Password
	policy.Issuer, policy.Always = s.issuer.ID, s.config.Factors.Always
	s.passwords = &policy
	if s.config.Accounts.LeaksURL == "" {
		return nil
	}
	hurried := s.config.Outbound
	hurried.Timeout = password.LeaksTimeout
	caller, err := outbound.New(hurried)
	policy.Leaks = &password.Leaks{
		URL: s.config.Accounts.LeaksURL,
		Get: func(ctx context.Context, url string, most int64) ([]byte, error) {
			doc, err := caller.Get(ctx, url, outbound.Want{MaxBytes: most, Header: map[string]string{"Add-Padding": "true"}})
			if err != nil {
				return nil, err
			}
			return doc.Body, nil
		},
		Counted: func(ctx context.Context, outcome password.Outcome, err error) {
			s.observer.CountLeakLookup(string(outcome))
			if err != nil {
				s.logger.WarnContext(ctx, "the service of leaked passwords did not answer as it should; the password was taken for one that did not leak", "error", err)
			}
		},
	}
	return err
}

// openClients opens the directory of clients, with the rules for those that the operator has not made.
func (s *Server) openClients(ctx context.Context) (err error) {
	if r := s.config.Registration; r.On() && (r.UnusedAfter <= 0 || r.PerAddressPerHour <= 0 || r.MaxClients <= 0) {
		return errors.New("registration: UnusedAfter, PerAddressPerHour and MaxClients must be positive")
	}
	c := directory.Config{Store: s.store, File: s.config.Clients, Managed: s.managed, Outbound: s.config.Outbound, Ledger: s.ledger}
	if s.config.Registration.On() {
		c.Registered, c.UnusedAfter = s.offer(client.Registered), s.config.Registration.UnusedAfter
	}
	if s.config.Documents {
		c.Documents = s.offer(client.Document)
	}
	if s.clients, err = directory.New(c); err != nil {
		return err
	}
	return nil
}

func (s *Server) openObserver(context.Context) (err error) {
	methods := []string{events.MethodPassword, events.MethodPasskey, events.MethodTOTP, events.MethodRecovery}
	for _, c := range s.connectors {
		methods = append(methods, c.ID())
	}
	s.health = observe.NewHealth(observe.Check{Name: "storage", Ready: s.store.Ready})
	s.observer, err = observe.New(observe.Config{
		Logger:         s.logger,
		Registry:       s.config.Metrics,
		TrustedProxies: s.config.TrustedProxies,
		Routes:         append(routeNames(slices.Concat(s.routeTable(), s.rootTable())), operator.RouteNames()...),
		LoginMethods:   methods,
		AccountEvents:  accountEvents,
		GrantTypes:     tokenendpoint.Names(),
		Panicked: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.reportJSON(w, r, errors.New("the handler panicked"))
		}),
	})
	return err
}

// openTokens opens what all endpoints share: grants, tokens, and the authentication of clients.
func (s *Server) openTokens(ctx context.Context) error {
	subjects, err := keys.LastingDeriver(ctx, s.store, s.config.Secret, purposeSubject)
	if err != nil {
		return err
	}
	nonces, err := s.newNonces()
	if err != nil {
		return err
	}
	s.grants = &grant.Grants{
		Store: s.store, Clients: s.clients, Accounts: s.accounts, Sessions: s.sessions, Events: s.events, Logger: s.logger,
		EndOffline: s.config.Sessions.EndOffline,
	}
	s.tokens = &token.Tokens{
		Issuer: s.issuer, Store: s.store, Keys: s.keys, Subjects: subjects, RefreshKeys: s.config.Secret.Deriver(purposeRefresh), Clients: s.clients, Grants: s.grants, Resources: s.resources,
		Alg: s.config.Signing.Alg, AccessLifetime: s.config.Lifetimes.AccessToken, IDLifetime: s.config.Lifetimes.IDToken,
	}
	s.auth = &clientauth.Authenticator{
		Issuer: s.issuer, Store: s.store, Clients: s.clients, Keys: s.clientKeys, Ledger: s.ledger, Guesses: throttle.New(), Nonces: nonces,
		MTLS: s.config.MTLS, TrustedProxies: s.config.TrustedProxies, Dev: s.config.Dev,
	}
	return nil
}

// newNonces returns the nonces of DPoP proofs, the same in every replica; nil if none are required.
func (s *Server) newNonces() (*dpop.Nonces, error) {
	if !s.config.DPoP.RequireNonce {
		return nil, nil
	}
	var keys [][]byte
	for _, key := range s.config.Secret.Deriver(purposeNonce).Derive(nil) {
		keys = append(keys, key[:])
	}
	return dpop.NewNonces(keys...)
}

func (s *Server) openPages(context.Context) error {
	renderer, err := templates.New(s.issuer.ID, s.config.Branding)
	s.pages = &pages.Pages{Renderer: renderer, Issuer: s.issuer, Clients: s.clients, Events: s.events, Dev: s.config.Dev}
	return err
}

// openMail opens the office that writes and sends mails.
func (s *Server) openMail(context.Context) (err error) {
	if s.config.Mail.Transport == nil {
		return nil
	}
	s.mail, err = mail.New(mail.Config{Issuer: s.issuer.ID, Branding: s.config.Branding, From: s.config.Mail.From, Transport: s.config.Mail.Transport})
	if err != nil {
		return fmt.Errorf("mail: %w", err)
	}
	return nil
}

// openLogout gives the outbox another outbound client, so that slow relying parties delay nothing else.
func (s *Server) openLogout(context.Context) error {
	caller, err := outbound.New(s.config.Outbound)
	s.logout = &logout.Logout{
		Issuer: s.issuer, Store: s.store, Clients: s.clients, Sessions: s.sessions, Tokens: s.tokens, Keys: s.keys, Ledger: s.ledger,
		Pages: s.pages, Events: s.events, Dev: s.config.Dev,
		EndOffline: s.config.Sessions.EndOffline, RefreshLifetime: s.config.Lifetimes.RefreshToken,
	}
	s.outbox = outbox.New(outbox.Config{
		Store: s.config.Store, Observer: s.observer, Logger: s.logger,
		Logouts: outbox.Logouts{Client: caller, Host: s.logout.Host, Address: s.logout.Address, Sign: s.logout.Token},
		Mail:    s.mail, Sealer: s.config.Secret.Sealer(keys.PurposeMail), MailLost: s.events.MailLost,
	})
	s.logout.Outbox = s.outbox
	return err
}

// wakeOutbox makes the outbox deliver what was put into it just now. While the server opens, there is none yet: it begins
// with what it finds.
func (s *Server) wakeOutbox() {
	if s.outbox != nil {
		s.outbox.Wake()
	}
}

func (s *Server) openUpkeep(context.Context) (err error) {
	s.upkeep, err = upkeep.New(upkeep.Config{
		Store: s.store, File: s.config.File, Issuer: s.issuer.ID, Secret: s.config.Secret, Sealing: s.sealing, Audit: s.audit,
		Observer: s.observer, Logger: s.logger, Backup: s.config.Backup,
		Did: func(ctx context.Context, c *admin.Call, e audit.Event) []storage.Write {
			return s.events.ByOperator(ctx, c.Actor, e)
		},
	})
	return err
}

func (s *Server) openEndpoints(ctx context.Context) error {
	clientSecrets, err := keys.LastingDeriver(ctx, s.store, s.config.Secret, purposeClientSecret)
	if err != nil {
		return err
	}
	s.requests = &authorize.Requests{
		Issuer: s.issuer, Store: s.store, Clients: s.clients, Auth: s.auth, Keys: s.clientKeys, Outbound: s.outbound, Ledger: s.ledger,
		Resources: s.resources, Connectors: s.connectors, Tokens: s.tokens, SigningKeys: s.keys, Pages: s.pages, Events: s.events, Dev: s.config.Dev,
		Classes: s.classes(), PushLifetime: s.config.Lifetimes.PAR, CodeLifetime: s.config.Lifetimes.Code,
	}
	s.interaction = &interaction.Interaction{
		Issuer: s.issuer, Store: s.store, Clients: s.clients, Accounts: s.accounts, Sessions: s.sessions, Passkeys: s.passkeys, Connectors: s.connectors, Auth: s.auth,
		Ledger: s.ledger, Resources: s.resources, Grants: s.grants, Tokens: s.tokens, Requests: s.requests, Logout: s.logout, Outbox: s.outbox,
		Pages: s.pages, Events: s.events, Flows: s.config.Secret.Sealer(purposeFlow), Upstream: s.config.Secret.Sealer(purposeConnect),
		Half: s.config.Secret.Sealer(purposeHalf), NotMe: s.config.Secret.Sealer(purposeNotMe), Factors: s.factors, AppName: cmp.Or(s.config.Branding.Name, s.issuer.Host),
		DeviceLifetime: s.config.Lifetimes.DeviceCode, RememberMe: s.config.Sessions.RememberMe, Playground: s.config.Playground != nil, Dev: s.config.Dev,
		SignUp: s.offersSignUp(), Reset: s.sendsMail(),
	}
	s.selfservice = &selfservice.Service{
		Issuer: s.issuer, Store: s.store, Accounts: s.accounts, Sessions: s.sessions, Connectors: s.connectors, Interaction: s.interaction,
		Logout: s.logout, Outbox: s.outbox, Pages: s.pages, Events: s.events, Audit: s.audit, Proofs: s.proofs, Passwords: s.passwords,
		SignUp: s.offersSignUp(), Domains: s.config.Accounts.AllowedDomains,
	}
	s.tokenInfo = &tokeninfo.Endpoints{
		Issuer: s.issuer, Store: s.store, Clients: s.clients, Sessions: s.sessions, Auth: s.auth, Grants: s.grants, Tokens: s.tokens,
		Keys: s.keys, Events: s.events,
	}
	s.register = &register.Endpoint{
		Issuer: s.issuer, Store: s.store, Clients: s.clients, Auth: s.auth, Keys: s.clientKeys, Outbound: s.outbound, Ledger: s.ledger,
		Events: s.events, Secrets: clientSecrets, Policy: s.config.Registration,
	}
	s.operator = &operator.API{
		Config: s.config.Operator, Issuer: s.issuer, Store: s.store, Upkeep: s.upkeep, Keys: s.keys,
		PageTokens: s.config.Secret.Sealer(purposePage), Clients: s.clients, Register: s.register, Accounts: s.accounts, Passwords: s.passwords, Proofs: s.proofs, Invites: s.offersInvitations(), Sessions: s.sessions,
		Connectors: s.connectors, Grants: s.grants, Tokens: s.tokens, Auth: s.auth, Logout: s.logout, Outbox: s.outbox, Mail: s.mail, Factors: s.factors,
		Events: s.events, Observer: s.observer,
	}
	s.tokenEndpoint, err = tokenendpoint.New(tokenendpoint.Config{
		Issuer: s.issuer, Store: s.store, Clients: s.clients, Accounts: s.accounts, Sessions: s.sessions, Auth: s.auth, Keys: s.clientKeys,
		Ledger: s.ledger, Resources: s.resources, Grants: s.grants, Tokens: s.tokens, Events: s.events,
		GrantTypes: s.grantTypes, TrustedIssuers: s.config.TrustedIssuers,
		RefreshLifetime: s.config.Lifetimes.RefreshToken, RefreshIdle: s.config.Lifetimes.RefreshIdle, RefreshGrace: s.config.Lifetimes.RefreshGrace,
	})
	return err
}
