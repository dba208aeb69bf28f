package authz

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gorilla/mux"
	"github.com/rs/cors"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/devmail"
	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
)

// handler answers a request, or returns an error. The guard of its route answers with the error.
type handler func(w http.ResponseWriter, r *http.Request) error

// route is one endpoint. A method without a handler is answered with 405.
type route struct {
	name     string // in the log and in metrics
	path     string // below the issuer
	handlers methods
	guard    guard
}

// methods are the handlers of a route. A HEAD is answered as a GET without its body.
type methods struct{ get, post, put, delete handler }

// routeMethods are all methods that a route can have handlers for.
var routeMethods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete}

// guard is the set of rules for a kind of route: CORS, caching, cross-site forms, and the form of errors.
type guard int

const (
	public guard = iota // JSON, for any origin with any request header; handlers set how long it is cached
	api                 // JSON, for the origins of clients; never cached
	form                // api, and a success is only for the origins of the client that sent the form
	page                // HTML; forms of the same origin only; never cached
	entry               // HTML, where apps and upstreams send the browser: forms of any site; a GET has effects
	probe               // health, without CORS
)

// routeTable returns every route, but for assets and the playground.
func (s *Server) routeTable() []route {
	routes := []route{
		{"jwks", "/jwks.json", methods{get: s.jwks}, public},
		{"discovery", "/.well-known/openid-configuration", methods{get: s.discovery}, public},
		{"discovery", "/.well-known/oauth-authorization-server", methods{get: s.discovery}, public},

		{"par", "/par", methods{post: s.requests.Push}, form},
		{"token", "/token", methods{post: s.tokenEndpoint.Token}, form},
		{"userinfo", "/userinfo", methods{get: s.tokenInfo.Userinfo, post: s.tokenInfo.Userinfo}, api},
		{"introspect", "/introspect", methods{post: s.tokenInfo.Introspect}, form},
		{"revoke", "/revoke", methods{post: s.tokenInfo.Revoke}, form},
		{"device_authorization", "/device_authorization", methods{post: s.ifDevices(s.interaction.DeviceAuthorization)}, form},
		s.revocations(),
		{"session", "/session", methods{get: s.tokenInfo.SessionStatus}, api},
		{"session_activity", "/session/activity", methods{post: s.tokenInfo.SessionActivity}, api},

		{"authorize", "/authorize", methods{get: s.interaction.Authorize, post: s.interaction.Authorize}, entry},
		{"login", "/login", methods{get: s.interaction.LoginPage, post: s.interaction.Login}, page},
		{"login_factor", "/login/factor", methods{get: s.interaction.FactorPage, post: s.interaction.Factor}, page},
		{"login_upstream", "/login/{connector}", methods{get: s.interaction.BeginUpstream}, page},
		{"callback", "/callback/{connector}", methods{get: s.interaction.FinishUpstream}, entry},
		{"link", "/link", methods{get: s.interaction.LinkPage, post: s.interaction.ConfirmLink}, page},
		{"select_account", "/select-account", methods{get: s.interaction.SelectAccountPage, post: s.interaction.SelectAccount}, page},
		{"consent", "/consent", methods{get: s.interaction.ConsentPage, post: s.interaction.Consent}, page},
		{"device", "/device", methods{get: s.ifDevices(s.interaction.DevicePage), post: s.ifDevices(s.interaction.EnterDevice)}, page},
		{"logout", "/logout", methods{get: s.logout.Page, post: s.logout.Submit}, entry},
		{"passkey_offer", "/passkey", methods{get: s.interaction.PasskeyPage, post: s.interaction.AnswerPasskeyOffer}, page},
		{"account_factors", "/account/factors", methods{get: s.interaction.FactorsPage, post: s.interaction.ChangeFactors}, page},
		{"account_app", "/account/factors/app", methods{get: s.interaction.AppPage, post: s.interaction.SetUpApp}, page},
		{"account_passkeys", "/account/passkeys", methods{get: s.interaction.PasskeysPage, post: s.interaction.ChangePasskeys}, page},
		{"account", "/account", methods{get: s.interaction.AccountPage, post: s.interaction.AccountAction}, page},
		{"home", "/", methods{get: s.interaction.Home}, page},

		{"livez", "/livez", methods{get: plain(s.health.Live)}, probe},
		{"readyz", "/readyz", methods{get: plain(s.health.Ready)}, probe},
		{"readyz", "/healthz", methods{get: plain(s.health.Ready)}, probe},
	}
	if box, ok := s.config.Mail.Transport.(*mail.Box); ok && s.config.Dev {
		mails := devmail.Mails{Box: box, Issuer: s.issuer, Pages: s.pages}
		routes = append(routes,
			route{"dev_mail", "/dev/mail", methods{get: mails.List}, page},
			route{"dev_mail", "/dev/mail/{mail}", methods{get: mails.Show}, page},
			route{"dev_mail", "/dev/mail/{mail}/html", methods{get: mails.HTML}, page})
	}
	routes = append(routes, s.peopleRoutes()...)
	if s.config.Registration.On() {
		routes = append(routes,
			route{"register", "/register", methods{post: s.register.Create}, api},
			route{"client", "/register/{client}", methods{get: s.register.Read, put: s.register.Update, delete: s.register.Delete}, api})
	}
	return routes
}

