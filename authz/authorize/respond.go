package authorize

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

// Refuse sends an error to the client if the redirect URI is known, and shows it to the person otherwise (RFC
// 6749 section 4.1.2.1). It returns an error only if the answer could not be made.
func (reqs *Requests) Refuse(w http.ResponseWriter, r *http.Request, a *Request, err error) error {
	e := oauth.AsError(err)
	if a.RedirectURI == "" {
		shown := *e
		shown.Status = max(e.Status, http.StatusBadRequest)
		if e.Status == http.StatusUnauthorized {
			shown.Status = http.StatusBadRequest // a browser can't authenticate the client
		}
		reqs.Pages.ShowError(w, r, &shown, a.about())
		return nil
	}
	if a.pushed != "" {
		lost := reqs.Store.Apply(r.Context(), reqs.Spend(a)...)
		if storage.IsConflict(lost) { // another tab was faster
			reqs.Pages.ShowError(w, r, ErrPushedUnknown, a.about())
			return nil
		} else if lost != nil {
			e = oauth.AsError(lost)
		}
	}
	response := url.Values{"error": {e.Code}, "error_description": {e.Description}}
	if !reqs.Ledger.Vouched(a.Client) && !a.Acted && !a.silent() {
		return reqs.showAnswer(w, r, e, a, response)
	}
	observe.Event(r.Context()).SetError(e.Code, e.Description, e.Cause)
	reqs.Events.Refused(r, e)
	return reqs.Respond(w, r, a, response)
}

// silent reports whether prompt is none: the request may run in a hidden frame, where nobody sees a page (OpenID
// Connect Core section 3.1.2.1). It reads the parameter itself, since the request may have been refused before
// checkOpenID.
func (a *Request) silent() bool {
	return slices.Contains(strings.Fields(a.Params.Get("prompt")), "none")
}

// showAnswer asks the person whether a client that nobody vouches for may get its error (RFC 9700 section
// 4.11.2). Anybody can register a client with any redirect URI, and a link to this server would lead there.
func (reqs *Requests) showAnswer(w http.ResponseWriter, r *http.Request, e *oauth.Error, a *Request, response url.Values) error {
	params, err := reqs.completeResponse(a, response)
	if err != nil {
		return err
	}
	answer := &templates.Answer{URL: oauth.WithParams(a.RedirectURI, a.mode.way, params)}
	if a.mode.way == oauth.ModeFormPost {
		answer = &templates.Answer{URL: a.RedirectURI, Fields: fieldsOf(params)}
	}
	reqs.Pages.ShowErrorPage(w, r, e, a.about(), templates.Error{Client: a.ShownClient(), Answer: answer})
	return nil
}

// responseMode is how a response gets to the client.
type responseMode struct {
	way    string // oauth.ModeQuery, oauth.ModeFragment or oauth.ModeFormPost
	signed bool   // as a JWT: JARM section 2.3
}

// ResponseModes are all response modes. jwt means the signed default mode of the response type (JARM section
// 2.3.4).
var ResponseModes = []string{"query", "fragment", "form_post", "jwt", "query.jwt", "fragment.jwt", "form_post.jwt"}

// responseModeOf returns the response mode of a request. The errors of implicit requests, which are not offered,
// go to the fragment, where such clients look for them.
func responseModeOf(params url.Values) responseMode {
	mode := responseMode{way: oauth.ModeQuery}
	for _, t := range strings.Fields(params.Get("response_type")) {
		if t == "token" || t == "id_token" {
			mode.way = oauth.ModeFragment
		}
	}
	asked := params.Get("response_mode")
	if !slices.Contains(ResponseModes, asked) {
		return mode
	}
	way, signed := strings.CutSuffix(asked, "jwt")
	mode.signed = signed
	if way = strings.TrimSuffix(way, "."); way != "" {
		mode.way = way
	}
	return mode
}

// Respond sends an authorization response to the client's redirect URI in the response mode that it
// asked for (OAuth 2.0 Multiple Response Types section 2.1, Form Post Response Mode).
func (reqs *Requests) Respond(w http.ResponseWriter, r *http.Request, a *Request, response url.Values) error {
	params, err := reqs.completeResponse(a, response)
	if err != nil {
		return err
	}
	if a.mode.way == oauth.ModeFormPost {
		reqs.Pages.Render(w, r, http.StatusOK, templates.FormPost{
			UILocales: a.Params.Get("ui_locales"),
			Client:    &templates.Client{Name: a.Client.Name, RedirectURI: a.RedirectURI},
			Action:    a.RedirectURI,
			Params:    fieldsOf(params),
		})
		return nil
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Location", oauth.WithParams(a.RedirectURI, a.mode.way, params))
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// completeResponse returns a response with iss (RFC 9207) and the state exactly as it came. It signs the
// response if the request or the registration of the client wants that.
func (reqs *Requests) completeResponse(a *Request, response url.Values) (url.Values, error) {
	params := maps.Clone(response)
	params.Set("iss", reqs.Issuer.ID)
	if state := a.Params["state"]; len(state) == 1 {
		params.Set("state", state[0])
	}
	if !a.mode.signed && !a.Client.RequireJARM {
		return params, nil
	}
	signed, err := reqs.signResponse(a, params)
	return url.Values{"response": {signed}}, err
}

// fieldsOf returns the fields of a form with these parameters.
func fieldsOf(params url.Values) map[string]string {
	fields := map[string]string{}
	for name := range params {
		fields[name] = params.Get(name)
	}
	return fields
}
