package authz

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ory/fosite"

	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

// refuseAuthorization tells the client what is wrong, if it is known where to, and else the person
// before the browser (RFC 6749 section 4.1.2.1).
func (s *Server) refuseAuthorization(w http.ResponseWriter, r *http.Request, a *authorization, err error) error {
	e := asError(err)
	if a.redirectURI == "" {
		e = &Error{Status: max(e.Status, http.StatusBadRequest), Code: e.Code, Description: e.Description, cause: e.cause}
		if e.Status == http.StatusUnauthorized {
			e.Status = http.StatusBadRequest // there is no authentication that would help
		}
		s.showError(w, r, e, a)
		return nil
	}
	if a.pushed != "" {
		lost := s.store.Apply(r.Context(), s.spend(a)...)
		if first := new(storage.ConflictError); errors.As(lost, &first) { // of two tabs the other one
			s.showError(w, r, errPushedUnknown, a)
			return nil
		} else if lost != nil {
			e = asError(lost)
		}
	}
	observe.Event(r.Context()).SetError(e.Code, e.Description, e.cause)
	s.noteRefusal(r, e)
	return s.respond(w, r, a, url.Values{"error": {e.Code}, "error_description": {e.Description}})
}

// responseMode is how a response gets to the client.
type responseMode struct {
	way    fosite.ResponseModeType // query, fragment or form_post
	signed bool                    // as a JWT: JARM section 2.3
}

// responseModes are all that are offered; jwt is what suits the response type.
var responseModes = []string{"query", "fragment", "form_post", "jwt", "query.jwt", "fragment.jwt", "form_post.jwt"}

// responseModeOf is where the answer goes; errors of implicit requests, and of unknown modes, go where
// such clients look for them.
func responseModeOf(params url.Values) responseMode {
	mode := responseMode{way: fosite.ResponseModeQuery}
	for _, t := range strings.Fields(params.Get("response_type")) {
		if t == "token" || t == "id_token" {
			mode.way = fosite.ResponseModeFragment
		}
	}
	asked := params.Get("response_mode")
	if !slices.Contains(responseModes, asked) {
		return mode
	}
	way, signed := strings.CutSuffix(asked, "jwt")
	mode.signed = signed
	if way = strings.TrimSuffix(way, "."); way != "" {
		mode.way = fosite.ResponseModeType(way)
	}
	return mode
}

// respond sends an authorization response to the client's redirect URI in the response mode that it
// asked for (OAuth 2.0 Multiple Response Types section 2.1, Form Post Response Mode), always with
// iss (RFC 9207) and the state exactly as it came.
func (s *Server) respond(w http.ResponseWriter, r *http.Request, a *authorization, params url.Values) error {
	params = maps.Clone(params)
	params.Set("iss", s.config.Issuer)
	if state := a.params["state"]; len(state) == 1 {
		params.Set("state", state[0])
	}
	if a.mode.signed || a.client.RequireJARM {
		response, err := s.signResponse(a, params)
		if err != nil {
			return err
		}
		params = url.Values{"response": {response}}
	}
	if a.mode.way == fosite.ResponseModeFormPost {
		fields := map[string]string{}
		for name := range params {
			fields[name] = params.Get(name)
		}
		s.render(w, r, http.StatusOK, templates.FormPost{
			UILocales: a.params.Get("ui_locales"),
			Client:    &templates.Client{Name: a.client.Name, RedirectURI: a.redirectURI},
			Action:    a.redirectURI,
			Params:    fields,
		})
		return nil
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Location", withParams(a.redirectURI, a.mode.way, params))
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// withParams appends parameters to a URI whose own query stays byte for byte as it is registered.
func withParams(uri string, mode fosite.ResponseModeType, params url.Values) string {
	switch {
	case mode == fosite.ResponseModeFragment:
		return uri + "#" + params.Encode()
	case strings.HasSuffix(uri, "?"), strings.HasSuffix(uri, "&"):
		return uri + params.Encode()
	case strings.Contains(uri, "?"):
		return uri + "&" + params.Encode()
	}
	return uri + "?" + params.Encode()
}