// rootTable returns the routes at the root of the host, where others look for them also if the issuer has a path.
func (s *Server) rootTable() (routes []route) {
	routes = append(routes, route{"change_password", "/.well-known/change-password", methods{get: s.selfservice.ChangePassword}, page})
	if s.passkeys != nil {
		routes = append(routes, route{"webauthn", "/.well-known/webauthn", methods{get: s.relatedOrigins}, public})
	}
	return routes
}

// peopleRoutes returns the pages of people's own accounts, as far as there is mail for what needs it.
func (s *Server) peopleRoutes() []route {
	own := s.selfservice
	routes := []route{
		{"account_link", "/account/link/{connector}", methods{get: s.interaction.BeginLink}, page},
		{"account_profile", "/account/profile", methods{get: own.ProfilePage, post: own.ProfileForm}, page},
		{"account_password", "/account/password", methods{get: own.PasswordPage, post: own.PasswordForm}, page},
		{"account_delete", "/account/delete", methods{get: own.LeavePage, post: own.Leave}, page},
		{"account_export", "/account/export", methods{get: own.ExportData}, page},
	}
	if !s.sendsMail() {
		return routes
	}
	routes = append(routes,
		route{"not_me", "/not-me", methods{get: s.interaction.NotMePage, post: s.interaction.EndNotMe}, page},
		route{"account_email", "/account/email", methods{get: own.EmailPage, post: own.EmailForm}, page},
		route{"reset", "/reset", methods{get: own.ResetPage, post: own.ResetForm}, page})
	switch s.config.Accounts.Registration {
	case RegistrationOpen:
		routes = append(routes, route{"verify", "/verify", methods{get: own.VerifyPage, post: own.VerifyForm}, page})
		fallthrough
	case RegistrationInvite:
		routes = append(routes, route{"signup", "/signup", methods{get: own.SignUpPage, post: own.SignUpForm}, page})
	}
	return routes
}

// revocations returns the route of the revocation feed, as the configuration says who may read it.
func (s *Server) revocations() route {
	if s.config.Revocations.ClientsOnly {
		return route{"revocations", "/revocations", methods{get: s.feed.Serve, post: s.feed.Serve}, form}
	}
	return route{"revocations", "/revocations", methods{get: s.feed.Serve}, public}
}

// ifDevices returns a handler that answers 404 as long as no client may use the device grant.
func (s *Server) ifDevices(h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if !s.tokenEndpoint.Offers(r.Context(), client.GrantDeviceCode) {
			return notFound(w, r)
		}
		return h(w, r)
	}
}

// routeNames returns the names of routes, as the log and the metrics have them.
func routeNames(routes []route) []string {
	names := []string{"assets", "playground", "not_found"}
	for _, r := range routes {
		names = append(names, r.name)
	}
	return names
}

// routes builds the router. gorilla/mux matches paths only: guarded looks at the method, so that preflights reach
// CORS, and a 405 names what is allowed. Paths are cleaned first, because mux would answer an unclean one with a
// redirect.
func (s *Server) routes() http.Handler {
	router := mux.NewRouter().SkipClean(true)
	for _, rt := range s.routeTable() {
		router.Handle(s.issuer.Path+rt.path, s.guarded(rt))
		if rt.path == "/" && s.issuer.Path != "" {
			router.Handle(s.issuer.Path, s.guarded(rt))
		}
		if well, ok := strings.CutPrefix(rt.path, "/.well-known/"); ok && s.issuer.Path != "" {
			router.Handle("/.well-known/"+well+s.issuer.Path, s.guarded(rt)) // RFC 8414 section 3.1
		}
	}
	for _, rt := range s.rootTable() {
		router.Handle(rt.path, s.guarded(rt))
	}
	router.PathPrefix(s.issuer.Path + "/assets/").Handler(named("assets", s.pages.Renderer.Assets()))
	if s.config.Playground != nil {
		router.Handle(s.issuer.Path+"/playground", named("playground", s.config.Playground))
		router.PathPrefix(s.issuer.Path + "/playground/").Handler(named("playground", s.config.Playground))
	}
	router.NotFoundHandler = s.guarded(route{"not_found", "", methods{get: notFound, post: notFound}, page})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for strings.Contains(r.URL.Path, "//") {
			r.URL.Path = strings.ReplaceAll(r.URL.Path, "//", "/")
		}
		if s.issuer.Secure {
			w.Header().Set("Strict-Transport-Security", "max-age=31536000")
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		var match mux.RouteMatch
		router.Match(r, &match)  // always matches: there is a NotFoundHandler
		if len(match.Vars) > 0 { // router.ServeHTTP would copy each request twice, for a route that nobody reads
			r = mux.SetURLVars(r, match.Vars)
		}
		match.Handler.ServeHTTP(w, r)
	})
}

// named sets the route's name in the request's event.
func named(name string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		observe.Event(r.Context()).SetRoute(name)
		h.ServeHTTP(w, r)
	})
}

