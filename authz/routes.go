package authz

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gorilla/mux"
	"github.com/rs/cors"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
)

// handler answers a request or returns why it could not; its route says in which form.
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

// routeMethods are all that a route can have handlers for.
var routeMethods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete}

// guard is what stands before a route's handlers and gives their errors a form.
type guard int

const (
	public guard = iota // JSON for everybody, any origin, any request header, cacheable
	api                 // JSON, the clients' own origins, never cached
	page                // HTML, same-origin posts only, never cached
	entry               // HTML, where apps and upstreams send the browser: posts from anywhere, and a GET acts
	probe               // health: neither CORS nor pages
)

// routeTable is every route there is.
func (s *Server) routeTable() []route {
	routes := []route{
		{"jwks", "/jwks.json", methods{get: s.jwks}, public},
		{"discovery", "/.well-known/openid-configuration", methods{get: s.discovery}, public},
		{"discovery", "/.well-known/oauth-authorization-server", methods{get: s.discovery}, public},

		{"par", "/par", methods{post: s.requests.Push}, api},
		{"token", "/token", methods{post: s.tokenEndpoint.Token}, api},
		{"userinfo", "/userinfo", methods{get: s.tokenInfo.Userinfo, post: s.tokenInfo.Userinfo}, api},
		{"introspect", "/introspect", methods{post: s.tokenInfo.Introspect}, api},
		{"revoke", "/revoke", methods{post: s.tokenInfo.Revoke}, api},
		{"device_authorization", "/device_authorization", methods{post: s.ifDevices(s.interaction.DeviceAuthorization)}, api},
		{"session", "/session", methods{get: s.tokenInfo.SessionStatus}, api},
		{"session_activity", "/session/activity", methods{post: s.tokenInfo.SessionActivity}, api},

		{"authorize", "/authorize", methods{get: s.interaction.Authorize, post: s.interaction.Authorize}, entry},
		{"login", "/login", methods{get: s.interaction.LoginPage, post: s.interaction.Login}, page},
		{"login_upstream", "/login/{connector}", methods{get: s.interaction.BeginUpstream}, page},
		{"callback", "/callback/{connector}", methods{get: s.interaction.FinishUpstream}, entry},
		{"link", "/link", methods{get: s.interaction.LinkPage, post: s.interaction.ConfirmLink}, page},
		{"select_account", "/select-account", methods{get: s.interaction.SelectAccountPage, post: s.interaction.SelectAccount}, page},
		{"consent", "/consent", methods{get: s.interaction.ConsentPage, post: s.interaction.Consent}, page},
		{"device", "/device", methods{get: s.ifDevices(s.interaction.DevicePage), post: s.ifDevices(s.interaction.EnterDevice)}, page},
		{"logout", "/logout", methods{get: s.logout.Page, post: s.logout.Submit}, entry},
		{"account", "/account", methods{get: s.interaction.AccountPage, post: s.interaction.AccountAction}, page},
		{"home", "/", methods{get: s.interaction.Home}, page},

		{"livez", "/livez", methods{get: plain(s.health.Live)}, probe},
		{"readyz", "/readyz", methods{get: plain(s.health.Ready)}, probe},
		{"readyz", "/healthz", methods{get: plain(s.health.Ready)}, probe},
	}
	if s.config.Registration.On() {
		routes = append(routes,
			route{"register", "/register", methods{post: s.register.Create}, api},
			route{"client", "/register/{client}", methods{get: s.register.Read, put: s.register.Update, delete: s.register.Delete}, api})
	}
	return routes
}

// ifDevices is there as long as a client is that may use the device grant.
func (s *Server) ifDevices(h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if !s.tokenEndpoint.Offers(r.Context(), client.GrantDeviceCode) {
			return notFound(w, r)
		}
		return h(w, r)
	}
}

func routeNames(routes []route) []string {
	names := []string{"assets", "playground", "not_found"}
	for _, r := range routes {
		names = append(names, r.name)
	}
	return names
}

// routes builds the router. gorilla/mux matches paths only: methods are left to guarded, so that
// preflights reach CORS and a 405 names what is allowed. Paths are cleaned before it, because mux
// would answer an unclean one with a redirect.
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
		router.Match(r, &match)  // always does: there is a NotFoundHandler
		if len(match.Vars) > 0 { // router.ServeHTTP would copy each request twice, to tell what nobody asks for
			r = mux.SetURLVars(r, match.Vars)
		}
		match.Handler.ServeHTTP(w, r)
	})
}

func named(name string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		observe.Event(r.Context()).SetRoute(name)
		h.ServeHTTP(w, r)
	})
}

func plain(h http.HandlerFunc) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		h(w, r)
		return nil
	}
}

// guarded is a route with all that its guard demands.
func (s *Server) guarded(rt route) http.Handler {
	report := s.reportJSON
	if rt.guard == page || rt.guard == entry {
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
		default:
			err = handle(w, r)
		}
		if err != nil {
			report(w, r, err)
		}
	})
	switch rt.guard {
	case public:
		everybody := cors.New(cors.Options{AllowedOrigins: []string{"*"}, AllowedMethods: []string{http.MethodGet, http.MethodHead}, AllowedHeaders: []string{"*"}})
		return named(rt.name, everybody.Handler(inner))
	case api:
		return named(rt.name, s.cors().Handler(inner))
	}
	return named(rt.name, inner)
}

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

// allowed lists the methods that have a handler.
func (rt route) allowed() []string {
	var allowed []string
	for _, method := range routeMethods {
		if rt.handler(method) != nil {
			allowed = append(allowed, method)
		}
	}
	return allowed
}

// corsHeaders may be sent by a browser app.
var corsHeaders = []string{"Authorization", "Content-Type", "DPoP", "MCP-Protocol-Version"}

// cors lets the origins of clients call. A preflight doesn't say which client asks, so any
// registered origin passes it, and any at all where clients may come with their own; OnlyOrigins is
// stricter once the client is known.
func (s *Server) cors() *cors.Cors {
	headers := s.config.CORSHeaders
	if headers == nil {
		headers = []string{"traceparent", "tracestate"} // of Trace Context (W3C), which tracing libraries add to every request
	}
	return cors.New(cors.Options{
		AllowOriginVaryRequestFunc: func(r *http.Request, origin string) (bool, []string) {
			return s.clients.File.HasOrigin(origin) || s.config.admitsStrangers() || s.auth.DevOrigin(origin) || s.managedOrigin(r, origin), nil
		},
		AllowedMethods: routeMethods, // all: a browser may read a 405 too
		AllowedHeaders: slices.Concat(corsHeaders, headers),
		ExposedHeaders: []string{"WWW-Authenticate", "DPoP-Nonce", "Retry-After", "X-Request-Id"},
		MaxAge:         600, // seconds
	})
}

// managedOrigin reports whether a managed client calls from an origin, as far as is known.
// It is not asked about requests that come from no page: their answers would wait for it.
func (s *Server) managedOrigin(r *http.Request, origin string) bool {
	if origin == "" {
		return false
	}
	return s.clients.Managed.Known(r.Context()).Origins[origin]
}

// notFound answers every path that there is no route for.
func notFound(http.ResponseWriter, *http.Request) error { return oauth.ErrNotFound }

// reportJSON answers with an error at a JSON endpoint, and tells the log of it.
func (s *Server) reportJSON(w http.ResponseWriter, r *http.Request, err error) {
	e := oauth.AsError(err)
	observe.Event(r.Context()).SetError(e.Code, e.Description, e.Cause)
	s.events.Refused(r, e)
	oauth.WriteError(w, s.issuer.ID, e)
}
