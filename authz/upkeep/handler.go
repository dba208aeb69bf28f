package upkeep

import (
	"errors"
	"net/http"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/observe"
)

// RouteNames returns the names of a program's operations and of those of this package, as the log and the metrics have
// them.
func RouteNames(own []admin.Route) []string {
	var names []string
	for _, r := range append(own, (*Upkeep)(nil).Routes()...) {
		names = append(names, r.Name)
	}
	return names
}

// Started puts an operation of the admin API into the event of its request.
func Started(r *http.Request, route string) { observe.Event(r.Context()).SetRoute(route) }

// Failed puts an error of the admin API into the event of its request, and the id of the request into the answer.
func Failed(r *http.Request, p *admin.Problem) {
	event := observe.Event(r.Context())
	event.SetError(p.Code, p.Detail, errors.Unwrap(p))
	p.RequestID = event.RequestID()
}