// plain returns a handler that never returns an error.
func plain(h http.HandlerFunc) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		h(w, r)
		return nil
	}
}

// guarded returns the http.Handler of a route, with the rules of its guard.
func (s *Server) guarded(rt route) http.Handler {
	report, isPage := s.reportJSON, rt.guard == page || rt.guard == entry
	if isPage {
		report = s.interaction.ReportPage
	}
	sameOrigin := s.issuer.SameOrigin()
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rt.guard != public {
			w.Header().Set("Cache-Control", "no-store")
		}
		handle := rt.handler(r.Method)
		var err error
		switch {
		case handle == nil:
			allowed := strings.Join(rt.allowed(), ", ")
			w.Header().Set("Allow", allowed)
			err = &oauth.Error{Status: http.StatusMethodNotAllowed, Code: oauth.MethodNotAllowed, Description: "This endpoint takes " + allowed + "."}
		case rt.guard == page && sameOrigin.Check(r) != nil:
			err = &oauth.Error{Status: http.StatusForbidden, Code: "cross_site_request", Description: "The form was sent from another site."}
		case isPage && s.pages.Renderer.Choose(w, r):
		default:
			if isPage {
				s.pages.Renderer.Prefer(r)
			}
			err = handle(w, r)
		}
		if err != nil {
			if rt.guard == form && w.Header().Get(allowOrigin) != "" && !s.knownOrigin(r, r.Header.Get("Origin")) {
				w.Header().Del(allowOrigin)
			}
			report(w, r, err)
		}
	})
	switch rt.guard {
	case public:
		everybody := cors.New(cors.Options{AllowedOrigins: []string{"*"}, AllowedMethods: []string{http.MethodGet, http.MethodHead}, AllowedHeaders: []string{"*"}})
		return named(rt.name, everybody.Handler(inner))
	case api:
		return named(rt.name, s.cors(s.knownOrigin).Handler(inner))
	case form:
		return named(rt.name, s.cors(s.formOrigin).Handler(inner))
	}
	return named(rt.name, inner)
}

// handler returns the handler of a method, nil if there is none.
func (rt route) handler(method string) handler {
	switch {
	case method == http.MethodGet, method == http.MethodHead && rt.guard != entry:
		return rt.handlers.get
	case method == http.MethodPost:
		return rt.handlers.post
	case method == http.MethodPut:
		return rt.handlers.put
	case method == http.MethodDelete:
		return rt.handlers.delete
	}
	return nil
}

// allowed returns the methods that have a handler.
func (rt route) allowed() []string {
	var allowed []string
	for _, method := range routeMethods {
		if rt.handler(method) != nil {
			allowed = append(allowed, method)
		}
	}
	return allowed
}

const allowOrigin = "Access-Control-Allow-Origin"

// corsHeaders are the request headers that a browser app may send.
var corsHeaders = []string{"Authorization", "Content-Type", "DPoP", "MCP-Protocol-Version"}

// cors lets the origins of clients call. A preflight does not name the client, so any registered origin passes it,
// and every origin if clients may register themselves. Once the client is known, OnlyOrigins is stricter.
func (s *Server) cors(allowed func(r *http.Request, origin string) bool) *cors.Cors {
	headers := s.config.CORSHeaders
	if headers == nil {
		headers = []string{"traceparent", "tracestate"} // of Trace Context (W3C), which tracing libraries add to every request
	}
	return cors.New(cors.Options{
		AllowOriginVaryRequestFunc: func(r *http.Request, origin string) (bool, []string) {
			return allowed(r, origin), nil
		},
		AllowedMethods: routeMethods, // all: a browser may read a 405 too
		AllowedHeaders: slices.Concat(corsHeaders, headers),
		ExposedHeaders: []string{"WWW-Authenticate", "DPoP-Nonce", "Retry-After", "X-Request-Id"},
		MaxAge:         600, // seconds
	})
}

// knownOrigin reports whether a client may call from an origin, as far as is known. It does not read the store for a
// request without an Origin, so that such requests do not wait.
func (s *Server) knownOrigin(r *http.Request, origin string) bool {
	return s.clients.File.HasOrigin(origin) || s.config.admitsStrangers() || s.auth.DevOrigin(origin) ||
		origin != "" && s.clients.Managed.Known(r.Context()).Origins[origin]
}

// formOrigin is knownOrigin for a request with a form. It does not wait for the store if the origin was known before:
// OnlyOrigins checks a success against its client, and guarded checks an error by knownOrigin.
func (s *Server) formOrigin(r *http.Request, origin string) bool {
	return r.Method != http.MethodOptions && s.clients.Managed.Last().Origins[origin] || s.knownOrigin(r, origin)
}

// notFound answers a path that has no route.
func notFound(http.ResponseWriter, *http.Request) error { return oauth.ErrNotFound }

// reportJSON answers with an error at a JSON endpoint, and records it.
func (s *Server) reportJSON(w http.ResponseWriter, r *http.Request, err error) {
	e := oauth.AsError(err)
	observe.Event(r.Context()).SetError(e.Code, e.Description, e.Cause)
	s.events.Refused(r, e)
	oauth.WriteError(w, s.issuer.ID, e)
}
