package authz

import (
	"net/http"

	"github.com/gorilla/mux"

	"github.com/authzd/authzd/authz/admin"
)

// AdminSocket serves health, metrics and the admin API, to everybody that can connect: serve it at a socket
// whose mode keeps others out.
func (s *Server) AdminSocket() http.Handler {
	return s.operations(s.operator.Handler(admin.AtSocket))
}

// AdminListener serves health and metrics to everybody, and the admin API to callers with an access token for it.
func (s *Server) AdminListener() http.Handler {
	return s.operations(s.operator.Handler(s.operator.AtListener))
}

// operations serves health and metrics, and all other paths by rest, if it is not nil.
func (s *Server) operations(rest http.Handler) http.Handler {
	router := mux.NewRouter().SkipClean(true).UseEncodedPath()
	for path, h := range map[string]http.Handler{
		"/livez":   http.HandlerFunc(s.health.Live),
		"/readyz":  http.HandlerFunc(s.health.Ready),
		"/healthz": http.HandlerFunc(s.health.Ready),
		"/metrics": s.observer.MetricsHandler(),
	} {
		router.Path(path).Methods(http.MethodGet, http.MethodHead).Handler(h)
	}
	router.MethodNotAllowedHandler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
	})
	router.NotFoundHandler = rest
	return router
}
